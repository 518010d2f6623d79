"""Enrolment of a video's tracks: who each one is, and which new face or cover the person gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deid.anonymizer import fallback
from deid.anonymizer.cover import cover
from deid.anonymizer.face import RECOGNISABLE
from deid.anonymizer.parts import Engine
from deid.anonymizer.request import Level
from deid.core import seeds
from deid.core.types import Detection, Embeddings, Image
from deid.imaging import geometry
from deid.imaging.alignment import align
from deid.recognition.mirrored import mean_of
from deid.video.frames import FoundFrame, FrameT
from deid.video.results import TrackSummary
from deid.video.roles import Person, Role

#: Number of attempts to find a new face for a person, each with later portraits.
_ATTEMPTS = 3
#: Around a face, times its box, so much of a frame is enough to try covers on.
_SURROUNDINGS = 3.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person who looked at the video decided about one track.

    Args:
        leave: the face stays as it is.
        covers: the cover to lay over it in place of a new face, and harder ones to try when the gate refuses it; empty for no choice.
        seed: what its new face is drawn from; None for the video's own.
    """

    leave: bool = False
    covers: tuple[Level, ...] = ()
    seed: int | None = None


_NO_CHOICE = Choice()


class Enrolment:
    """Knows the people of one video and gives each track its role.

    Args:
        engine: edits and judges faces.
        seed: what every person's new face is drawn from.
        choices: by track, what a person decided; the other tracks are enrolled as if there were none.
    """

    def __init__(self, engine: Engine, seed: int, choices: Mapping[int, Choice] | None = None) -> None:
        self._engine, self._seed, self._choices = engine, seed, dict(choices or {})
        self._people: list[Person] = []
        self.roles: dict[int, Role] = {}

    @property
    def n_people(self) -> int:
        return len(self._people)

    @property
    def _wants_faces(self) -> bool:
        return self._engine.options.method == "attgan"

    def choice(self, track: int) -> Choice:
        """What a person decided about a track."""
        return self._choices.get(track, _NO_CHOICE)

    def enrol(self, found: FoundFrame[FrameT], index: int) -> None:
        """Decide what the tracks of a frame with new portraits become, or try again."""
        present = {face.track: face.detection.label for face in found.faces}
        for track, portraits in found.portraits.items():
            if present.get(track, "face") == "face":
                self._face(track, portraits, list(present), index)
            elif track not in self.roles:
                self._plate(track, index)

    def _face(self, track: int, portraits: Sequence[tuple[FrameT, Detection]], present: Sequence[int], index: int) -> None:
        role = self.roles.get(track)
        if not self._wants_faces:
            # One portrait is enough to try covers on.
            portraits = () if role is not None else portraits[:1]
        shown = [(frame.rgb(), d) for frame, d in portraits]
        if role is None:
            clear = [(image, d) for image, d in shown if self._is_clear(d)]
            there = [self.roles[t].person for t in present if t in self.roles]
            person = self._identify(clear, there) if self._wants_faces and clear else self._add(())
            summary = TrackSummary(track, person.number, index, index)
            role = self.roles[track] = Role(person, summary, self._cover(shown[:1], self.choice(track).covers))
        if self._wants_faces and shown:
            self._choose_face(role.person, shown, self.choice(track).seed)

    def _plate(self, track: int, index: int) -> None:
        """A licence plate is covered, whatever faces get."""
        person, own = self._add(()), fallback.plate_covers(self._engine.models)[0]
        self.roles[track] = Role(person, TrackSummary(track, person.number, index, index, asked=True), own)

    def _is_clear(self, detection: Detection) -> bool:
        """Whether a face is seen so well that it can be recognised: blurred ones all look alike to a recogniser."""
        return detection.score >= self._engine.options.edit_score and detection.size >= RECOGNISABLE

    def _identify(self, portraits: Sequence[tuple[Image, Detection]], there: Sequence[Person]) -> Person:
        """Who it is: a known person who is nowhere else in the frame, or a new one."""
        embedders = self._engine.models.reader.embedders
        crops = np.stack([align(image, d).crop for image, d in portraits])
        rows = tuple(mean_of(e.embed(crops)) for e in embedders)
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

    def _choose_face(self, person: Person, shown: Sequence[tuple[Image, Detection]], seed: int | None) -> None:
        """The person's new face, unless there is one or too many attempts failed."""
        if person.level is not None or person.attempts >= _ATTEMPTS:
            return
        person.attempts += 1
        if seed is None:
            seed = seeds.seed_of(self._seed, person.number)
        person.level = self._engine.choose(shown, seed, [p.level for p in self._people if p.level is not None])

    def _cover(self, portraits: Sequence[tuple[Image, Detection]], chosen: Sequence[Level] = ()) -> Level:
        """The mildest cover that the gate lets pass on a portrait; the hardest but the solid one where there is no portrait."""
        models = self._engine.models
        softer = [level for level in chosen if not level.last] or fallback.softer_covers(models)
        levels = list(chosen) or list(fallback.covers(models))
        if len(levels) == 1 or not portraits or (self._wants_faces and not chosen):
            return levels[0] if len(levels) == 1 else softer[-1]
        image, detection = portraits[0]
        rows, columns = geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, _SURROUNDINGS), image.shape[:2])
        around, gate = np.ascontiguousarray(image[rows, columns]), self._engine.gate
        source = models.reader.source(around, detection.moved(np.ones(2), -np.array([columns.start, rows.start], float)))
        # The last one, a solid cover, needs no verdict.
        passing = (
            r for r in levels[:-1] if gate.cover(source, cover(r, around, source.detection, self._engine.options.margin).image).passed
        )
        return next(passing, levels[-1])
