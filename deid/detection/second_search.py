"""A second search of a photo whose faces were edited: all of it in small, and more closely what lies around the edits.

What was not edited looks as it did, and was searched before. In 183 photos with 817 detected faces, a second search of all of it at full
size found three more things away from the edits: a pair of hands, the king of a playing card, and an ornament on it. This one leaves out
the card's.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.checked import detect
from deid.detection.merge import merge
from deid.imaging import geometry

#: Pixels of the longer side to which a photo is shrunk, and what lies around an edit. In a photo of 1280 pixels, any face of 72 is still
#: found, and beside a face of 150 any of 25.
_SMALL, _CLOSE = 320, 240
#: What lies around an edit, as so many times its box; and pixels that a search takes beside those of a part's height and width.
_AROUND, _BESIDE = 1.4, 96


def search_again(detector: Detector, image: Image, edited: Sequence[NDArray[np.float64]]) -> list[Detection]:
    """Faces of an image that was edited.

    Args:
        detector: finds faces.
        image: (H, W, 3) uint8 RGB, the result.
        edited: boxes (4,) around all that an edit may have changed.
    """
    h, w = image.shape[:2]
    parts = _parts(edited, (h, w))
    if _cost(h, w, _SMALL) + sum(_cost(r.stop - r.start, c.stop - c.start, _CLOSE) for r, c in parts) >= _cost(h, w, max(h, w)):
        return detect(detector, image)
    found = _shrunk(detector, image, _SMALL)
    for rows, columns in parts:
        origin = np.array([columns.start, rows.start], float)
        part = [d.moved(np.ones(2), origin) for d in _shrunk(detector, image[rows, columns], _CLOSE)]
        found += [d for d in part if not _is_cut(d, (rows, columns), (h, w))]
    return merge(found)


def _shrunk(detector: Detector, image: Image, side: int) -> list[Detection]:
    """Faces that are found in an image (h, w, 3) of which the longer side has so many pixels at most, in pixels of the given one."""
    h, w = image.shape[:2]
    scale = min(1.0, side / max(h, w))
    size = [max(1, round(length * scale)) for length in (w, h)]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return [d.moved(np.array([w, h]) / size, np.zeros(2)) for d in detect(detector, np.ascontiguousarray(small, np.uint8))]


def _parts(edited: Sequence[NDArray[np.float64]], size_hw: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Rows and columns around boxes (4,); those that meet are one part."""
    boxes = [geometry.expand_box(box, _AROUND) for box in edited]
    merged: list[NDArray[np.float64]] = []
    while boxes:
        box = boxes.pop()
        near = [other for other in merged if geometry.box_intersection(box, other)[0, 0] > 0]
        if not near:
            merged.append(box)
            continue
        merged = [other for other in merged if not any(other is one for one in near)]
        together = np.stack([box, *near])
        boxes.append(np.concatenate([together[:, :2].min(axis=0), together[:, 2:].max(axis=0)]))
    places = [geometry.box_to_slices(box, size_hw) for box in merged]
    return [(rows, columns) for rows, columns in places if rows.stop > rows.start and columns.stop > columns.start]


def _cost(h: int, w: int, side: int) -> float:
    """Pixels that a search of an image takes that is shrunk to a longer side."""
    scale = min(1.0, side / max(h, w))
    return (h * scale + _BESIDE) * (w * scale + _BESIDE)


def _is_cut(d: Detection, part: tuple[slice, slice], size_hw: tuple[int, int]) -> bool:
    """Whether a part's edge inside the image cuts a face."""
    low, high = np.array([part[1].start, part[0].start]), np.array([part[1].stop, part[0].stop])
    before = (d.box_xyxy[:2] < low + 1) & (low > 0)
    after = (d.box_xyxy[2:] > high - 1) & (high < np.array(size_hw[::-1]))
    return bool(before.any() or after.any())
