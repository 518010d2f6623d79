"""A new face between the keyframes of a video: what was pasted in the last one, moved as the head and its features are.

It is not made anew: what is shown stays what the gate has judged, but for the motion.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import footprint, without_aliases
from deid.compositing.proposal import Proposal
from deid.core.types import EditedFace, Image
from deid.editing.mouth import inside_of_mouth
from deid.editing.shapes import LIPS, affine_map
from deid.editing.thin_plate import maps_to
from deid.imaging import geometry
from deid.imaging.template import SIZE

#: The layer is at least so many times as fine as the frame: linear interpolation, a tenth of cubic's time, then keeps its detail.
_FINER = 1.8
#: The inside of a mouth fades out within so many pixels of the small crop around the lips' inner outline.
_SOFT = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Pasted:
    """A new face as it was pasted in one frame.

    Args:
        edited: as the editor gave it.
        layer: (n, n, 4) uint8, its pixels, and how much of each shows, up to 255.
        points: (68, 2) landmarks of the photo's face, in pixels of its small crop.
        box: (4,) what of the small crop shows.
        before: (n, n, 4) what was pasted before it, as it lies in this crop; None for nothing.
    """

    edited: EditedFace
    layer: NDArray[np.uint8]
    points: NDArray[np.float64]
    box: NDArray[np.float64]
    before: NDArray[np.uint8] | None = None

    @classmethod
    def of(
        cls,
        proposal: Proposal,
        matrix: NDArray[np.float64],
        points: NDArray[np.float64],
        before: "Pasted | None" = None,
        faded: float = 1.0,
    ) -> "Pasted":
        """From what was pasted in a keyframe.

        Args:
            proposal: what was pasted.
            matrix: leads from the frame to the small crop (128, 128).
            points: (68, 2) landmarks in that crop.
            before: what was shown in the frame before this one, so far faded in.
            faded: see `paste`.
        """
        n = proposal.crop.shape[0]
        large = geometry.enlarged(matrix, n / SIZE)
        crop, alpha = without_aliases(proposal.crop, large), np.asarray((255 * proposal.mask).round(), np.uint8)
        layer = np.dstack([crop, alpha])
        if geometry.scale_of(large) < _FINER:
            layer = np.asarray(cv2.resize(layer, (2 * n, 2 * n), interpolation=cv2.INTER_CUBIC), np.uint8)
        rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) * SIZE / n if len(rows) else np.zeros(4)
        if before is None:
            return cls(proposal.edited, layer, points, box)
        low, high = before._reach(points)
        box = np.concatenate([np.minimum(box[:2], low), np.maximum(box[2:], high)])
        return cls(proposal.edited, layer, points, box, before._moved(points, faded, layer.shape[0]))

    def paste(
        self,
        image: Image,
        matrix: NDArray[np.float64],
        points: NDArray[np.float64],
        faded: float = 1.0,
        own: NDArray[np.float64] | None = None,
    ) -> tuple[Image, NDArray[np.bool_]]:
        """Another frame (H, W, 3) with the new face, and where (H, W) it was touched.

        Args:
            image: the frame; it is not changed.
            matrix: leads from it to the small crop.
            points: (68, 2) landmarks of its face in that crop.
            faded: how far, in [0, 1], it has taken the place of what was pasted before it.
            own: (68, 2) landmarks of the subject in that crop, whose open mouth shows its own inside; None where none is shown.
        """
        out, touched = image.copy(), np.zeros(image.shape[:2], bool)
        low, high = self._reach(points)
        rows, columns = geometry.box_to_slices(footprint(matrix, np.concatenate([low, high])), image.shape[:2])
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return out, touched
        shown = self._shown(matrix, points, faded, rows, columns)
        part, alpha = image[rows, columns], cv2.extractChannel(shown, 3)
        weight = alpha.astype(np.float32) / 255
        # numpy takes fifty times as long to leave a channel out.
        new = np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGBA2RGB), np.uint8)
        if own is not None:
            _open_mouth(new, part, geometry.of_part(matrix, rows, columns), points, own)
        out[rows, columns] = cv2.blendLinear(new, np.ascontiguousarray(part), weight, 1 - weight)
        touched[rows, columns] = alpha > 0
        return out, touched

    def mask(self, points: NDArray[np.float64], faded: float = 1.0) -> NDArray[np.float32]:
        """(128, 128) in [0, 1], how much of it shows in a crop with landmarks (68, 2); ``faded`` as for `paste`."""
        return np.asarray(self._moved(points, faded, SIZE)[..., 3] / np.float32(255), np.float32)

    def _reach(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Corners of what may show of it in a crop with landmarks (68, 2): no part moves farther than the farthest landmark."""
        farthest = np.abs(points - self.points).max() + 1
        return np.maximum(self.box[:2] - farthest, 0), np.minimum(self.box[2:] + farthest, SIZE)

    def _layer(self, faded: float) -> NDArray[np.uint8]:
        """(n, n, 4) on the way from what was pasted before."""
        if self.before is None or faded >= 1:
            return self.layer
        return np.asarray(cv2.addWeighted(self.layer, faded, self.before, 1 - faded, 0), np.uint8)

    def _moved(self, points: NDArray[np.float64], faded: float, n: int) -> NDArray[np.uint8]:
        """(n, n, 4) the layer in a crop with other landmarks (68, 2)."""
        k = self.layer.shape[0] / SIZE
        where = geometry.scaled(maps_to(points, self.points)[0], n) * np.float32(k) + np.float32((k - 1) / 2)
        return _from(self._layer(faded), where)

    def _shown(
        self, matrix: NDArray[np.float64], points: NDArray[np.float64], faded: float, rows: slice, columns: slice
    ) -> NDArray[np.uint8]:
        """(h, w, 4) the layer as it lies in a part of a frame."""
        to_crop = geometry.of_part(matrix, rows, columns)
        size, k = (columns.stop - columns.start, rows.stop - rows.start), self.layer.shape[0] / SIZE
        # The warp is smooth: where each pixel comes from is read off its coarse field.
        maps = maps_to(points, self.points)[0] * np.float32(k) + np.float32((k - 1) / 2)
        where = cv2.warpAffine(maps, to_crop, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return _from(self._layer(faded), np.asarray(where, np.float32))


def _open_mouth(new: Image, part: Image, to_crop: NDArray[np.float64], points: NDArray[np.float64], own: NDArray[np.float64]) -> None:
    """Show the inside of the subject's mouth in a new face, in place.

    Lips that were closed in the keyframe would be drawn over an open mouth, and would swell.

    Args:
        new: (h, w, 3) the new face.
        part: (h, w, 3) the same part of the frame.
        to_crop: leads from there to the small crop.
        points: (68, 2) landmarks of the new face in that crop.
        own: (68, 2) those of the subject.
    """
    where = inside_of_mouth(points)
    if not where.any():
        return
    lips = points[LIPS]
    box = footprint(to_crop, np.concatenate([lips.min(axis=0) - _SOFT, lips.max(axis=0) + _SOFT]))
    rows, columns = geometry.box_to_slices(box, new.shape[:2])
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    size, here = (columns.stop - columns.start, rows.stop - rows.start), geometry.of_part(to_crop, rows, columns)
    weight = np.asarray(cv2.warpAffine(where, here, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR), np.float32)
    # From a pixel to the crop, from there to where the subject has it, and back to the frame.
    way = geometry.after(geometry.invert(to_crop), geometry.after(affine_map(lips, own[LIPS]), here))
    inside = cv2.warpAffine(part, way, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    new[rows, columns] = cv2.blendLinear(np.asarray(inside, np.uint8), np.ascontiguousarray(new[rows, columns]), weight, 1 - weight)


def _from(layer: NDArray[np.uint8], where: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(h, w, 4) pixels of a layer (n, n, 4) at places (h, w, 2); nothing outside of it."""
    both: Any = None
    return np.asarray(cv2.remap(layer, where, both, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.uint8)
