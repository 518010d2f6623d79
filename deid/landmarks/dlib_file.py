"""The file of dlib's 68 landmarks as arrays.

dlib writes each number by itself: one byte with a length and a sign, and so many bytes; a fraction is a mantissa and an exponent. Numbers
have to be read in their order, but all leaves of all trees begin with the same four bytes, and are read side by side.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import WeightsFormatError

#: How a leaf begins: minus its number of rows, 136, and minus its number of columns, 1.
_LEAF = re.compile(rb"\x81\x88\x81\x01", re.DOTALL)
_N_VALUES = 136
#: Longest of dlib's numbers here, in bytes, the first one with them.
_LONGEST = 9

Places = NDArray[np.int64]


class _Reader:
    """Reads numbers at several places of a file at the same time.

    Args:
        data: the file, (N,) uint8, with room after its end for the longest number.
        at: (n,) places.
    """

    def __init__(self, data: NDArray[np.uint8], at: Places) -> None:
        self._data, self.at = data, at

    def integers(self) -> Places:
        """(n,) numbers; the places are after them then."""
        if self.at.max(initial=0) >= len(self._data) - _LONGEST:
            raise WeightsFormatError("dlib's file of landmarks is cut short")
        head = self._data.take(self.at)
        size = (head & 0x7F).astype(np.int64)
        if size.max(initial=0) >= _LONGEST:
            raise WeightsFormatError(f"expected numbers of up to {_LONGEST - 1} bytes in dlib's file of landmarks, got {size.max()}")
        value = np.zeros(len(self.at), np.int64)
        for i in range(int(size.max(initial=0))):
            byte = self._data.take(self.at + (1 + i)).astype(np.int64)
            byte <<= 8 * i
            byte[size <= i] = 0
            value += byte
        self.at = self.at + (1 + size)
        np.negative(value, out=value, where=head >= 0x80)
        return value

    def fractions(self) -> NDArray[np.float32]:
        """(n,) numbers of single precision."""
        mantissa, exponent = self.integers(), self.integers()
        return np.asarray(np.ldexp(mantissa.astype(float), exponent.astype(np.int32)), np.float32)

    def expect(self, number: int, what: str) -> None:
        """Read a number that has to be this one everywhere."""
        if not (self.integers() == number).all():
            raise WeightsFormatError(f"expected {number} {what} in dlib's file of landmarks")


def landmark_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """The arrays of a `deid.landmarks.forest.Forest` from `shape_predictor_68_face_landmarks.dat`.

    Raises:
        WeightsFormatError: the file holds something else.
    """
    raw = np.concatenate([np.frombuffer(data, np.uint8), np.zeros(_LONGEST, np.uint8)])
    starts = np.array([match.start() for match in _LEAF.finditer(data)], np.int64)
    if len(starts) < 2:
        raise WeightsFormatError("expected the leaves of trees in dlib's file of landmarks, got none")
    values, ends = _leaves(raw, starts)
    top = _Reader(raw, ends[:1])
    n_levels = int(top.integers()[0])
    n_trees = int(_Reader(raw, top.at).integers()[0])
    n_leaves, rest = divmod(len(starts) - 1, n_levels * n_trees)
    if rest:
        raise WeightsFormatError(f"expected as many leaves for each of {n_levels} x {n_trees} trees in dlib's file of landmarks")
    shape = (n_levels, n_trees)
    trees = _trees(raw, top.at, ends[1:].reshape(*shape, n_leaves), n_leaves)
    anchors, deltas = _places(raw, ends[-1:], n_levels)
    return {
        "initial": values[0].reshape(-1, 2),
        "leaves": values[1:].reshape(*shape, n_leaves, _N_VALUES),
        "anchors": anchors,
        "deltas": deltas,
        **trees,
    }


def _leaves(raw: NDArray[np.uint8], starts: Places) -> tuple[NDArray[np.float32], Places]:
    """The values (n, 136) of matrices that begin at these places, and where they end."""
    reader = _Reader(raw, starts)
    reader.expect(-_N_VALUES, "rows")
    reader.expect(-1, "column")
    values = np.empty((len(starts), _N_VALUES), np.float32)
    for i in range(_N_VALUES):
        values[:, i] = reader.fractions()
    return values, reader.at


def _trees(raw: NDArray[np.uint8], first: Places, ends: Places, n_leaves: int) -> dict[str, NDArray[np.generic]]:
    """Comparisons at each split of each tree; ``ends`` says where their leaves (levels, trees, leaves) end."""
    n_levels, n_trees, _ = ends.shape
    # A tree begins where the last leaf of the one before ends; before the first one of a level stands their number.
    before = np.concatenate([first, ends[..., -1].ravel()[:-1]]).reshape(n_levels, n_trees)
    head = _Reader(raw, before[:, 0])
    head.expect(n_trees, "trees")
    reader = _Reader(raw, np.concatenate([head.at[:, None], before[:, 1:]], axis=1).ravel())
    reader.expect(n_leaves - 1, "splits")
    parts: list[list[NDArray[Any]]] = [[], [], []]
    for _ in range(n_leaves - 1):
        parts[0].append(reader.integers())
        parts[1].append(reader.integers())
        parts[2].append(reader.fractions())
    reader.expect(n_leaves, "leaves")
    first_, second, threshold = (np.stack(part, axis=1).reshape(n_levels, n_trees, n_leaves - 1) for part in parts)
    return {"first": first_, "second": second, "threshold": threshold}


def _places(raw: NDArray[np.uint8], at: Places, n_levels: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The landmark that each looked-at pixel is near (levels, pixels), and how it lies from there (levels, pixels, 2)."""
    reader = _Reader(raw, at)

    def each(read: Iterator[float]) -> list[list[float]]:
        reader.expect(n_levels, "levels")
        return [[next(read) for _ in range(times * int(reader.integers()[0]))] for _ in range(n_levels)]

    times = 1
    anchors = np.array(each(iter(lambda: int(reader.integers()[0]), None)), np.int64)
    times = 2
    deltas = np.array(each(iter(lambda: float(reader.fractions()[0]), None)), np.float32)
    return anchors, deltas.reshape(n_levels, -1, 2)
