"""Plain filters, which cover a face instead of replacing it.

Each works on an upright crop of the box and its margin at the photo's own resolution, and its strength is relative to
the face: the same setting hides a near face and a far one alike. Pixelation and blur follow E. Newton, L. Sweeney,
B. Malin, "Preserving Privacy by De-identifying Facial Images", 2005; alone, weak settings are known to fail.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import ConfigError
from deid.core.options import Options
from deid.core.types import AlignedFace, EditedFace, Image


def blur(crop: Image, sigma: float) -> Image:
    """Gaussian blur of a crop (H, W, 3); ``sigma`` in pixels.

    A wide blur runs on a smaller copy: nothing finer than the blur is left to lose.
    """
    factor = max(1, int(sigma / 4))
    h, w = crop.shape[:2]
    small = cv2.resize(crop, (max(1, w // factor), max(1, h // factor)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(sigma / factor, 0.3), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(soft, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)


def pixelate(crop: Image, cells: int) -> Image:
    """A crop (H, W, 3) as a mosaic of square cells, ``cells`` of them across the longer side."""
    h, w = crop.shape[:2]
    size = max(h, w) / max(cells, 1)
    small = cv2.resize(crop, (max(1, round(w / size)), max(1, round(h / size))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST), np.uint8)


def solid(crop: Image, rgb: tuple[int, int, int] | None = None) -> Image:
    """A crop (H, W, 3) in one colour, its mean one when none is given: nothing of the face is left."""
    colour = crop.reshape(-1, 3).mean(axis=0) if rgb is None else np.array(rgb)
    return np.full_like(crop, colour.round().astype(np.uint8))


class FilterEditor:
    """An editor that returns one filtered crop.

    Args:
        name: `blur`, `pixelate`, `solid` or `image`.
        options: the filters' settings.
        picture: (H, W, 3) that `image` puts over a face.

    Raises:
        ConfigError: the name is unknown, or there is no picture for `image`.
    """

    def __init__(self, name: str, options: Options, picture: Image | None = None) -> None:
        if name not in FILTERS:
            raise ConfigError(f"unknown filter {name!r}; valid are {', '.join(FILTERS)}")
        if name == "image" and picture is None:
            raise ConfigError("expected cover_image with method 'image', got none")
        self.name, self._options, self._picture = name, options, picture

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> list[EditedFace]:
        """One filtered crop; ``strength`` multiplies the blur radius and divides the number of cells."""
        crop = FILTERS[self.name](face, self._options, strength, self._picture)
        return [EditedFace(crop, self.name, None, strength)]


def _blur(face: AlignedFace, options: Options, strength: float, picture: Image | None) -> Image:
    return blur(face.crop, options.blur_radius * strength * face.detection.size)


def _pixelate(face: AlignedFace, options: Options, strength: float, picture: Image | None) -> Image:
    # The crop is wider than the face by the margin: the cells are counted on the face.
    cells = options.pixelate_cells * (1 + 2 * options.margin) / strength
    return pixelate(face.crop, max(1, round(cells)))


def _solid(face: AlignedFace, options: Options, strength: float, picture: Image | None) -> Image:
    return solid(face.crop, options.solid_rgb)


def _image(face: AlignedFace, options: Options, strength: float, picture: Image | None) -> Image:
    assert picture is not None  # no editor is made without one
    h, w = face.crop.shape[:2]
    return np.asarray(cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA), np.uint8)


FILTERS: dict[str, Callable[[AlignedFace, Options, float, Image | None], Image]] = {
    "blur": _blur,
    "image": _image,
    "pixelate": _pixelate,
    "solid": _solid,
}
