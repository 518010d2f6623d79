"""Fractions on a scale of their own that stand for two bytes each: coordinates, shares or times that are 16 bits in another unit.

Such values lie on a lattice, which stands out in the spectrum of where they lie. Their places in it are whole numbers, and the bytes of
these are looked at as those of any others.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from deid.dataset.bytes_in_text import why_numbers
from deid.dataset.pictures_in_text import in_parts

Values = NDArray[np.float64]
Places = NDArray[np.int64]

#: Least values that show somebody, how many are looked at, and how many columns of a table may have a scale.
_LEAST, _MOST, _COLUMNS = 128, 8192, 8
#: The spectrum is that of values among so many places: a step of 16 bits is four of them.
_GRID = 1 << 18
#: Of a lattice: least steps between its ends, most of them, the least share of the values that it adds up, and of the most anywhere. A peak
#: is no wider than so many frequencies.
_FEWEST, _WORDS, _CLEAR, _BEST, _WIDE = 1 << 11, 1 << 16, 0.6, 0.9, 1 << 11
#: How far from a step a value may be when it is rounded.
_ROUNDED = 0.35
#: Where scales begin, besides the least value and this in fewer digits. Values that fill 16 bits begin at one of the few places left.
_ZEROS, _DIGITS, _FULL = (0.0, -1.0, -90.0, -180.0), (100.0, 10.0, 1.0, 0.1, 0.01), 0.97
#: How many words of two bytes are looked at, how many of these for the beginning of a file at each place left, and how many zeros of
#: several columns together.
_WINDOW, _HEAD, _TRIED = 4096, 256, 128
_NUMBER, _ROW = re.compile(r"(?<![\w.])-?\d{1,9}(?:\.\d{1,12})?(?![\w.])"), re.compile(r"[\n\r\[\](){}<>]+")


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Values in equal steps.

    Args:
        places: (N,) how many steps each lies above the lowest.
        low: the lowest.
        step: the length of a step.
    """

    places: Places
    low: float
    step: float

    def zeros(self) -> list[int]:
        """Numbers that the lowest value may stand for: none, or its distance from where a scale may begin."""
        starts = (*_ZEROS, *(math.floor(self.low / digit) * digit for digit in _DIGITS))
        at = [(self.low - start) / self.step for start in starts]
        near = {round(steps) for steps in at if abs(steps - round(steps)) < _ROUNDED}
        return sorted({0} | {first for first in near if -_WORDS // 2 <= first < _WORDS - int(self.places.max())})

    def left(self) -> range:
        """The same where values fill 16 bits and few are left."""
        most = int(self.places.max())
        return range(_WORDS - most) if most >= _FULL * _WORDS else range(0)

    def words(self, first: int) -> Places:
        """The first values as numbers of 16 bits."""
        return (self.places[:_WINDOW] + first) % _WORDS


def scaled_in(text: str) -> str:
    """What in a text is a picture in fractions of two bytes each, or nothing."""
    return in_parts(text, _LEAST, _scaled_in) if "." in text else ""


def _scaled_in(text: str) -> str:
    rows = [row for row in map(_NUMBER.findall, _ROW.split(text)) if row]
    for columns in _tables(rows):
        lattices = [lattice for column in columns if (lattice := _lattice(column)) is not None]
        for words in _words(lattices):
            if why := next((why for order in "<>" if (why := why_numbers(words.astype(f"{order}u2").view(np.uint8), 2))), ""):
                return f"{len(words)} fractions on a scale of their own: {why}"
    return ""


def _words(lattices: Sequence[Lattice]) -> Iterator[Places]:
    """Numbers of 16 bits that columns may be, alone and row by row, for each zero that their scales may have."""
    for lattice in lattices:
        yield from map(lattice.words, lattice.zeros())
        yield from (lattice.words(first)[:_HEAD] for first in lattice.left())
    if len(lattices) > 1:
        for firsts in islice(product(*(lattice.zeros() for lattice in lattices)), _TRIED):
            both = [lattice.words(first) for lattice, first in zip(lattices, firsts, strict=True)]
            yield np.stack(both, axis=1).ravel()[:_WINDOW]


def _tables(rows: Sequence[Sequence[str]]) -> Iterator[list[Values]]:
    """The columns of a table that are fractions, or one list, alone and as pairs."""
    if not rows:
        return
    usual, n = Counter(map(len, rows)).most_common(1)[0]
    if n >= _LEAST // 2:
        table = list(islice((row for row in rows if len(row) == usual), _MOST))
        columns = [column for column in zip(*table, strict=True) if _are_fractions(column)]
        yield [np.array(column, np.float64) for column in columns[:_COLUMNS]]
    longest = max(rows, key=len)[:_MOST]
    if len(longest) >= _LEAST and _are_fractions(longest):
        values = np.array(longest, np.float64)
        yield [values]
        yield [values[: len(values) // 2 * 2 : 2], values[1::2]]


def _are_fractions(values: Sequence[str]) -> bool:
    return sum("." in value for value in values) > 0.5 * len(values) and len(set(values)) >= _LEAST // 2


def _lattice(values: Values) -> Lattice | None:
    """The lattice that values lie on; None for none, and for values that are in order, as times are."""
    low, span = float(values.min()), float(np.ptp(values))
    if span <= 0 or (np.diff(values) >= 0).all():
        return None
    at = (values - low) / span
    n_steps = _n_steps(at)
    if n_steps is None:
        return None
    # The ends are rounded as well: the line through all values says where the steps are.
    slope, first = np.polyfit(np.round(at * n_steps), at, 1)
    places = np.round((at - first) / slope)
    if np.abs((at - first) / slope - places).max() > _ROUNDED:
        return None
    lowest = places.min()
    return Lattice((places - lowest).astype(np.int64), low + (first + slope * lowest) * span, slope * span)


def _n_steps(at: Values) -> float | None:
    """How many equal steps there are between 0 and 1 of which all values are a multiple, nearly; None for none."""
    where = np.bincount(np.round(at * (_GRID - 1)).astype(np.int64), minlength=2 * _GRID).astype(np.float32)
    # Frequency k of the spectrum has k / 2 periods between the ends.
    power = np.abs(np.fft.rfft(where)[2 * _FEWEST : 2 * _WORDS])
    if power.max() < _CLEAR * len(at):
        return None
    # Twice the frequency of a step is as clear: the first one counts.
    first = int(np.flatnonzero(power >= _BEST * power.max())[0])
    peak = first + int(power[first : first + _WIDE].argmax()) + 2 * _FEWEST
    tried = (peak + np.linspace(-1, 1, 81)) / 2 * (_GRID - 1) / _GRID
    sums = np.abs(np.exp(2j * np.pi * np.outer(tried, at)).sum(axis=1))
    return float(tried[int(sums.argmax())])
