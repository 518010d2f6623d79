"""Streams of values in a label file, apart from their keys: all words, all numbers, a column, what stands under one key.

Bytes may get other names: words, numbers with a sign, characters of several scripts, boxes. They stay what they are. Compressed ones use
some 256 names evenly, as no language, no coordinates and no classes of a usual data set do. Samples go as a drawing does.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile

import numpy as np
from numpy.typing import NDArray

from deid.dataset.bytes_in_text import why_digits
from deid.dataset.levels import as_bytes
from deid.dataset.pictures_in_text import goes_as_a_drawing, goes_by_its_neighbours, in_parts

#: Fewest values that show somebody, and the number of names that bytes have, of which so many values use at least this many.
_LEAST, _NAMES, _FEWEST = 384, 256, 220
#: Entropy of values over that of random bytes of the same number. Compressed thumbnails of faces have 0.972 to 0.999; 200 classes at random
#: 0.96, coordinates of boxes 0.966 and less, words of a language 0.7.
_EVEN = 0.97
#: Share of the values that have these names, and the longest run of one value that is looked at.
_NEARLY, _MOST_RUN = 0.95, 64
#: Share of values that are the same as the next one when rows are in groups.
_GROUPED = 0.1
#: So few names in a column may stand for digits.
_FEW = 16
#: Samples of a photo go beyond this.
_BRIGHT = 200
#: Compressed bytes do not correlate with those after them. Corners of boxes and points of outlines do, with one of the next.
_TOGETHER, _LAGS = 0.25, (1, 2, 3, 4)
#: In objects, what repeats looks like rows, and so do numbers of two digits.
_NO_DRAWINGS = {"strings", "pairs of hexadecimal digits", "values of all_points_x", "values of all_points_y"}
#: Names may stand for samples in these.
_NAMED = {"strings", "words"}
#: Entropy of pieces that are joined, in bits: letters and digits have less than 6 however random, words less than 5.
_MIXED = 6.05
#: Least length of a random piece, and of a piece of digits that no identifier of 64 bits has.
_PIECE, _LONG = 8, 21
#: Spread of the decimal exponents of numbers that measure nothing.
_FAR = 6.0
#: Lengths of hashes, and of identifiers in hexadecimal.
_HASHES = {24, 32, 40, 48, 56, 64, 72, 80, 96, 128}

#: What stands between words, beside blanks.
_BETWEEN = str.maketrans(dict.fromkeys(",;|\"'<>{}[]():=", " "))
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"(\s*:)?')
_DIGIT_WORDS, _LEAST_SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), 64
_SPOKEN = re.compile(rf"(?:\b(?:{'|'.join(_DIGIT_WORDS)})\b[\s,;.:|-]*){{{_LEAST_SPOKEN},}}", re.IGNORECASE)
_GROUPS, _SCIENTIFIC = re.compile(r"\d+"), re.compile(r"(?<![\w.])-?\d\.\d+[eE][-+]?\d+(?!\w)")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
_KEYED = re.compile(r'"([^"\\\n]{1,64})"\s*:\s*([\[\s]*-?\d[-+\d.eE,\s\[\]]*)')
_ROW, _RUN = re.compile(r"[\n\r\[\](){}]+"), re.compile(r"(?<!\w)(\d{1,5})\s?[x*\u00d7]\s?(\d{1,3})(?!\w)")
_QUADS, _BYTE = re.compile(r"(?:(?<!\w)[0-9a-fA-F]{4}\s){6,}"), re.compile(r"(?<![\w-])[0-9a-fA-F]{2}(?![\w-])")
_TIMES, _EXPONENT = re.compile(r"[x*\u00d7]\s?\d"), re.compile(r"[eE][-+]?\d")
#: All but what words are of, as blanks.
_NO_WORD = bytes(c if chr(c).isalnum() or c in b"_-?" else 32 for c in range(128)) + bytes(128)
_LETTER, _PAIR = re.compile(r"[^\W\de]"), re.compile(r"[0-9a-fA-F]{2}")
_BOX_KEYS = re.compile(r"box|rect|roi", re.IGNORECASE)
_DIGITS, _HEX = re.compile(rf"(?<!\w)\d{{{_LONG},}}(?!\w)"), re.compile(r"(?<![0-9A-Za-z])[A-Za-z]?[0-9A-Fa-f]{26,}(?![0-9A-Za-z])")


def streamed_in(text: str) -> str:
    """Describe a stream of values in a text that may be a picture; empty when there is none."""
    return in_parts(text, _LEAST, _streamed_in)


def _streamed_in(text: str) -> str:
    if why := _pieces(text):
        return why
    for name, values in _streams(text):
        if _is_even(values):
            return f"{len(values)} {name}, of which some {_NAMES} are used as evenly as compressed bytes are"
        if why := why_digits(_ranks(values)):
            return f"{len(values)} {name}: {why}"
        if why := next((why for data in as_bytes(values) if (why := why_digits(data))), ""):
            return f"{len(values)} {name}: {why}"
        if (name not in _NO_DRAWINGS and goes_as_a_drawing(values)) or (name in _NAMED and goes_by_its_neighbours(values)):
            return f"{len(values)} {name} that go as a drawing does"
    if any(_are_samples(boxes) for boxes in _boxes(text)):
        return "boxes that are samples"
    for digits in _grouped_digits(text):
        if why := why_digits(digits):
            return why
        if digits and _BRIGHT < max(digits) < _NAMES and goes_as_a_drawing(list(map(str, digits))):
            return f"{len(digits)} numbers within words that go as a drawing does"
    return ""


def _grouped_digits(text: str) -> Iterator[list[int]]:
    """Numbers that stand within words, such as in names or addresses: each place of the rows, and all together."""
    rows = [_GROUPS.findall(row) for row in text.splitlines()]
    usual = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    table = [row for row in rows if len(row) == usual]
    if not 1 <= usual <= 64 or len(table) < max(16, 0.9 * len(rows)):
        return
    columns = [[int(v) for v in column] for column in zip(*table, strict=True) if all(len(v) <= 3 for v in column)]
    # What counts the rows is no data.
    columns = [column for column in columns if np.ptp(np.diff(column))]
    yield from columns
    yield [v for row in zip(*columns, strict=True) for v in row]


def _streams(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """All values, and each column and key alone, with a word for them."""
    if text.lstrip()[:1] in {"{", "[", "<"}:
        yield "strings", _words(" ".join(_strings(text)))
        yield "numbers", [] if _LETTER.search(text) else _NUMBER.findall(text)
    else:
        yield "words", _words(text)
    if not text.isascii():
        yield "characters of other scripts", [c for c in text if "\xff" < c < "\u2e80" or c > "\U00010000"]
    yield "pairs of hexadecimal digits", _PAIR.findall(" ".join([*_QUADS.findall(text), *_bytes(text)]))
    runs = _RUN.findall(text) if _TIMES.search(text) else []
    yield "run lengths", [value for n, value in runs for _ in range(min(int(n), _MOST_RUN))]
    for key, values in _keyed(text).items():
        yield f"values of {key}", values
    for column in _columns(text):
        yield "values of a column", column


def _bytes(text: str) -> list[str]:
    """Two hexadecimal digits that are a word of their own."""
    own = text.encode("ascii", "replace").translate(_NO_WORD).split()
    return _BYTE.findall(b" ".join(word for word in own if len(word) == 2).decode())


def _words(text: str) -> list[str]:
    return text.translate(_BETWEEN).split()


@lru_cache(maxsize=1)
def _strings(text: str) -> list[str]:
    """The strings of JSON that are no keys."""
    return [held for held, colon in _STRING.findall(text) if not colon]


@lru_cache(maxsize=1)
def _keyed(text: str) -> dict[str, list[str]]:
    """Numbers by the key of JSON that they stand under, in lists or alone."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, values in _KEYED.findall(text):
        # Keys that count are one.
        found["numbers" if key.isdigit() else key] += _NUMBER.findall(values)
    return {key: _without_visibility(values) for key, values in found.items()}


