"""A new face on its way into a photo, and a photo with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing import blend
from deid.compositing.fit import FITS, Fit
from deid.core.types import EditedFace, Image
from deid.imaging import geometry
from deid.imaging.template import SIZE

#: Samples of a photo of which no copies are kept: 16 megapixels.
_HUGE = 48_000_000
#: From here on a mask hides the photo.
_WHOLLY = 0.95
#: How soft the border of a new face above a cover is, as a share of its size.
_BORDER = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A new face on its way into the photo.

    Args:
        edited: as the editor gave it.
        crop: (n, n, 3) with the colours and the sharpness of the photo, as it is pasted.
        mask: (n, n) in [0, 1]: how much of it shows.
        photo: (n, n, 3) what it is pasted over.
        fit: how well it fits the photo; wholly where nothing is known.
    """

    edited: EditedFace
    crop: Image
    mask: NDArray[np.float32]
    photo: Image
    fit: Fit = FITS

    @property
    def blended(self) -> Image:
        """(128, 128, 3) as it will look in the photo."""
        return blend.shrunk(blend.blend_crop(self.crop, self.photo, self.mask))

    def paste(self, image: Image, matrix: NDArray[np.float64]) -> tuple[Image, NDArray[np.bool_]]:
        """The photo (H, W, 3) with the new face, and where (H, W) it was touched; ``matrix`` leads to the small crop."""
        return blend.paste(image, self.crop, geometry.enlarged(matrix, self.crop.shape[0] / SIZE), self.mask)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The part of a photo that an edit touched.

    Args:
        place: rows and columns of the photo.
        pixels: (h, w, 3) what is there now.
        touched: (h, w) where it was edited.
    """

    place: tuple[slice, slice]
    pixels: Image
    touched: NDArray[np.bool_]

    @classmethod
    def of(cls, image: Image, touched: NDArray[np.bool_]) -> "Patch":
        """From a whole photo (H, W, 3), and where it was touched (H, W): of a photo with a hundred faces no hundred copies are kept."""
        rows, columns = (np.flatnonzero(touched.any(axis=axis)) for axis in (1, 0))
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else np.s_[0:0, 0:0]
        return cls(place, image[place].copy(), touched[place].copy())

    def moved(self, down: int, right: int) -> "Patch":
        """The same in a photo of which the one it was made of is a part, that begins in this row and column."""
        rows, columns = self.place
        return replace(self, place=np.s_[rows.start + down : rows.stop + down, columns.start + right : columns.stop + right])

    def faded(self, image: Image, share: float) -> "Patch":
        """The same on its way from what is there in a photo (H, W, 3): this share, in [0, 1], of it shows."""
        below = np.ascontiguousarray(image[self.place])
        return replace(self, pixels=np.asarray(cv2.addWeighted(self.pixels, share, below, 1 - share, 0), np.uint8))

    def beside(self, touched: NDArray[np.bool_], image: Image) -> "Patch":
        """The same where (h, w) it does not lie beneath new faces of a photo (H, W, 3), and with soft borders to those."""
        below = (self.touched & ~touched).astype(np.float32)
        if not below.any():
            return self
        # From the border inward: all that is beside it stays hidden.
        seen = np.clip(2 * cv2.GaussianBlur(below, (0, 0), _BORDER * float(np.sqrt(below.sum()))) - 1, 0, 1)
        mixed = cv2.blendLinear(np.ascontiguousarray(image[self.place]), self.pixels, seen * below, 1 - seen * below)
        return replace(self, pixels=np.asarray(mixed, np.uint8))

    def meets(self, other: "Patch") -> bool:
        """Whether two of them have rows and columns in common."""
        return all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in zip(self.place, other.place, strict=True))

    def beneath(self, mask: NDArray[np.float32], matrix: NDArray[np.float64]) -> "Patch":
        """The same without what lies below a new face.

        Args:
            mask: (128, 128) in [0, 1]: how much of that face shows in its crop.
            matrix: (2, 3) similarity from the photo to that crop.
        """
        rows, columns = self.place
        size, to_crop = (columns.stop - columns.start, rows.stop - rows.start), geometry.of_part(matrix, rows, columns)
        above = cv2.warpAffine(mask, to_crop, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderValue=0.0)
        # Where it shows by less, so does the photo.
        return replace(self, touched=self.touched & (above < _WHOLLY))

    def lay(self, image: Image, touched: NDArray[np.bool_]) -> None:
        """Lay it over a photo and a map of what was touched, in place."""
        self.lay_pixels(image)
        touched[self.place] |= self.touched

    def lay_pixels(self, image: Image) -> None:
        """Lay it over a photo, in place."""
        if self.touched.size:
            # A hundred times as fast as numpy's indexing by a mask.
            cv2.copyTo(self.pixels, self.touched.view(np.uint8), image[self.place])


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A photo with one more edit; of a huge one only the part that was touched is kept beside the photo itself.

    Args:
        edited: as the editor gave it.
        photo: (H, W, 3) the photo without it.
        patch: the part that was touched.
        fit: see `Proposal`.
        mask: gives how much of a new face shows in its small crop, (128, 128) in [0, 1]; None for a cover.
        whole: the photo with it and where (H, W) it was touched; None to lay the patch over the photo when they are wanted.
    """

    edited: EditedFace
    photo: Image
    patch: Patch
    fit: Fit = FITS
    mask: Callable[[], NDArray[np.float32]] | None = None
    whole: tuple[Image, NDArray[np.bool_]] | None = None

    @classmethod
    def of(
        cls,
        edited: EditedFace,
        photo: Image,
        image: Image,
        touched: NDArray[np.bool_],
        fit: Fit = FITS,
        mask: Callable[[], NDArray[np.float32]] | None = None,
    ) -> "Shown":
        """From a photo (H, W, 3) without and with an edit, and where (H, W) it was touched."""
        return cls(edited, photo, Patch.of(image, touched), fit, mask, (image, touched) if image.size <= _HUGE else None)

    @property
    def image(self) -> Image:
        """(H, W, 3) the photo with the edit."""
        if self.whole is not None:
            return self.whole[0]
        image = self.photo.copy()
        self.patch.lay_pixels(image)
        return image

    @property
    def touched(self) -> NDArray[np.bool_]:
        """(H, W) where it was touched."""
        if self.whole is not None:
            return self.whole[1]
        touched = np.zeros(self.photo.shape[:2], bool)
        touched[self.patch.place] = self.patch.touched
        return touched
