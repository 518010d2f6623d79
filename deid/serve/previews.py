"""Pictures to look at: frames and faces, before and after, as JPEG."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.imaging import atomic, geometry
from deid.video.decode import Frame
from deid.video.frames import EditedFrame

#: A face is shown with its surroundings, so many times its box.
_AROUND, _THUMB = 1.7, 176
#: Stills of a video that are kept to look at, and their longer side in pixels.
_STILLS, _LONGEST = 600, 960


def jpeg(image: Image, longest: int | None = None) -> bytes:
    """A picture (H, W, 3) to look at, no longer than that on its longer side."""
    page = PillowImage.fromarray(image)
    if longest is not None:
        page.thumbnail((longest, longest), PillowImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def thumbnail(image: Image, box_xyxy: NDArray[np.float64]) -> bytes:
    """A face with a little around it as a small square JPEG."""
    x0, y0, x1, y1 = geometry.expand_box(box_xyxy, _AROUND)
    half, middle = max(x1 - x0, y1 - y0, 8.0) / 2, ((x0 + x1) / 2, (y0 + y1) / 2)
    square = tuple(round(v) for v in (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half))
    rows, columns = geometry.box_to_slices(np.array(square, float), image.shape[:2])
    part = PillowImage.fromarray(image[rows, columns])
    page = PillowImage.new("RGB", (square[2] - square[0], square[3] - square[1]), (127, 127, 127))
    page.paste(part, (columns.start - square[0], rows.start - square[1]))
    buffer = io.BytesIO()
    page.resize((_THUMB, _THUMB), PillowImage.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def write_preview(folder: Path, name: str, data: bytes) -> None:
    """Put a picture to look at where the page takes it from."""
    atomic.write(data, folder / name, overwrite=True)


class Stills:
    """Frames of a video to look at: all of a short one, every second, fourth, ... of a longer one.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = _STILLS) -> None:
        self._most, self._step = most, 1
        self._chosen: list[int] = []

    @property
    def indices(self) -> list[int]:
        """The frames that are kept, in order."""
        return list(self._chosen)

    def take(self, index: int) -> tuple[bool, list[int]]:
        """Whether a frame is to be kept, and which are no longer."""
        if index % self._step:
            return False, []
        self._chosen.append(index)
        if len(self._chosen) <= self._most:
            return True, []
        self._step *= 2
        gone = [i for i in self._chosen if i % self._step]
        self._chosen = [i for i in self._chosen if not i % self._step]
        return index not in gone, gone


class VideoPreviews:
    """Writes stills of a video, and of each track the frame that shows it best.

    Args:
        folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._stills = folder, Stills()

    @property
    def indices(self) -> list[int]:
        """The frames of which there are stills."""
        return self._stills.indices

    def keep(self, done: EditedFrame[Frame], best: Sequence[tuple[int, NDArray[np.float64]]], again: bool) -> None:
        """Take what is wanted of a frame.

        Args:
            done: the frame.
            best: tracks that it shows best so far, with their boxes (4,).
            again: whether the video was seen before: it has its stills then.
        """
        index = done.frame.index
        wanted = index in self._stills.indices if again else self._take(index)
        if not wanted and not best:
            return
        before = done.frame.rgb()
        after = before if done.image is None else done.image
        if wanted:
            write_preview(self._folder, f"before-{index}.jpg", jpeg(before, _LONGEST))
            write_preview(self._folder, f"after-{index}.jpg", jpeg(after, _LONGEST))
        for track, box in best:
            write_preview(self._folder, f"face-{track}-before.jpg", thumbnail(before, box))
            write_preview(self._folder, f"face-{track}-after.jpg", thumbnail(after, box))

    def _take(self, index: int) -> bool:
        wanted, gone = self._stills.take(index)
        for old in gone:
            for side in ("before", "after"):
                (self._folder / f"{side}-{old}.jpg").unlink(missing_ok=True)
        return wanted
