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

from deid import geometry, weights
from deid.align import align
from deid.attributes.classify import MALE, AttributeReader
from deid.attributes.gender import GenderReader
from deid.config import Options
from deid.detect.confirm import look_closer
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.models.realism import RealismCritic
from deid.protocols import Detector, Embedder
from deid.structures import Crops, Detection, Distance, Embeddings, Image, Verification

#: The patch in which a face is looked for again is so many times its box: MTCNN needs some surroundings.
_PATCH = 2.2
#: The patch is shrunk to this many pixels: a face is then about 90 px, and looking takes 20 ms.
_PATCH_SIZE = 200
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
                self._network = weights.load_realism().to(self._device)
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
    """

    detection: Detection
    embeddings: tuple[Embeddings, ...]
    attributes: NDArray[np.float32]
    male: float


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
        return SourceFace(detection, rows, attributes[0], float(self._male(attributes, rows)[0]))

    def measure(self, source: SourceFace, crops: Crops, settled: bool = False) -> list[Verification]:
        """Judge new faces by all but the detector, which is asked by `confirm` for the best ones.

        Args:
            source: the face before.
            crops: (N, 128, 128, 3) proposals for its place, blended.
            settled: whether several pictures settled who this person is to be: the gender must not flip then, and may be read less surely.
        """
        embeddings = self._embed(crops)
        distances = self._distances(source, embeddings)
        attributes, real = self.attributes.probabilities(crops), self.realism.score(crops)
        rows = zip(distances, self._male(attributes, embeddings), attributes[:, MALE], real, strict=True)
        return [self._judged(source, d, float(m), float(second), float(r), settled) for d, m, second, r in rows]

    def _embed(self, crops: Crops) -> tuple[Embeddings, ...]:
        return tuple(embedder.embed(crops) for embedder in self.embedders)

    def _male(self, attributes: NDArray[np.float32], embeddings: Sequence[Embeddings]) -> NDArray[np.float64]:
        """Probability of a man (N,), by the best that is known of N faces."""
        for embedder, rows in zip(self.embedders, embeddings, strict=True):
            if isinstance(embedder, DlibResNetEmbedder):
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
        self, source: SourceFace, distances: tuple[Distance, ...], male: float, second: float, real: float, settled: bool
    ) -> Verification:
        """What is said of a new face, whose gender two readers have read."""
        reasons = _too_near(distances)
        if not self._gender_kept(source.male, male, settled):
            reasons.append(f"gender not kept: male {source.male:.2f} before, {male:.2f} after")
        elif self._flipped(source, second):
            reasons.append(f"gender not kept for a second reader: male {source.attributes[MALE]:.2f} before, {second:.2f} after")
        if real < self.options.min_realism:
            reasons.append(f"realism {real:.2f} < {self.options.min_realism:.2f}")
        return Verification(distances, False, 0.0, source.male, male, real, tuple(reasons))

    def _gender_kept(self, before: float, after: float, settled: bool) -> bool:
        """Whether the same gender is read as surely as before, or surely enough; where it is settled, at all."""
        own = after if before > 0.5 else 1 - after
        return own >= (0.5 if settled else min(max(before, 1 - before), 1 - self.options.gender_slack))

    def _flipped(self, source: SourceFace, second: float) -> bool:
        """Whether the attribute classifier, where it agreed on the gender before, takes the new face for the other one."""
        male = source.male > 0.5
        own = second if male else 1 - second
        return (source.attributes[MALE] > 0.5) == male and own < min(0.5, 1 - self.options.gender_slack)

    def confirm(self, check: Verification, source: SourceFace, image: Image) -> Verification:
        """The same verification with the detector's word on the photo (H, W, 3) with the new face in it."""
        check, least = self._looked_at(check, source, image), self.options.min_iou
        if check.iou >= least:
            return check
        found = f"found again with IoU {check.iou:.2f} < {least:.2f}" if check.redetected else "not found again by the detector"
        return replace(check, reasons=(*check.reasons, found))

    def cover(self, source: SourceFace, image: Image) -> Verification:
        """Judge a filter over the face, in the photo (H, W, 3): it need not be found, look real or keep a gender."""
        return self._looked_at(Verification((), False, 0.0, source.male, source.male, None, ()), source, image)

    def _looked_at(self, check: Verification, source: SourceFace, image: Image) -> Verification:
        """With identity measured anew on the photo: where the face was, and as an attacker aligns it who finds it now. The smaller
        distance counts."""
        iou, found = self.find_again(image, source.detection)
        views = [align(image, d).crop for d in (source.detection, found) if d is not None]
        seen = self._distances(source, self._embed(np.stack(views)))
        distances = tuple(min(of, key=lambda d: d.value) for of in zip(*seen, strict=True))
        reasons = [r for r in check.reasons if "distance" not in r] + _too_near(distances)
        return replace(check, distances=distances, redetected=found is not None, iou=iou, reasons=tuple(reasons))

    def find_again(self, image: Image, detection: Detection) -> tuple[float, Detection | None]:
        """What the detector finds in a face's place in a photo (H, W, 3), with the IoU of the boxes; (0, None) for nothing."""
        found = look_closer(self.detector, image, detection, _PATCH, _PATCH_SIZE)
        iou = geometry.box_iou(np.array([d.box_xyxy for d in found]), detection.box_xyxy).ravel()
        best = int(iou.argmax()) if found else -1
        return (float(iou[best]), found[best]) if found and iou[best] > 0 else (0.0, None)


def _too_near(distances: Sequence[Distance]) -> list[str]:
    return [f"{d.embedder} distance {d.value:.3f} <= {d.threshold:.3f}" for d in distances if not d.passed]
