"""Pixel grids of a data set: a photo with an EXIF rotation is edited upright and stored as it was, so that labels fit.

Labels are in the sensor's pixels for some tools and in upright ones for others, and most formats don't say. With the grid and its one
EXIF entry kept, a reader that heeds it and one that does not see what they saw before, and boxes, masks and landmarks fit as they did.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import ImageWriteError
from deid.imaging import codec
from deid.imaging.codec import Picture
from deid.imaging.frame import Frame

FrameT = TypeVar("FrameT", bound=Frame)
_ORIENTATION = 0x0112
#: Formats in which Pillow stores an orientation.
_STORED = {"AVIF", "HEIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP"}
#: From upright pixels back to how they lay, by EXIF orientation.
_BACK: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a, -1),
}


def orientation(data: bytes) -> int:
    """How EXIF says that a file's pixels are turned, 1 for not at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PillowImage.open(io.BytesIO(data)) as source:
                turn = source.getexif().get(_ORIENTATION, 1)
    except Exception:
        # The decoder reports what is wrong with a file.
        return 1
    return turn if turn in _BACK else 1


def as_it_lay(picture: Picture, turn: int) -> Picture:
    """A picture that was turned upright, with the grid that its file had, and that one entry of its EXIF.

    Raises:
        ImageWriteError: its format cannot say how it is turned.
    """
    if turn not in _BACK:
        return picture
    # Further looks at a page are none.
    pages = [frame for frame in picture.frames if frame.look is None]
    if picture.format not in _STORED or len(pages) > 1:
        raise ImageWriteError(f"cannot keep the pixel grid of a {picture.format} of {len(pages)} pages that its EXIF turns")
    exif = PillowImage.Exif()
    exif[_ORIENTATION] = turn
    frames = tuple(_turned(frame, _BACK[turn]) for frame in pages)
    return replace(picture, frames=frames, save_options=picture.save_options | {"exif": exif.tobytes()})


def encode(picture: Picture, turn: int) -> bytes:
    """The bytes of a picture that was turned upright, with the grid that its file had.

    Raises:
        ImageWriteError: it cannot be written so.
    """
    data = codec.encode(as_it_lay(picture, turn))
    if orientation(data) != turn:
        raise ImageWriteError(f"cannot keep the pixel grid of a {picture.format} that its EXIF turns")
    return data


def _turned(frame: FrameT, back: Callable[[NDArray[Any]], NDArray[Any]]) -> FrameT:
    arrays = {f.name: getattr(frame, f.name) for f in fields(frame)}
    lying: dict[str, Any] = {name: np.ascontiguousarray(back(a)) for name, a in arrays.items() if isinstance(a, np.ndarray)}
    return replace(frame, **lying)


def turned_box(box: tuple[float, ...], turn: int, size_wh: tuple[int, int]) -> tuple[float, ...]:
    """A box in the pixels of a file of that size, in those of the upright picture."""
    w, h = size_wh
    x0, y0, x1, y1 = box
    upright = {
        2: (w - x1, y0, w - x0, y1),
        3: (w - x1, h - y1, w - x0, h - y0),
        4: (x0, h - y1, x1, h - y0),
        5: (y0, x0, y1, x1),
        6: (h - y1, x0, h - y0, x1),
        7: (h - y1, w - x1, h - y0, w - x0),
        8: (y0, w - x1, y1, w - x0),
    }
    return upright.get(turn, box)
