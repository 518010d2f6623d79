"""The regions of a frame that the frame before it did not have: a face that is visible for one frame only is in one of them.

Frames are compared in cells of a few pixels, a fifth of the smallest face wanted. A place is new when it resembles neither the same place
of the last frame nor the place that optical flow says it came from. What moves with the camera or walks on is therefore known. What
appears, is uncovered or moves by more than the flow may follow is new.

T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, 1603.03590.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Image
from deid.video.rectangles import merged

#: Cells across the smallest face.
_CELLS = 5
#: A cell differs from this many grey levels in any channel; a window of a smallest face is new when this share of its cells differ and
#: its mean colour does too. Of 624 faces of 20 to 80 px put into four clips for one frame, 2 were not new by both.
_DIFFERS, _SHARE, _MEAN_DIFFERS = 12, 0.4, 14
#: Longest move that flow explains, in cells per frame beyond the camera's own: what moves farther is detected again.
_FARTHEST = 3.0
#: Frames with fewer cells to a side are too small for flow.
_LEAST_CELLS = 24
#: Around what is new, a detector sees so much more: a share of its longer side, and at least and at most so many smallest faces.
_AROUND, _AROUND_LEAST, _AROUND_MOST = 0.4, 1.0, 4.0
#: If more than this share of a frame is new, all of it is looked at.
_MOST = 0.5
#: A frame stands still while no window's mean differs by more grey levels from the frame with which it began to.
_STILL = 3
#: A new scene: thumbnails of two frames differ by more grey levels than this, and correlate less.
_CUT_CHANGE, _CUT_CORRELATION = 12.0, 0.5
_THUMBNAIL = (32, 18)

#: Rows and columns of a part of a frame.
Region = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """What is new in a frame.

    Args:
        cut: whether a new scene begins; then all of it is new.
        still: whether it resembles the frame with which the still scene began.
        cells: (h, w) bool, which cells are new.
        strength: (h, w) by how many grey levels the mean around a cell differs.
        cell: side of a cell in pixels.
        size_hw: of the frame, in pixels.
    """

    cut: bool
    still: bool
    cells: NDArray[np.bool_]
    strength: NDArray[np.uint8]
    cell: int
    size_hw: tuple[int, int]

    def regions(self, known: Iterable[NDArray[np.float64]] = (), most: float = _MOST) -> list[Region]:
        """Parts of the frame to search, apart from each other, largest difference first; the whole frame when most is new.

        Args:
            known: boxes (4,) of faces that were seen in this frame: what is new inside them is theirs.
            most: if more than this share of the frame is new, all of it is one region.
        """
        new = self._unknown(known)
        boxes = merged([self._widened(*place) for place in _places(new)])
        if sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) > most * self.size_hw[0] * self.size_hw[1]:
            return [np.s_[: self.size_hw[0], : self.size_hw[1]]]
        found = np.where(new, self.strength, 0)
        boxes.sort(key=lambda b: -int(found[_span(b[1], b[3], self.cell), _span(b[0], b[2], self.cell)].max(initial=0)))
        return [np.s_[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]

    def _unknown(self, known: Iterable[NDArray[np.float64]]) -> NDArray[np.bool_]:
        """Cells that are new and not inside a known box."""
        new = self.cells.copy()
        for x0, y0, x1, y1 in known:
            new[_span(y0, y1, self.cell, inside=True), _span(x0, x1, self.cell, inside=True)] = False
        return new

    def _widened(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """A box of cells as a box of pixels, with what lies about it."""
        cell, (height, width) = self.cell, self.size_hw
        reach = round(min(max(_AROUND * max(w, h), _AROUND_LEAST * _CELLS), _AROUND_MOST * _CELLS) * cell)
        # The cells at the far edges also stand for the pixels that fill no cell.
        right = width if x + w == self.cells.shape[1] else (x + w) * cell
        below = height if y + h == self.cells.shape[0] else (y + h) * cell
        return max(0, x * cell - reach), max(0, y * cell - reach), min(width, right + reach), min(height, below + reach)

    def share_of(self, box: NDArray[np.float64]) -> float:
        """Which share of a box (4,) is new."""
        x0, y0, x1, y1 = box
        part = self.cells[_span(y0, y1, self.cell), _span(x0, x1, self.cell)]
        return float(part.mean()) if part.size else 0.0


def _places(new: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Corner, width and height in cells of what is new, cells closer than a smallest face together."""
    if not new.any():
        return []
    around = cv2.dilate(new.astype(np.uint8), np.ones((_CELLS, _CELLS), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(around)
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats[1:]]


def _span(low: float, high: float, cell: int, inside: bool = False) -> slice:
    """Cells that a span of pixels touches, or that lie in it."""
    first, last = (-(-low // cell), high // cell) if inside else (low // cell, -(-high // cell))
    return slice(max(0, int(first)), max(0, int(last)))


class Novelty:
    """Compares every frame with the one before it.

    Args:
        smallest: face in pixels that is to be noticed.

    Examples:
        >>> novelty = Novelty(20)
        >>> novelty.of(image).cut, bool(novelty.of(image).cells.any())
        (True, False)
    """

    def __init__(self, smallest: float = 20.0) -> None:
        self._cell = max(1, round(smallest / _CELLS))
        self._last: _Seen | None = None
        self._began: NDArray[np.uint8] | None = None
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def of(self, image: Image) -> News:
        """What is new in the next frame (H, W, 3)."""
        seen, last = _Seen.of(image, self._cell), self._last
        self._last = seen
        cut = last is None or last.cells.shape != seen.cells.shape or _is_cut(last.thumbnail, seen.thumbnail)
        if last is None or cut:
            self._began = seen.means
            new = np.ones(seen.cells.shape[:2], bool)
            return News(True, False, new, np.full(new.shape, 255, np.uint8), self._cell, image.shape[:2])
        still = self._stands_still(seen)
        new, strength = self._new(seen, last)
        return News(False, still, new, strength, self._cell, image.shape[:2])

    def _stands_still(self, seen: "_Seen") -> bool:
        if self._began is not None and int(cv2.absdiff(seen.means, self._began).max()) <= _STILL:
            return True
        self._began = seen.means
        return False

    def _new(self, seen: "_Seen", last: "_Seen") -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Cells that neither the same place nor the place that they came from explains, and by how much they differ."""
        strength = _most(cv2.absdiff(seen.means, last.means))
        new = _differs(seen, last.cells, strength)
        if not new.any() or min(new.shape) < _LEAST_CELLS:
            return new, strength
        flow = self._flow.calc(seen.grey, last.grey, None)
        across, down = cv2.split(flow)
        far = np.maximum(_from_median(across), _from_median(down)) > _FARTHEST
        rows, columns = _places_of(new.shape)
        came = cv2.remap(last.cells, columns + across, rows + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        beside = _most(cv2.absdiff(seen.means, _means(came)))
        moved = _differs(seen, np.asarray(came, np.uint8), beside, tolerant=True)
        return np.asarray(new & (moved | _dense(far))), np.where(far, strength, np.minimum(strength, beside))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A frame in cells (h, w, 3), their means over a smallest face, their grey levels (h, w), and a thumbnail."""

    cells: Image
    means: Image
    grey: NDArray[np.uint8]
    thumbnail: NDArray[np.float32]

    @classmethod
    def of(cls, image: Image, cell: int) -> "_Seen":
        height, width = image.shape[:2]
        size = max(1, width // cell), max(1, height // cell)
        cells = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        grey = np.asarray(cv2.cvtColor(cells, cv2.COLOR_RGB2GRAY), np.uint8)
        thumbnail = np.asarray(cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32)
        return cls(cells, _means(cells), grey, thumbnail)


def _means(cells: Any) -> Image:
    return np.asarray(cv2.blur(cells, (_CELLS, _CELLS)), np.uint8)


def _differs(seen: _Seen, cells: Image, strength: NDArray[np.uint8], tolerant: bool = False) -> NDArray[np.bool_]:
    """Windows of a smallest face that look otherwise; a tolerant look lets every cell take a neighbour's value: flow is not exact."""
    if tolerant:
        near = np.ones((3, 3), np.uint8)
        beyond = cv2.max(cv2.subtract(seen.cells, cv2.dilate(cells, near)), cv2.subtract(cv2.erode(cells, near), seen.cells))
    else:
        beyond = cv2.absdiff(seen.cells, cells)
    differ = _most(beyond) > _DIFFERS
    if not differ.any():
        return differ
    return np.asarray(_dense(differ) & (strength > _MEAN_DIFFERS))


def _most(channels: Any) -> NDArray[np.uint8]:
    """The largest of three channels: numpy's `max` over an axis of three takes many times as long."""
    return np.asarray(cv2.max(cv2.max(channels[..., 0], channels[..., 1]), channels[..., 2]))


def _from_median(flow: Any) -> NDArray[np.float32]:
    """How far one component of the flow (h, w) is from the camera's own, the median."""
    return np.asarray(np.abs(flow - np.median(flow.ravel()[::7])))


@lru_cache(4)
def _places_of(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Row and column of every cell."""
    rows, columns = np.indices(shape, np.float32)
    return rows, columns


def _dense(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where enough of the cells of a smallest face's window are set."""
    return np.asarray(cv2.blur(cells.astype(np.float32), (_CELLS, _CELLS)) >= _SHARE)


def _is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    a, b = before - before.mean(), after - after.mean()
    correlation = float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))
    return float(np.abs(after - before).mean()) > _CUT_CHANGE and correlation < _CUT_CORRELATION
