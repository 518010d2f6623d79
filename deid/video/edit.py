"""One person, one new face: what becomes of every face of a film, chosen once and kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import fallback
from deid.anonymizer.cover import cover
from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.face import Request, Tracked
from deid.anonymizer.face_editor import with_own_landmarks
from deid.anonymizer.fallback import Level
from deid.anonymizer.identities import RECOGNISABLE
from deid.core.temporal import Steady
from deid.core.types import Detection, Embeddings, Image
from deid.imaging import geometry
from deid.imaging.alignment import align, is_profile
from deid.video.find import FoundFrame, FrameT, TrackedFace
from deid.video.smooth import LandmarkFilter

#: A person who cannot be given a face is tried again with later portraits, so many times in all.
_ATTEMPTS = 3
#: After a frame in which the gate refused a face, the harder way is kept for so many frames, and for twice as many after the next
#: one: a film must not flicker.
_HOLD = 50
#: A face that was lost or turned away while it had a new one stays covered for so many frames: in a dark crowd faces are found now
#: and then.
_LOST = 25
#: The cover that every face's levels end in.
_HARDEST = "solid"
#: Of a face that is pasted at least this share lies inside the picture.
_LEAST_INSIDE = 0.75
#: Around a face, times its box, so much of a frame is enough to try covers on.
_SURROUNDINGS = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class EditedFrame(Generic[FrameT]):
    """A frame, anonymised.

    Args:
        frame: as it was given.
        image: (H, W, 3) uint8 RGB; None when no face is in it.
        touched: (H, W), where it differs from the frame; None when no face is in it.
    """

    frame: FrameT
    image: Image | None
    touched: NDArray[np.bool_] | None


@dataclass(slots=True, eq=False)
class Person:
    """Somebody in the film.

    Args:
        number: from 0, in the order of appearance.
        embeddings: (1, D) each, the mean over the portraits; empty when no new face is wanted.
        level: the new face; None when the person is covered.
        attempts: how often a new face was looked for.
    """

    number: int
    embeddings: tuple[Embeddings, ...]
    level: Level | None = None
    attempts: int = 0


@dataclass(slots=True, eq=False)
class TrackSummary:
    """What became of one track: plain sums, so that a long film's report stays short.

    Args:
        track: its number.
        person: whom it was taken for.
        first: its first frame.
        last: its last frame.
        states: frames by how the face was found.
        methods: frames by what is in the face's place.
        score: the detector's best.
        distance: the least distance to the face before, in units of the threshold; None where no new face was pasted.
        asked: whether it got what was asked for in any frame, and not covers alone in place of a new face or of a milder cover.
    """

    track: int
    person: int
    first: int
    last: int
    states: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    score: float = 0.0
    distance: float | None = None
    asked: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "track": self.track,
            "person": self.person,
            "frames": [self.first, self.last],
            "states": dict(self.states),
            "methods": dict(self.methods),
            "score": round(self.score, 4),
            "status": "passed" if self.asked else "fallback",
            "least_distance_in_thresholds": None if self.distance is None else round(self.distance, 3),
        }


@dataclass(slots=True, eq=False)
class _Role:
    """How a track is edited."""

    person: Person
    summary: TrackSummary
    cover: Level
    #: Levels of the new face that are left out, until which frame, and for how many after the next refusal.
    level: int = 0
    until: int = -1
    hold: int = _HOLD
    #: The last frame with the new face, and up to which frame none is shown again.
    shown: int = -2
    covered: int = -1
    #: What the new face's last frame left: which one it was, and how it looked.
    pasted: int = -2
    smooth: LandmarkFilter = field(default_factory=LandmarkFilter)
    steady: Steady = field(default_factory=Steady)


class FilmEditor(Generic[FrameT]):
    """Edits frame after frame of one film.

    Args:
        engine: edits and judges faces.
        seed: what every person's new face is drawn from.
    """

    def __init__(self, engine: Anonymizer, seed: int) -> None:
        self._engine, self._seed = engine, seed
        self._roles: dict[int, _Role] = {}
        self._people: list[Person] = []
        self._index = -1

    @property
    def tracks(self) -> list[TrackSummary]:
        """What became of every track so far."""
        return [role.summary for role in self._roles.values()]

    @property
    def n_people(self) -> int:
        return len(self._people)

    def edit(self, found: FoundFrame[FrameT]) -> EditedFrame[FrameT]:
        """Anonymise one frame.

        Raises:
            EditError: an editor failed. There is no frame then.
        """
        self._index += 1
        for track, portraits in found.portraits.items():
            self._introduce(track, portraits, {face.track for face in found.faces})
        if not found.faces:
            return EditedFrame(found.frame, None, None)
        image = found.frame.rgb()
        touched = np.zeros(image.shape[:2], bool)
        pasted = [face for face in found.faces if self._gets_face(face, image)]
        out = self._paste(image, pasted, touched) if pasted else image.copy()
        for face in found.faces:
            if face not in pasted:
                self._cover(face, out, touched)
            self._note(face)
        return EditedFrame(found.frame, out, touched)

    def _introduce(self, track: int, portraits: Sequence[tuple[FrameT, Detection]], present: set[int]) -> None:
        """Decide what a track is to become, or try again."""
        role = self._roles.get(track)
        if not self._wants_faces:
            # One portrait is enough to try covers on.
            portraits = () if role is not None else portraits[:1]
        shown = [(frame.rgb(), d) for frame, d in portraits]
        if role is None:
            clear = [(image, d) for image, d in shown if self._is_clear(d)]
            there = [self._roles[t].person for t in present if t in self._roles]
            person = self._person(clear, there) if self._wants_faces and clear else self._add(())
            summary = TrackSummary(track, person.number, self._index, self._index)
            role = self._roles[track] = _Role(person, summary, self._cover_for(shown))
        person = role.person
        if self._wants_faces and person.level is None and person.attempts < _ATTEMPTS and shown:
            person.attempts += 1
            seed = int(np.random.SeedSequence([self._seed, person.number]).generate_state(1, np.uint64)[0])
            person.level = self._engine.choose(shown, seed, [p.level for p in self._people if p.level is not None])

    @property
    def _wants_faces(self) -> bool:
        return self._engine.options.method == "attgan"

    def _is_clear(self, detection: Detection) -> bool:
        """Whether a face is seen so well that it can be recognised: blurred ones all look alike to a recogniser."""
        return detection.score >= self._engine.options.edit_score and detection.size >= RECOGNISABLE

    def _person(self, portraits: Sequence[tuple[Image, Detection]], there: Sequence[Person]) -> Person:
        """Who it is: somebody who was there before and is nowhere else in the frame, or a new person."""
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

    def _cover_for(self, portraits: Sequence[tuple[Image, Detection]]) -> Level:
        """The mildest cover that the gate lets pass on a portrait; the hardest but the solid one where there is no portrait."""
        options, gate = self._engine.options, self._engine.gate
        softer = fallback.softer_covers(options)
        if not portraits or self._wants_faces:
            return softer[-1]
        image, detection = portraits[0]
        rows, columns = geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, _SURROUNDINGS), image.shape[:2])
        around = np.ascontiguousarray(image[rows, columns])
        here = with_own_landmarks(detection.moved(np.ones(2), -np.array([columns.start, rows.start], float)))
        source = gate.identity(align(around, here).crop, here)
        passing = (level for level in softer if gate.cover(source, cover(level, around, here, options.margin)[0]).passed)
        return next(passing, fallback.solid_cover(options))

    def _gets_face(self, face: TrackedFace, image: Image) -> bool:
        """Whether the new face is shown in this frame; one that was lost begins to be covered for a while here."""
        role, box = self._roles[face.track], face.detection.box_xyxy
        if role.person.level is None:
            return False
        inside = geometry.share_inside(box, image.shape[:2])
        if face.state == "remembered" or inside < _LEAST_INSIDE or is_profile(face.detection):
            if role.shown == self._index - 1:
                role.covered = self._index + _LOST
            return False
        if self._index <= role.covered:
            return False
        role.shown = self._index
        return True

    def _paste(self, image: Image, faces: Sequence[TrackedFace], touched: NDArray[np.bool_]) -> Image:
        """New faces, each judged by the gate in this frame."""
        wanted = [
            Request(face.detection, self._levels(self._roles[face.track]), tracked)
            for face, tracked in zip(faces, self._tracked(image, faces), strict=True)
        ]
        out, results = self._engine.process_requests(image, wanted, self._seed)
        # Channel by channel: over an axis of three, numpy's `any` takes seven times as long.
        for channel in np.moveaxis(out != image, 2, 0):
            np.logical_or(touched, channel, out=touched)
        for face, became in zip(faces, results, strict=True):
            role = self._roles[face.track]
            if became.why:
                role.level, role.until = role.level + len(became.why), self._index + role.hold
                role.hold *= 2
            if became.method == _HARDEST:
                # Where the gate let no blur pass, none is laid over the next frames in which the face is only remembered.
                role.cover = fallback.solid_cover(self._engine.options)
            role.summary.methods[became.method] += 1
            role.summary.asked |= became.status == "passed"
            if became.verification.distances and became.attributes:
                least = min(d.value / d.threshold for d in became.verification.distances)
                role.summary.distance = min(least, role.summary.distance or least)
        return out

    def _tracked(self, image: Image, faces: Sequence[TrackedFace]) -> list[Tracked]:
        """What is known of each face from the frames before; a face that was away begins anew."""
        known = []
        for face in faces:
            role = self._roles[face.track]
            if role.pasted != self._index - 1:
                role.smooth, role.steady = LandmarkFilter(), Steady()
            role.pasted = self._index
            known.append(Tracked(role.smooth(self._engine.landmarks(image, face.detection)), role.steady))
        return known

    def _levels(self, role: _Role) -> list[Level]:
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


def _mean(rows: Embeddings) -> Embeddings:
    mean = rows.mean(axis=0, keepdims=True)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
