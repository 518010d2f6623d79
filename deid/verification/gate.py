"""The gate: whether a new face may be published.

It judges the crop as it will look in the photo, blended, and not the editor's raw output. A new face passes when all of these hold: every
embedder places it beyond its threshold, the detector detects it in place, the gender is kept, and it looks like a photo of a face. Distance
alone is a trap: noise that fools one recogniser is neither private nor useful.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import MALE
from deid.core.comparison import below
from deid.core.options import Options
from deid.core.protocols import Detector, Embedder
from deid.core.types import Crops, Distance, Embeddings, Image, Verification
from deid.detection.views import find_again
from deid.imaging.alignment import align
from deid.recognition.source_face import SourceFace
from deid.verification.ranking import margin_of, usual_far

Value = TypeVar("Value")

#: Score under which nothing passes for a photo. One photo in twenty scores less: thick frames of glasses, or much compression.
_NOISE_REALISM = 0.06


class ReadsFaces(Protocol):
    """Measures crops; see `deid.recognition.face_reader`."""

    @property
    def embedders(self) -> Sequence[Embedder]: ...

    def embed(self, crops: Crops) -> tuple[Embeddings, ...]: ...

    def read(
        self, crops: Crops, embeddings: Sequence[Embeddings]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]: ...


@dataclass(frozen=True)
class Gate:
    """Judges edited faces against their source.

    Args:
        reader: measures them.
        detector: must detect the face again; landmarks are not needed.
        options: thresholds.
    """

    reader: ReadsFaces
    detector: Detector
    options: Options

    def measure(self, source: SourceFace, crops: Crops, accepted: bool = False) -> list[Verification]:
        """Compare proposals by all checks but the detector; `judge` decides in the photo.

        Args:
            source: the face before.
            crops: (N, 128, 128, 3) uint8 RGB proposals for its place, blended.
            accepted: see `judge`.

        Returns:
            One verdict per proposal, with IoU 0.
        """
        embeddings = self.reader.embed(crops)
        return self._judged(source, self._distances(source, embeddings), crops, embeddings, accepted)

    def glance(self, source: SourceFace, crop: Image) -> float:
        """The `margin` of a new face in an aligned crop (128, 128, 3), as far as the strictest recogniser alone tells."""
        number, embedder = self._strictest_first()[0]
        return margin_of(self._column(source, number, embedder.embed(crop[None])))

    def judge(self, source: SourceFace, image: Image, accepted: bool = False) -> Verification:
        """Judge a new face in the photo, in full.

        Args:
            source: the face before.
            image: (H, W, 3) uint8 RGB, the photo with the new face.
            accepted: whether the new face was accepted in several frames of the person. Its gender is then not asked again: one blurred
                frame says little of it.
        """
        *_, check = self.looks(source, lambda: image, accepted)
        return check

    def looks(self, source: SourceFace, image: Callable[[], Image], accepted: bool = False) -> Iterator[Verification]:
        """Verdicts on a new face in the photo, each surer than the one before: none is farther than an earlier one, and none passes after
        one that did not. The last one is that of `judge`.

        Args:
            source: the face before.
            image: gives (H, W, 3) uint8 RGB, the photo with the new face, as often as it is called: between looks nobody need keep it.
            accepted: see `judge`.
        """
        crop, rows, first = align(image(), source.detection).crop[None], dict[int, Embeddings](), dict[int, Distance]()
        for number, embedder in self._strictest_first():
            rows[number] = embedder.embed(crop)
            (first[number],) = self._column(source, number, rows[number])
            near = _in_order(first)
            yield Verification(near, False, 0.0, source.male, source.male, None, tuple(_too_near(near)))
        (check,) = self._judged(source, [_in_order(first)], crop, _in_order(rows), accepted)
        yield check
        yield from self._second_looks(source, image(), check)

    def _second_looks(self, source: SourceFace, image: Image, check: Verification) -> Iterator[Verification]:
        """Surer verdicts than the one on the first look: with the detector's word, and at the landmarks that it finds."""
        others, least = check.reasons[len(_too_near(check.distances)) :], self.options.min_iou
        iou, found = find_again(self.detector.detect, image, source.detection)
        if iou < least:
            others += (f"found again with IoU {below(iou, least)}" if iou > 0 else "not found again by the detector",)
        check = replace(check, redetected=iou > 0, iou=iou, reasons=(*_too_near(check.distances), *others))
        yield check
        if found is None:
            return
        near, crop = list(check.distances), align(image, found).crop[None]
        for number, embedder in self._strictest_first():
            near[number] = _nearer(near[number], *self._column(source, number, embedder.embed(crop)))
            yield replace(check, distances=tuple(near), reasons=(*_too_near(near), *others))

    def _strictest_first(self) -> list[tuple[int, Embedder]]:
        """The recognisers with their numbers, the one first that finds most faces near: what it refuses the others need not see."""
        return sorted(enumerate(self.reader.embedders), key=lambda numbered: usual_far(numbered[1].name))

    def cover(self, source: SourceFace, image: Image) -> Verification:
        """Judge a filter over the face, in the photo (H, W, 3): only the distances count."""
        first = self._distances(source, self.reader.embed(align(image, source.detection).crop[None]))
        iou, nearest = self._second_look(source, image, *first)
        return Verification(nearest, iou > 0, iou, source.male, source.male, None, tuple(_too_near(nearest)))

    def _second_look(self, source: SourceFace, image: Image, first: tuple[Distance, ...]) -> tuple[float, tuple[Distance, ...]]:
        """IoU of a face detected again in a photo, and the lesser of its distances at the old landmarks and at the new ones, as an
        attacker aligns it."""
        iou, found = find_again(self.detector.detect, image, source.detection)
        if found is None:
            return iou, first
        (second,) = self._distances(source, self.reader.embed(align(image, found).crop[None]))
        return iou, tuple(map(_nearer, first, second))

    def _distances(self, source: SourceFace, embeddings: Sequence[Embeddings]) -> list[tuple[Distance, ...]]:
        """Distance of each of N faces from the source, for each embedder."""
        return list(zip(*(self._column(source, number, rows) for number, rows in enumerate(embeddings)), strict=True))

    def _column(self, source: SourceFace, number: int, rows: Embeddings) -> list[Distance]:
        """Distance of each of N faces with rows (N, D) by the embedder of a number."""
        embedder = self.reader.embedders[number]
        values = np.linalg.norm(rows - source.embeddings[number], axis=1)
        return [Distance(embedder.name, float(value), embedder.threshold) for value in values]

    def _judged(
        self,
        source: SourceFace,
        distances: Sequence[tuple[Distance, ...]],
        crops: Crops,
        embeddings: Sequence[Embeddings],
        accepted: bool,
    ) -> list[Verification]:
        """Verdicts on N new faces, crops (N, 128, 128, 3) with at least N embeddings, without the detector."""
        if source.attributes is None:
            raise ValueError("expected a face that was measured for a new one, got one that was measured for a filter")
        before = float(source.attributes[MALE])
        attributes, male, real = self.reader.read(crops, [rows[: len(crops)] for rows in embeddings])
        found = []
        for near, first, second, score in zip(distances, male, attributes[:, MALE], real, strict=True):
            reasons = _too_near(near)
            if not accepted and not _gender_kept(source.male, first, self.options):
                reasons.append(f"gender not kept: male {source.male:.2f} before, {first:.2f} after")
            elif not accepted and _flipped(source.male, before, second, self.options):
                reasons.append(f"gender not kept for a second reader: male {before:.2f} before, {second:.2f} after")
            if score < (least := _least_realism(source, self.options)):
                reasons.append(f"realism {below(score, least)}{_whose(least, source, self.options)}")
            found.append(Verification(near, False, 0.0, source.male, float(first), float(score), tuple(reasons)))
        return found