def _without_visibility(values: list[str]) -> list[str]:
    """Points without the third number of each, which says whether it is seen."""
    if len(values) % 3 or not set(values[2::3]) <= {"0", "1", "2"}:
        return values
    return [value for i, value in enumerate(values) if i % 3 < 2]


def _columns(text: str) -> Iterator[Sequence[str]]:
    """The columns of a table, and all of them together that are not the same in each row."""
    rows = [words for words in map(_words, _ROW.split(text)) if words]
    if not rows:
        return
    usual, n = Counter(map(len, rows)).most_common(1)[0]
    if not 2 <= usual <= 64 or n < 0.9 * len(rows) or n < 16:
        return
    columns = list(zip(*(row for row in rows if len(row) == usual), strict=True))
    if all(_NUMBER.fullmatch(column[0]) for column in columns):
        # Beside names, a column of classes comes evenly too.
        yield from columns
    kept = [column for column in columns if len(set(column)) > 1 and (_NUMBER.fullmatch(column[0]) or len(set(column)) <= _FEW)]
    if len(kept) > 1 or all(len(set(column)) <= _FEW for column in kept):
        yield [value for row in zip(*kept, strict=True) for value in row]


def _is_even(values: Sequence[str]) -> bool:
    """Whether nearly all values have some 256 names that come equally often, by chance: what counts rows or frames does exactly."""
    if len(values) < _LEAST:
        return False
    counts = np.sort(np.fromiter(Counter(values).values(), np.float64))[: -_NAMES - 1 : -1]
    n = int(counts.sum())
    if n < max(_LEAST, _NEARLY * len(values)) or len(counts) < _FEWEST or counts.var() < counts.mean() / 2 or _are_others(values):
        return False
    shares = counts / n
    return bool(-(shares * np.log2(shares)).sum() >= _EVEN * _random_bits(n))


