"""Editing of a film's faces: one new face per person, chosen once and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import fallback
from deid.anonymizer.cover import cover
from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.face import Request, Tracked
from deid.anonymizer.face_editor import with_own_landmarks
from deid.anonymizer.identities import RECOGNISABLE
from deid.anonymizer.level import Level
from deid.core.types import Detection, Embeddings, FaceResult, Image
from deid.imaging import geometry
from deid.imaging.alignment import align, is_profile
from deid.video.find import FoundFrame, FrameT, TrackedFace
from deid.video.keyframe import KEYFRAME_S, Keyframe
from deid.video.pace import USUAL_RATE
from deid.video.roles import Person, Role, TrackSummary

#: Number of attempts to find a new face for a person, each with later portraits.
_ATTEMPTS = 3
#: A face that was lost or turned away while it had a new one stays covered for this many frames: in a dark crowd, faces are detected now
#: and then.
_LOST = 25
#: What a face is counted as that was left as it is.
LEFT = "left"
#: The cover at the last fallback level.
_HARDEST = "solid"
#: Of a face that is pasted at least this share lies inside the picture.
_LEAST_INSIDE = 0.75
#: Around a face, times its box, so much of a frame is enough to try covers on.
_SURROUNDINGS = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class EditedFrame(Generic[FrameT]):
    """A frame, anonymized.

    Args:
        frame: as it was given.
        image: (H, W, 3) uint8 RGB; None when no face is in it.
        touched: (H, W), where it differs from the frame; None when no face is in it.
    """

    frame: FrameT
    image: Image | None
    touched: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person who looked at the film decided about one track.

    Args:
        leave: the face stays as it is.
        covers: the cover to lay over it in place of a new face, and harder ones to try when the gate refuses it; empty for no choice.
        seed: what its new face is drawn from; None for the film's own.
    """

    leave: bool = False
    covers: tuple[Level, ...] = ()
    seed: int | None = None


_NO_CHOICE = Choice()