def _nearer(a: Distance, b: Distance) -> Distance:
    """The lesser of two distances; a NaN counts as the least."""
    return min(a, b, key=lambda d: (d.value == d.value, d.value))


def _in_order(numbered: Mapping[int, Value]) -> tuple[Value, ...]:
    """Values by their numbers."""
    return tuple(numbered[number] for number in sorted(numbered))


def _too_near(distances: Sequence[Distance]) -> list[str]:
    return [f"{d.embedder} distance {d.value:.3f} <= {d.threshold:.3f}" for d in distances if not d.passed]


def _least_realism(source: SourceFace, options: Options) -> float:
    """Least realism of a new face: the option, or the original face's score where that is lower; always more than noise scores."""
    return min(options.min_realism, max(_NOISE_REALISM, source.realism))


def _whose(least: float, source: SourceFace, options: Options) -> str:
    """Where the least realism comes from, when it is not the option."""
    return "" if least == options.min_realism else ", the old face's own score" if least == source.realism else ", the score of noise"


def _gender_kept(before: float, after: float, options: Options) -> bool:
    """Whether the same gender is read as surely as before, or surely enough."""
    own = after if before > 0.5 else 1 - after
    return own >= min(max(before, 1 - before), 1 - options.gender_slack)


def _flipped(gender: float, before: float, second: float, options: Options) -> bool:
    """Whether the attribute classifier, where it agreed on the gender before, takes the new face for the other one."""
    male = gender > 0.5
    own = second if male else 1 - second
    return (before > 0.5) == male and own < min(0.5, 1 - options.gender_slack)
