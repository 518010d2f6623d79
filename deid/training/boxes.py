"""Faces of training photos, as labelled by teacher detectors; computed once and cached."""

import io
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.merge import merge
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging import geometry
from deid.training.data import pictures, split_of

log = logging.getLogger(__name__)

_LFW = ("lfw-deepfunneled.tar", "lfw-deepfunneled", "lfw-py/lfw-deepfunneled", "lfw")
#: Scores from which a detection is a face: the teacher's and, where it sees none, MTCNN's. What lies below is doubtful.
SURE_TEACHER, SURE_MTCNN = 0.4, 0.95
#: Score from which the teacher's detections are kept.
LEAST_SCORE = 0.3
#: Enlargement of the teacher's second look, for small bystanders.
_ENLARGED = 2


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhoto:
    """One photo and what is known of its faces.

    Args:
        name: file name.
        data: the encoded file.
        boxes: (N, 4) float32 xyxy pixels.
        sure: (N,) whether the box is a face; otherwise nobody knows, and neither answer may be learned.
    """

    name: str
    data: bytes
    boxes: NDArray[np.float32]
    sure: NDArray[np.bool_]

    def image(self) -> Image:
        """The pixels, RGB."""
        return decode(self.data)


def decode(data: bytes) -> Image:
    """Pixels (H, W, 3) of an encoded picture."""
    return np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB"))


def label(image: Image, teacher: Detector, from_mtcnn: Sequence[Detection]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes (N, 4), cut to the photo, and which of them (N,) are sure.

    Args:
        image: (H, W, 3) uint8 RGB.
        teacher: looks twice, the second time at the enlarged photo; its low scores count as doubtful.
        from_mtcnn: what MTCNN found.
    """
    large = np.asarray(cv2.resize(image, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_LINEAR), np.uint8)
    shrink = np.full(2, 1 / _ENLARGED)
    seen = merge([*teacher.detect(image), *(d.moved(shrink, np.zeros(2)) for d in teacher.detect(large))])
    boxes = np.array([d.box_xyxy for d in seen]).reshape(-1, 4)
    others = [d for d in from_mtcnn if not (geometry.box_iou(boxes, d.box_xyxy) > 0.3).any()]
    both = [*seen, *others]
    sure = [d.score >= SURE_TEACHER for d in seen] + [d.score >= SURE_MTCNN for d in others]
    cut = np.array([geometry.clip_box(d.box_xyxy, image.shape[:2]) for d in both]).reshape(-1, 4)
    inside = geometry.box_area(cut) > 1
    return cut[inside].astype(np.float32), np.array(sure, bool)[inside]


def load(
    data: Path, cache: Path, teacher: Callable[[], Detector], progress: Callable[[int, int, str], None] | None = None
) -> list[LabelledPhoto]:
    """The photos of LFW's training people with their faces, from the cache when it is there.

    Args:
        data: folder with LFW as a tar or unpacked.
        cache: folder for `boxes.npz`; made when absent.
        teacher: builds the detector that labels; not called when the cache is there.
        progress: hears of every photo that was labelled.

    Raises:
        DataError: no photo of a training person is there.
    """
    photos = {Path(n).name: read for n, read in pictures(data, *_LFW) if split_of(f"lfw/{Path(n).parent.name}") == "train"}
    if not photos:
        raise DataError(f"expected lfw-deepfunneled (tar or folder) with training people in {data}, found none")
    file = cache / "boxes.npz"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _save(file, _label_all(photos, teacher(), progress))
    with np.load(file, allow_pickle=False) as table:
        names, counts, boxes, sure = (table[k] for k in ("names", "counts", "boxes", "sure"))
    ends = np.cumsum(counts)
    return [
        LabelledPhoto(str(name), photos[str(name)](), boxes[end - n : end], sure[end - n : end])
        for name, n, end in zip(names, counts, ends, strict=True)
        if str(name) in photos
    ]


_Labels = list[tuple[str, NDArray[np.float32], NDArray[np.bool_]]]


def _label_all(photos: dict[str, Callable[[], bytes]], teacher: Detector, progress: Callable[[int, int, str], None] | None) -> _Labels:
    mtcnn, labels = MtcnnDetector(min_face=20, thresholds=(0.5, 0.6, 0.6)), _Labels()
    for done, (name, read) in enumerate(photos.items(), 1):
        image = decode(read())
        labels.append((name, *label(image, teacher, mtcnn.detect(image))))
        if progress:
            progress(done, len(photos), "labels")
    log.info("labelled %d photos with %d faces", len(labels), sum(int(sure.sum()) for _, _, sure in labels))
    return labels


def _save(file: Path, labels: Iterable[tuple[str, NDArray[np.float32], NDArray[np.bool_]]]) -> None:
    names, boxes, sure = zip(*labels, strict=True)
    np.savez(file, names=np.array(names), counts=np.array([len(b) for b in boxes]), boxes=np.concatenate(boxes), sure=np.concatenate(sure))