def _ranks(values: Sequence[str]) -> list[int]:
    """Two, four or sixteen different values as digits; nothing where they are more or fewer."""
    found = set(values) if len(values) >= _LEAST and len(set(values[:_LEAST])) <= _FEW else set()
    names = {name: i for i, name in enumerate(sorted(found))} if len(found) in {2, 4, 16} else {}
    return [names[v] for v in values] if names else []


def _are_others(values: Sequence[str]) -> bool:
    """Whether values come in groups, or are numbers that are no steps of a byte, or go together as coordinates do."""
    if np.mean([a == b for a, b in pairwise(values)]) > _GROUPED:
        return True
    if not all(map(_NUMBER.fullmatch, values)):
        return False
    numbers = np.array(values, np.float64)
    levels = np.unique(numbers)
    # Fractions are rounded.
    if np.ptp(levels) > 1.5 * _NAMES * np.median(np.diff(levels)):
        return True
    return any(abs(np.corrcoef(numbers[lag:], numbers[:-lag])[0, 1]) > _TOGETHER for lag in _LAGS)


def _random_bits(n: int) -> float:
    """Entropy of the counts of n random bytes, in bits: of each name's count, which has a binomial distribution."""
    counts = np.random.default_rng(0).multinomial(n, np.full(_NAMES, 1 / _NAMES))
    shares = counts[counts > 0] / n
    return float(-(shares * np.log2(shares)).sum())


