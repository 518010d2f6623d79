"""The gate: whether a new face may be published.

It judges the crop as it will look in the photo, blended, and not the editor's raw output. A new face passes when every
embedder takes it for another person, the detector still finds it in place, gender is kept, and it looks like a photo of
a face: distance alone is a trap, for noise that fools one recogniser is neither private nor useful.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from deid import weights
from deid.core.options import Options
from deid.core.protocols import Detector, Embedder
from deid.core.types import Crops, Detection, Distance, Embeddings, Image, Verification
from deid.detection.confirm import look_closer
from deid.imaging import geometry
from deid.imaging.alignment import align
from deid.models.attgan import ATTRIBUTES
from deid.models.packed import packed
from deid.models.realism import RealismCritic
from deid.recognition.attributes import MALE, AttributeReader
from deid.recognition.gender import GenderReader

#: The patch in which a face is looked for again is so many times its box: MTCNN needs some surroundings.
_PATCH = 2.2
#: The patch is shrunk to this many pixels: a face is then about 90 px, and looking takes 20 ms.
_PATCH_SIZE = 200
#: Score under which nothing passes for a photo.
_NOISE_REALISM = 0.15
#: Distances beyond so many thresholds are worth no more: chasing distance alone picks noise.
_DISTANCE_CAP = 1.5


def utility(distance: ArrayLike, realism: ArrayLike, iou: ArrayLike = 1.0, score: ArrayLike = 1.0) -> NDArray[np.float64]:
    """What a new face is worth: ``score * iou * min(distance, cap) * realism``, elementwise.

    The thesis's utility, with realism as a factor.

    Args:
        distance: to the source, in thresholds of the recogniser.
        realism: the critic's score, in [0, 1].
        iou: overlap of the boxes before and after, in [0, 1]; 1 where the detector was not asked.
        score: the detector's probability of a face, likewise.
    """
    capped = np.minimum(np.asarray(distance, np.float64), _DISTANCE_CAP)
    return np.asarray(capped * np.asarray(realism) * np.asarray(iou) * np.asarray(score), np.float64)


class RealismScorer:
    """How much crops look like photos of faces.

    Args:
        device: where the network runs.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._network: RealismCritic | None = None
        self._lock = threading.Lock()

    @property
    def network(self) -> RealismCritic:
        """The critic, read on first use."""
        with self._lock:
            if self._network is None:
                self._network = packed(weights.load_realism().to(self._device))
            return self._network

    @torch.inference_mode()
    def score(self, crops: Crops) -> NDArray[np.float32]:
        """Crops (N, 128, 128, 3) to scores (N,) in [0, 1]; 1 is a photo."""
        if not len(crops):
            return np.zeros(0, np.float32)
        images = torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return np.asarray(self.network(images).sigmoid().cpu().numpy(), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SourceFace:
    """What the gate remembers of the face that shall disappear.

    Args:
        detection: where it is.
        embeddings: (1, D) rows, one per embedder.
        attributes: (13,) probability of each attribute.
        male: probability of a man.
        realism: the critic's score of it, in [0, 1]: a small or compressed face scores low, and a new one in its place cannot do better.
    """

    detection: Detection
    embeddings: tuple[Embeddings, ...]
    attributes: NDArray[np.float32]
    male: float
    realism: float = 1.0


@dataclass(frozen=True)
class Gate:
    """Measures edited faces against their source.

    Args:
        embedders: at least one.
        detector: what must find the face again; fast and without landmarks of its own needed.
        attributes: reads what a face is like, and its gender once more.
        realism: scores pasted faces.
        gender: reads gender from dlib's embedding; where dlib is none of the embedders, the attributes must do.
        options: thresholds.
    """

    embedders: Sequence[Embedder]
    detector: Detector
    options: Options
    attributes: AttributeReader = field(default_factory=AttributeReader)
    realism: RealismScorer = field(default_factory=RealismScorer)
    gender: GenderReader = field(default_factory=GenderReader)

    def source(self, crop: Image, detection: Detection) -> SourceFace:
        """Measure the face before it is edited, from its aligned crop (128, 128, 3)."""
        rows, attributes = self._embed(crop[None]), self.attributes.probabilities(crop[None])
        realism = float(self.realism.score(crop[None])[0])
        return SourceFace(detection, rows, attributes[0], float(self._male(attributes, rows)[0]), realism)

    def identity(self, crop: Image, detection: Detection) -> SourceFace:
        """Measure nothing of a face but who it is: all that `cover` asks for."""
        return SourceFace(detection, self._embed(crop[None]), np.zeros(len(ATTRIBUTES), np.float32), 0.5)

    def measure(self, source: SourceFace, crops: Crops, accepted: bool = False) -> list[Verification]:
        """Compare proposals by all but the detector; what a proposal is worth in the photo, `judge` says.

        Args:
            source: the face before.
            crops: (N, 128, 128, 3) proposals for its place, blended.
            accepted: see `judge`.
        """
        embeddings = self._embed(crops)
        return self._judged(source, self._distances(source, embeddings), crops, embeddings, accepted)

    def judge(self, source: SourceFace, image: Image, accepted: bool = False) -> Verification:
        """Judge a new face in the photo.

        Args:
            source: the face before.
            image: (H, W, 3) uint8 RGB, the photo with the new face.
            accepted: whether the new face was accepted in several frames; this relaxes the gender check.
        """
        iou, views, embeddings = self._look(source, image)
        (check,) = self._judged(source, [self._nearest(source, embeddings)], views[:1], embeddings, accepted)
        reasons, least = check.reasons, self.options.min_iou
        if iou < least:
            again = f"found again with IoU {iou:.2f} < {least:.2f}" if iou > 0 else "not found again by the detector"
            reasons = (*reasons, again)
        return replace(check, redetected=iou > 0, iou=iou, reasons=reasons)

    def cover(self, source: SourceFace, image: Image) -> Verification:
        """Judge a filter over the face, in the photo (H, W, 3): it need not be found, look real or keep a gender."""
        iou, _, embeddings = self._look(source, image)
        nearest = self._nearest(source, embeddings)
        return Verification(nearest, iou > 0, iou, source.male, source.male, None, tuple(_too_near(nearest)))

    def _look(self, source: SourceFace, image: Image) -> tuple[float, Crops, tuple[Embeddings, ...]]:
        """How well a face is found in its place in a photo, and the views of it with their embeddings: where it was, and as an
        attacker aligns it who finds it now."""
        iou, found = self.find_again(image, source.detection)
        views = np.stack([align(image, d).crop for d in (source.detection, found) if d is not None])
        return iou, views, self._embed(views)

    def _nearest(self, source: SourceFace, embeddings: Sequence[Embeddings]) -> tuple[Distance, ...]:
        """The least distance of several views of one face from the source, for each embedder."""
        # What is no number is no distance at all.
        return tuple(min(of, key=lambda d: (d.value == d.value, d.value)) for of in zip(*self._distances(source, embeddings), strict=True))

    def _embed(self, crops: Crops) -> tuple[Embeddings, ...]:
        return tuple(embedder.embed(crops) for embedder in self.embedders)

    def _male(self, attributes: NDArray[np.float32], embeddings: Sequence[Embeddings]) -> NDArray[np.float64]:
        """Probability of a man (N,), by the best that is known of N faces."""
        for embedder, rows in zip(self.embedders, embeddings, strict=True):
            if embedder.name == self.gender.embedder:
                return self.gender.male(rows)
        return np.asarray(attributes[:, MALE], np.float64)

    def _distances(self, source: SourceFace, embeddings: Sequence[Embeddings]) -> list[tuple[Distance, ...]]:
        """Distance of each of N faces from the source, for each embedder."""
        columns = []
        for embedder, rows, before in zip(self.embedders, embeddings, source.embeddings, strict=True):
            value = np.linalg.norm(rows - before, axis=1)
            columns.append([Distance(embedder.name, float(v), embedder.threshold) for v in value])
        return list(zip(*columns, strict=True))

    def _judged(
        self,
        source: SourceFace,
        distances: Sequence[tuple[Distance, ...]],
        crops: Crops,
        embeddings: Sequence[Embeddings],
        accepted: bool,
    ) -> list[Verification]:
        """What is said of N new faces, crops (N, 128, 128, 3) with at least N embeddings, but for the detector's word."""
        attributes, real = self.attributes.probabilities(crops), self.realism.score(crops)
        male = self._male(attributes, [rows[: len(crops)] for rows in embeddings])
        found = []
        for near, first, second, score in zip(distances, male, attributes[:, MALE], real, strict=True):
            reasons = _too_near(near)
            if not self._gender_kept(source.male, first, accepted):
                reasons.append(f"gender not kept: male {source.male:.2f} before, {first:.2f} after")
            elif self._flipped(source, second):
                reasons.append(f"gender not kept for a second reader: male {source.attributes[MALE]:.2f} before, {second:.2f} after")
            if score < (least := self._least_realism(source)):
                reasons.append(f"realism {score:.2f} < {least:.2f}")
            found.append(Verification(near, False, 0.0, source.male, float(first), float(score), tuple(reasons)))
        return found

    def _least_realism(self, source: SourceFace) -> float:
        """What a new face must score: the option, or what the face before scored where that is less; never what noise scores."""
        return min(self.options.min_realism, max(_NOISE_REALISM, source.realism))

    def _gender_kept(self, before: float, after: float, accepted: bool) -> bool:
        """Whether the same gender is read as surely as before, or surely enough; at all, where it was accepted in several frames."""
        own = after if before > 0.5 else 1 - after
        return own >= (0.5 if accepted else min(max(before, 1 - before), 1 - self.options.gender_slack))

    def _flipped(self, source: SourceFace, second: float) -> bool:
        """Whether the attribute classifier, where it agreed on the gender before, takes the new face for the other one."""
        male = source.male > 0.5
        own = second if male else 1 - second
        return (source.attributes[MALE] > 0.5) == male and own < min(0.5, 1 - self.options.gender_slack)

    def find_again(self, image: Image, detection: Detection) -> tuple[float, Detection | None]:
        """What the detector finds in a face's place in a photo (H, W, 3), with the IoU of the boxes; (0, None) for nothing."""
        found = look_closer(self.detector, image, detection, _PATCH, _PATCH_SIZE)
        iou = geometry.box_iou(np.array([d.box_xyxy for d in found]), detection.box_xyxy).ravel()
        best = int(iou.argmax()) if found else -1
        return (float(iou[best]), found[best]) if found and iou[best] > 0 else (0.0, None)


def _too_near(distances: Sequence[Distance]) -> list[str]:
    return [f"{d.embedder} distance {d.value:.3f} <= {d.threshold:.3f}" for d in distances if not d.passed]