class FilmEditor(Generic[FrameT]):
    """Edits frame after frame of one film.

    Args:
        engine: edits and judges faces.
        seed: what every person's new face is drawn from.
        choices: by track, what a person decided; the other tracks are edited as if there were none.
        rate: frames per second.
    """

    def __init__(self, engine: Anonymizer, seed: int, choices: Mapping[int, Choice] | None = None, rate: float = USUAL_RATE) -> None:
        self._every = max(1, round(KEYFRAME_S * rate))
        self._engine, self._seed, self._choices = engine, seed, dict(choices or {})
        self._roles: dict[int, Role] = {}
        self._people: list[Person] = []
        self._index = -1

    @property
    def tracks(self) -> list[TrackSummary]:
        """Summary of every track so far."""
        return [role.summary for role in self._roles.values()]

    @property
    def n_people(self) -> int:
        return len(self._people)

    def edit(self, found: FoundFrame[FrameT]) -> EditedFrame[FrameT]:
        """Anonymize one frame.

        Raises:
            EditError: an editor failed. There is no frame then.
        """
        self._index += 1
        present = {face.track: face.detection.label for face in found.faces}
        for track, portraits in found.portraits.items():
            self._introduce(track, portraits, present)
        if not found.faces:
            return EditedFrame(found.frame, None, None)
        image = found.frame.rgb()
        touched = np.zeros(image.shape[:2], bool)
        wanted = [face for face in found.faces if not self._choice(face.track).leave]
        pasted = [face for face in wanted if self._gets_face(face, image)]
        out = self._paste(image, pasted, touched) if pasted else image.copy()
        for face in wanted:
            if face not in pasted:
                self._cover(face, out, touched)
        for face in found.faces:
            self._note(face)
        return EditedFrame(found.frame, out, touched)

    def _choice(self, track: int) -> Choice:
        return self._choices.get(track, _NO_CHOICE)

    def _introduce(self, track: int, portraits: Sequence[tuple[FrameT, Detection]], present: Mapping[int, str]) -> None:
        """Decide what a track is to become, or try again; ``present`` says what each track of the frame is of."""
        role = self._roles.get(track)
        if present.get(track, "face") != "face":
            self._introduce_plate(track)
            return
        if not self._wants_faces:
            # One portrait is enough to try covers on.
            portraits = () if role is not None else portraits[:1]
        shown = [(frame.rgb(), d) for frame, d in portraits]
        if role is None:
            clear = [(image, d) for image, d in shown if self._is_clear(d)]
            there = [self._roles[t].person for t in present if t in self._roles]
            person = self._person(clear, there) if self._wants_faces and clear else self._add(())
            summary = TrackSummary(track, person.number, self._index, self._index)
            role = self._roles[track] = Role(person, summary, self._cover_for(shown[:1], self._choice(track).covers))
        person = role.person
        if self._wants_faces and person.level is None and person.attempts < _ATTEMPTS and shown:
            person.attempts += 1
            seed = self._choice(track).seed
            seed = int(np.random.SeedSequence([self._seed, person.number]).generate_state(1, np.uint64)[0]) if seed is None else seed
            person.level = self._engine.choose(shown, seed, [p.level for p in self._people if p.level is not None])

    def _introduce_plate(self, track: int) -> None:
        """A licence plate is covered, whatever faces get."""
        if track not in self._roles:
            person, cover = self._add(()), fallback.plate_covers(self._engine.options)[0]
            summary = TrackSummary(track, person.number, self._index, self._index, asked=True)
            self._roles[track] = Role(person, summary, cover)

    @property
    def _wants_faces(self) -> bool:
        return self._engine.options.method == "attgan"

    def _is_clear(self, detection: Detection) -> bool:
        """Whether a face is seen so well that it can be recognised: blurred ones all look alike to a recogniser."""
        return detection.score >= self._engine.options.edit_score and detection.size >= RECOGNISABLE

    def _person(self, portraits: Sequence[tuple[Image, Detection]], there: Sequence[Person]) -> Person:
        """Who it is: a known person who is nowhere else in the frame, or a new one."""
        embedders = self._engine.gate.embedders
        crops = np.stack([align(image, d).crop for image, d in portraits])
        rows = tuple(_mean(e.embed(crops)) for e in embedders)
        for person in self._people:
            if (
                person.embeddings
                and person not in there
                and all(float(np.linalg.norm(a - b)) < e.threshold for a, b, e in zip(rows, person.embeddings, embedders, strict=True))
            ):
                return person
        return self._add(rows)

    def _add(self, embeddings: tuple[Embeddings, ...]) -> Person:
        self._people.append(Person(len(self._people), embeddings))
        return self._people[-1]

    def _cover_for(self, portraits: Sequence[tuple[Image, Detection]], chosen: Sequence[Level] = ()) -> Level:
        """The mildest cover that the gate lets pass on a portrait; the hardest but the solid one where there is no portrait."""
        options = self._engine.options
        softer = [level for level in chosen if not level.last] or fallback.softer_covers(options)
        levels = list(chosen) or list(fallback.covers(options))
        if len(levels) == 1 or not portraits or (self._wants_faces and not chosen):
            return levels[0] if len(levels) == 1 else softer[-1]
        image, detection = portraits[0]
        rows, columns = geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, _SURROUNDINGS), image.shape[:2])
        around, gate = np.ascontiguousarray(image[rows, columns]), self._engine.gate
        here = with_own_landmarks(detection.moved(np.ones(2), -np.array([columns.start, rows.start], float)))
        source = gate.source(align(around, here).crop, here)
        # The last one, a solid cover, needs no verdict.
        passing = (r for r in levels[:-1] if gate.cover(source, cover(r, around, here, options.margin)[0]).passed)
        return next(passing, levels[-1])

    def _gets_face(self, face: TrackedFace, image: Image) -> bool:
        """Whether the new face is shown in this frame; one that was lost begins to be covered for a while here."""
        role, box = self._roles[face.track], face.detection.box_xyxy
        if role.person.level is None or self._choice(face.track).covers:
            return False
        inside = geometry.share_inside(box, image.shape[:2])
        if face.state == "remembered" or inside < _LEAST_INSIDE or is_profile(face.detection):
            if role.shown == self._index - 1:
                role.covered = self._index + _LOST
            return False
        if self._index <= role.covered or self._index <= min(role.until, role.judged + self._every - 1):
            return False
        role.shown = self._index
        return True

    def _paste(self, image: Image, faces: Sequence[TrackedFace], touched: NDArray[np.bool_]) -> Image:
        """New faces, each judged by the gate in its keyframes."""
        tracked = self._tracked(image, faces)
        wanted = [Request(face.detection, self._levels(self._roles[face.track]), t) for face, t in zip(faces, tracked, strict=True)]
        out, results = self._engine.process_requests(image, wanted, self._seed)
        # Channel by channel: over an axis of three, numpy's `any` takes seven times as long.
        for channel in np.moveaxis(out != image, 2, 0):
            np.logical_or(touched, channel, out=touched)
        for face, known, became in zip(faces, tracked, results, strict=True):
            self._learn(self._roles[face.track], known, became)
        return out

    def _learn(self, role: Role, known: Tracked, became: FaceResult) -> None:
        """Keep what the gate said of a face for the frames that follow."""
        if became.why:
            role.level, role.until = role.level + len(became.why), self._index + role.hold
            role.hold *= 2
        if became.method == _HARDEST:
            # Where the gate let no blur pass, none is laid over the next frames in which the face is only remembered.
            role.cover = fallback.solid_cover(self._engine.options)
        if became.status != "passed":
            role.judged, role.keyframe = self._index, None
        elif known.check is None and known.source is not None:
            role.keyframe = Keyframe(self._index, known.shape, known.source, became.verification)
        summary = role.summary
        summary.methods[became.method] += 1
        summary.asked |= became.status == "passed"
        if became.verification.distances and became.attributes:
            least = min(d.value / d.threshold for d in became.verification.distances)
            summary.distance = min(least, summary.distance or least)

    def _tracked(self, image: Image, faces: Sequence[TrackedFace]) -> list[Tracked]:
        """What is known of each face from the frames before; a face that was away begins anew."""
        known = []
        for face in faces:
            role, engine = self._roles[face.track], self._engine
            if role.pasted != self._index - 1:
                role.begin()
            role.pasted = self._index
            shape = role.smooth(engine.landmarks(image, face.detection))
            key = role.keyframe
            if key is not None and key.holds(self._index, shape, self._every):
                role.steady.go_on(keyframe=False)
                known.append(Tracked(shape, role.steady, key.source, key.check, min(1.0, (self._index - key.index + 1) / self._every)))
            else:
                role.steady.go_on(keyframe=True)
                own = with_own_landmarks(face.detection)
                known.append(Tracked(shape, role.steady, engine.gate.source(align(image, own).crop, own), None, 1 / self._every))
        return known

    def _levels(self, role: Role) -> list[Level]:
        assert role.person.level is not None
        if self._index > role.until:
            role.level = 0
        levels = list(fallback.levels_after(role.person.level, self._engine.options, self._engine.editor))
        return levels[min(role.level, len(levels) - 1) :]

    def _cover(self, face: TrackedFace, out: Image, touched: NDArray[np.bool_]) -> None:
        """A cover, in place: only the part of the frame around the face is worked on."""
        role, margin = self._roles[face.track], self._engine.options.margin
        box = geometry.expand_box(face.detection.box_xyxy, 1 + 2 * margin)
        rows, columns = geometry.box_to_slices(box + np.array([-2.0, -2.0, 2.0, 2.0]), out.shape[:2])
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return
        here = face.detection.moved(np.ones(2), -np.array([columns.start, rows.start], float))
        part, where, edited = cover(role.cover, np.ascontiguousarray(out[rows, columns]), here, margin)
        out[rows, columns] = part
        touched[rows, columns] |= where
        role.summary.methods[edited.method] += 1
        role.summary.asked |= edited.method == self._engine.options.method

    def _note(self, face: TrackedFace) -> None:
        summary = self._roles[face.track].summary
        summary.last = self._index
        summary.states[face.state] += 1
        summary.score = max(summary.score, face.detection.score)
        if self._choice(face.track).leave:
            summary.methods[LEFT] += 1


def _mean(rows: Embeddings) -> Embeddings:
    mean = rows.mean(axis=0, keepdims=True)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
