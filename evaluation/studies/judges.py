"""Judges of aligned crops: recognisers, a detector, landmarks and a critic, and the change between two sets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import find
from deid.check.matching import landmark_error
from deid.core.protocols import Detector, Embedder
from deid.core.types import Crops, Embeddings
from deid.detection.central import central
from deid.imaging import geometry
from deid.landmarks.face_points import FacePoints
from deid.verification.realism import RealismScorer
from evaluation.metrics.bootstrap import mean_interval, share_interval
from evaluation.results import Measure, measure

_BATCH = 32
#: Two boxes with less overlap are not one face.
_SAME_IOU = 0.5
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the judges see in N crops.

    Args:
        embeddings: (N, D) by recogniser.
        boxes: (N, 4) of the face in the middle; NaN where the detector finds none.
        five: (N, 5, 2) the detector's landmarks; NaN likewise.
        shape: (N, 68, 2) dlib's landmarks.
        male: (N,) whether the face counts as a man's.
        realism: (N,) the critic's score, in [0, 1].
    """

    embeddings: Mapping[str, Embeddings]
    boxes: NDArray[np.float64]
    five: NDArray[np.float64]
    shape: NDArray[np.float64]
    male: NDArray[np.bool_]
    realism: NDArray[np.float64]

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N,) whether the detector finds the face."""
        return np.asarray(np.isfinite(self.boxes).all(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """Everyone who looks.

    Args:
        recognisers: the first is the one that the product measures with.
        detector: finds faces in crops.
        male: which of crops (N, 128, 128, 3) show a man, (N,).
        points: dlib's landmarks.
        realism: the product's critic.
    """

    recognisers: Sequence[Embedder]
    detector: Detector
    male: Callable[[Crops], NDArray[np.bool_]]
    points: FacePoints
    realism: RealismScorer

    def look(self, crops: Crops) -> Seen:
        """Everything that they see in crops (N, 128, 128, 3)."""
        boxes, five = middle_faces(self.detector, crops)
        shape = np.stack([self.points.points(crop) for crop in crops])
        score = np.concatenate([self.realism.score(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)])
        return Seen(self.embed(crops), boxes, five, shape, self.male(crops), score.astype(np.float64))

    def embed(self, crops: Crops) -> dict[str, Embeddings]:
        """Embeddings (N, D) by recogniser."""
        return {r.name: r.embed(crops) for r in self.recognisers}


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """One number for each of N faces.

    Args:
        name: what it is.
        values: (N,); NaN where it was not measured.
        better: `lower` or `higher`.
        share: whether the values are yes and no.
        by: the judge's name.
        unit: of a value that is no share.
        note: note for the reader.
    """

    name: str
    values: NDArray[np.float64]
    better: str
    share: bool = False
    by: str = ""
    unit: str = ""
    note: str = ""


def middle_faces(detector: Detector, crops: Crops) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Box (N, 4) and five landmarks (N, 5, 2) of the face in the middle of each crop; NaN where there is none."""
    boxes, five = np.full((len(crops), 4), np.nan), np.full((len(crops), 5, 2), np.nan)
    for start in range(0, len(crops), _BATCH):
        batch = list(crops[start : start + _BATCH])
        for i, found in enumerate(find(detector, batch), start):
            face = central(found, crops[i])
            if face is not None:
                boxes[i] = face.box_xyxy
                five[i] = np.nan if face.landmarks is None else face.landmarks
    return boxes, five


def paired_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU (N,) of each box of ``a`` (N, 4) with its partner in ``b`` (N, 4); 0 where one of them is NaN."""
    return np.array([geometry.box_iou(x, y)[0, 0] for x, y in zip(a, b, strict=True)], np.float64)


def shape_error(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean distance of 68 landmarks, in inter-ocular distances of the face before.

    Formula: ``(1 / 68) sum_i |p_i - q_i| / |e_left - e_right|`` with each eye the mean of its six points. Direction: lower means
    more use. Paper: C. Sagonas et al., "300 Faces in-the-Wild Challenge", 2013 (normalised by the pupils' distance).

    Args:
        before: (N, 68, 2) pixels.
        after: (N, 68, 2) pixels, of the same crop.
    """
    eyes = before[:, _LEFT_EYE].mean(axis=1) - before[:, _RIGHT_EYE].mean(axis=1)
    distance = np.linalg.norm(before - after, axis=-1).mean(axis=-1)
    return np.asarray(distance / np.maximum(np.linalg.norm(eyes, axis=-1), 1e-6))


def distances(a: Embeddings, b: Embeddings) -> NDArray[np.float64]:
    """L2 distance (N,) of each row of ``a`` (N, D) to its partner in ``b`` (N, D)."""
    return np.asarray(np.linalg.norm(np.asarray(a, np.float64) - b, axis=1))


def changes(before: Seen, after: Seen, judges: Judges) -> Iterator[Quantity]:
    """What became of each face: identity first, then detection, landmarks, gender and realism.

    What a detector says counts on the faces that it finds before; where they lie, on those that it finds again.
    """
    first = judges.recognisers[0]
    gap = {name: distances(rows, after.embeddings[name]) for name, rows in before.embeddings.items()}
    known, iou = before.found, paired_iou(before.boxes, after.boxes)
    again = known & (iou >= _SAME_IOU)
    over, lost = gap[first.name] > first.threshold, f"{int((~known).sum())} faces that it does not find before are left out"
    both, detector = f"{first.name} and {judges.detector.name}", judges.detector.name
    yield Quantity("over the threshold", over.astype(float), "higher", True, first.name, note=f"L2 over {first.threshold:g}")
    yield Quantity("over the threshold and re-detected", _where(known, over & again), "higher", True, both, note=lost)
    for name, values in gap.items():
        yield Quantity("distance before to after", values, "higher", by=name)
    yield Quantity("re-detected", _where(known, again), "higher", True, detector, note=f"IoU of {_SAME_IOU:g} or more; {lost}")
    yield Quantity("IoU with the box before", _where(again, iou), "higher", by=detector)
    yield Quantity("landmark error, 5 points", _where(again, landmark_error(before.five, after.five)), "lower", by=detector, unit="IOD")
    yield Quantity("landmark error, 68 points", shape_error(before.shape, after.shape), "lower", by="dlib", unit="IOD")
    yield Quantity("gender kept", (before.male == after.male).astype(float), "higher", True, "second opinion")
    yield Quantity("realism score", after.realism, "higher", by="critic")


def _where(mask: NDArray[np.bool_], values: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.where(mask, np.asarray(values, np.float64), np.nan)


def lines(
    section: str,
    quantities: Iterator[Quantity] | Sequence[Quantity],
    people: Sequence[str],
    groups: Mapping[str, NDArray[np.bool_]],
    seed: int,
) -> list[Measure]:
    """A measure for each quantity and each group, masks (N,), that has a face in which it was measured."""
    names = np.asarray(people)
    found = []
    for q in quantities:
        for group, mask in groups.items():
            keep = mask & np.isfinite(q.values)
            if not keep.any():
                continue
            interval = (share_interval if q.share else mean_interval)(q.values[keep], list(names[keep]), seed)
            unit = "%" if q.share else q.unit
            found.append(measure(section, q.name, interval, better=q.better, unit=unit, recogniser=q.by, group=group, note=q.note))
    return found
