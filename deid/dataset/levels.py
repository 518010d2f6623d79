"""Numbers in a notation of their own that stand for bytes: up to 256 values in equal steps, whatever they begin at and are divided by.

Shares, differences from a mean, binary digits, hexadecimal fractions: their steps are counted from the lowest, and the bytes looked at.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

#: Least number of values, most different ones, and how far from equal a step may be when values are rounded.
_LEAST, _NAMES, _ROUNDED = 256, 256, 0.35
#: So many values are looked at first, and so few names are no bytes.
_FIRST, _FEWEST = 4096, 64
_BITS = re.compile(r"[01]{1,8}")


def as_bytes(values: Sequence[str]) -> Iterator[list[int]]:
    """What values that are numbers are as bytes, for each place that the lowest may have; nothing where they are none."""
    if len(values) < _LEAST or len(set(values[:_FIRST])) > 1.1 * _NAMES:
        return
    names = set(values)
    read = next((read for read in _NOTATIONS if _reads(names, read)), None)
    if read is None:
        return
    numbers = {name: read(name) for name in names}
    levels = np.unique(np.array(list(numbers.values())))
    places = _places(levels)
    if places is not None:
        whole = {name: int(places[np.searchsorted(levels, number)]) for name, number in numbers.items()}
        yield from ([whole[v] + first for v in values] for first in _beginnings(levels, places))


def _binary(name: str) -> float:
    if not _BITS.fullmatch(name):
        raise ValueError(name)
    return float(int(name, 2))


_NOTATIONS: tuple[Callable[[str], float], ...] = (_binary, float, float.fromhex)


def _reads(names: set[str], read: Callable[[str], float]) -> bool:
    try:
        return all(np.isfinite(read(name)) for name in names)
    except (ValueError, OverflowError):
        return False


def _places(levels: Numbers) -> Places | None:
    """How many equal steps each level lies above the lowest; None when they are too many, or not equal."""
    if not _FEWEST <= len(levels) <= _NAMES:
        return None
    for n in range(len(levels) - 1, _NAMES):
        steps = (levels - levels[0]) / np.ptp(levels) * n
        if np.abs(steps - steps.round()).max() < _ROUNDED and len(set(steps.round())) == len(levels):
            return np.asarray(steps.round(), np.int64)
    return None


def _beginnings(levels: Numbers, places: Places) -> list[int]:
    """What the lowest level may stand for: itself where levels are whole, nothing, or what is left below the highest."""
    own = {0, 255 - int(places[-1])}
    if levels[0].is_integer() and levels[0] >= 0 and levels[-1] <= 255:
        own.add(int(levels[0]))
    return sorted(own)
