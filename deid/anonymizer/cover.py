"""A plain filter over a face's box and its margin, at the photo's scale."""

import numpy as np

from deid.anonymizer.request import Level
from deid.compositing import blend, fill
from deid.compositing.proposal import Shown
from deid.core.types import AlignedFace, Detection, Image
from deid.editing import checked
from deid.editing.sampler import SET_SIZE
from deid.imaging import geometry

#: A cover that fades continues what lies in its box times this.
_AROUND = 1.5


def cover(level: Level, image: Image, detection: Detection, margin: float) -> Shown:
    """A filter over a face's box and its margin.

    Args:
        level: of a filter.
        image: (H, W, 3) uint8 RGB.
        detection: the face.
        margin: share of the box that is added on each side.

    Returns:
        A new image; what is edited is the filtered crop.
    """
    height, width = image.shape[:2]
    box = geometry.expand_box(detection.box_xyxy, 1 + 2 * margin)
    # A user's box may be far larger than the picture.
    box = np.clip(box, np.tile([-width, -height], 2), np.tile([2 * width, 2 * height], 2))
    x, y = np.floor(box[:2]).astype(int)
    w, h = np.ceil(box[2:]).astype(int) - (x, y)
    matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
    rows, columns = geometry.box_to_slices(box, image.shape[:2])
    # The filter reads pixels inside the photo only, and nothing is written outside.
    inside = np.pad(
        image[rows, columns],
        ((rows.start - y, y + h - rows.stop), (columns.start - x, x + w - columns.stop), (0, 0)),
        mode="edge",
    )
    edited = checked.edit(level.editor, AlignedFace(inside, matrix, detection), np.zeros((1, SET_SIZE), np.float32), level.strength)[0]
    own = np.s_[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    mask = blend.box_mask((int(h), int(w)), margin)[own]
    covered, touched = image.copy(), np.zeros((height, width), bool)
    touched[rows, columns] = mask > 0
    if level.fades:
        covered[rows, columns] = edited.crop[own]
        around = geometry.box_to_slices(geometry.expand_box(box, _AROUND), image.shape[:2])
        covered[around] = fill.surrounded(covered[around], image[around], touched[around])
    else:
        covered[rows, columns] = blend.blend_crop(edited.crop[own], image[rows, columns], mask)
    return Shown.of(edited, image, covered, touched)