def _pieces(text: str) -> str:
    """Pieces of more symbols than letters and digits, numbers too long for any identifier, and hexadecimal rows that are no hashes."""
    structured = text.lstrip()[:1] in {"{", "["}
    pieces = _strings(text) if structured else text.replace('"', " ").split()
    joined = "".join(piece for piece in pieces if len(piece) >= _PIECE and not any(map(str.isspace, piece)))
    if len(joined) >= _LEAST and joined.isascii() and _bits(joined) >= _MIXED:
        return f"{len(joined)} random characters in pieces"
    if why := _long_rows(text):
        return why
    spoken = sum(map(text.lower().count, _DIGIT_WORDS)) >= _LEAST_SPOKEN
    if found := _SPOKEN.search(text) if spoken else None:
        return f"digits in words, one after another, at character {found.start()}"
    if _EXPONENT.search(text) and _are_bits_of_floats([float(v) for v in _SCIENTIFIC.findall(text)]):
        return "fractions of all magnitudes, as of bytes that were taken for them"
    if text.isascii():
        return ""
    signs = [c for c in text if c > "\U00010000"]
    if len(signs) >= _LEAST // 2 and len(set(signs)) >= _NAMES // 2:
        return f"{len(signs)} pictographs of {len(set(signs))} kinds"
    wide = "".join(c for c in text if c > "\u2e7f")
    if len(wide) >= _LEAST // 2 and len(set(wide)) > 0.6 * min(len(wide), 2000):
        return f"{len(wide)} characters of which hardly one comes twice"
    return ""


def _long_rows(text: str) -> str:
    """Numbers too long for any identifier, and hexadecimal rows that are no hashes."""
    if max(map(len, text.encode("ascii", "replace").translate(_NO_WORD).split()), default=0) < _LONG:
        return ""
    if sum(map(len, long := _DIGITS.findall(text))) >= 2 * _LEAST and len(set(long)) > 0.5 * len(long):
        return f"{len(long)} numbers of {_LONG} digits and more"
    rows = [row for row in _HEX.findall(text) if len(row) not in _HASHES]
    if sum(map(len, rows)) >= 2 * _LEAST and len(set(rows)) > 0.5 * len(rows) and any(c.isalpha() for c in "".join(rows)[1:]):
        return f"{len(rows)} rows of hexadecimal digits that are no hashes"
    return ""


def _are_bits_of_floats(values: Sequence[float]) -> bool:
    """Whether numbers are of magnitudes that lie far apart, as no measures are."""
    magnitudes = np.log10([abs(v) for v in values if v and np.isfinite(v)])
    return len(magnitudes) >= _LEAST // 4 and float(np.std(magnitudes)) > _FAR


def _bits(text: str) -> float:
    shares = np.array(list(Counter(text).values()), np.float64) / len(text)
    return float(-(shares * np.log2(shares)).sum())


def _boxes(text: str) -> Iterator[NDArray[np.float64]]:
    """What may be boxes: four numbers under a key, or the last four of rows."""
    for key, values in _keyed(text).items():
        if _BOX_KEYS.search(key) and len(values) >= _LEAST:
            yield np.array(values[: len(values) // 4 * 4], np.float64).reshape(-1, 4)
    rows = list(takewhile(lambda row: len(row) in {0, 4, 5}, map(_NUMBER.findall, lines := text.splitlines())))
    rows = [row for row in rows if row] if len(rows) == len(lines) else []
    if len(rows) >= _LEAST // 4:
        yield np.array([row[-4:] for row in rows if len(row) == len(rows[0])], np.float64)


def _are_samples(boxes: NDArray[np.float64]) -> bool:
    """Whether boxes (n, 4) have few values, alike in all four places, and lie neither way in order: right of left and below above, or
    within the picture by centre and size."""
    values = boxes.ravel()
    top = values.max() if len(values) else 0.0
    in_range = values.min() >= 0 and _BRIGHT < (top if top > 1 else 255 * top) <= 255 if len(values) >= _LEAST else False
    if not in_range or not _FEW < len(np.unique(values)) <= _NAMES:
        return False
    means, spreads = boxes.mean(axis=0), boxes.std(axis=0)
    alike = np.ptp(means) < 0.25 * spreads.mean() and np.ptp(spreads) < 0.25 * spreads.mean()
    ordered = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).mean()
    return bool(alike and ordered < 0.9)
