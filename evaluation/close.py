"""Close-ups of large faces at the photo's own scale, where soft skin and seams are visible."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import AlignedFace, Image
from deid.imaging import geometry
from deid.imaging.alignment import warp
from deid.imaging.template import SIZE
from evaluation.features import WIDE
from evaluation.masks import edit_mask
from evaluation.metrics.detail import detail_ratio

#: Geometric mean of a box's sides from which a face is looked at closely.
LEAST_PX = 100.0
#: How far the neighbourhood of a face reaches beyond its mask, in pixels of an aligned crop of 128.
_AROUND = 20
#: A crop of more pixels than this is shrunk first: there, 1.5 px hold only grain.
_MOST_PX = 512


@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """A face of `LEAST_PX` and more.

    Args:
        before: (256, 256, 3) aligned crop, twice as fine as the usual one.
        after: (256, 256, 3) the same place of the output, by the landmarks before: both sides are resampled alike.
        detail: `evaluation.metrics.detail.detail_ratio` of the face; NaN where it cannot be measured.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    detail: float


def close_look(before: Image, after: Image, face: AlignedFace) -> Close:
    """A photo, its output of the same size, and the aligned face of the photo."""
    factor = WIDE // SIZE
    wide = np.column_stack([face.matrix[:, :2] * factor, face.matrix[:, 2] * factor + (factor - 1) / 2])
    return Close(warp(before, wide, WIDE), warp(after, wide, WIDE), _detail(before, after, face))


def _detail(before: Image, after: Image, face: AlignedFace) -> float:
    """The ratio in the photo's own pixels, so that nothing is resampled; of very large faces, in pixels of a crop of 512."""
    matrix = face.matrix
    shrink = max(1, round(SIZE / geometry.scale_of(matrix) / _MOST_PX))
    if shrink > 1:
        h, w = before.shape[:2]
        size = (max(1, w // shrink), max(1, h // shrink))
        before, after = (np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.uint8) for x in (before, after))
        matrix = np.column_stack([matrix[:, :2] * shrink, matrix[:, 2]])
    inside, around = regions(edit_mask(face.crop), matrix, before.shape[:2])
    return detail_ratio(before, after, inside, around)


def regions(
    mask: NDArray[np.float32], matrix: NDArray[np.float64], size_hw: tuple[int, int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where only the new face shows (H, W), and the neighbourhood in which nothing of it does (H, W).

    Args:
        mask: (128, 128) how much of the new face shows in an aligned crop.
        matrix: (2, 3) from pixels of the photo to pixels of the crop.
        size_hw: of the photo.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _AROUND + 1, 2 * _AROUND + 1))
    near = cv2.dilate((mask > 0).astype(np.float32), disc)
    shown, beside = (
        cv2.warpAffine(m, matrix, size_hw[::-1], flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderValue=0.0) for m in (mask, near)
    )
    return shown > 0.9, (beside > 0.5) & (shown == 0)
