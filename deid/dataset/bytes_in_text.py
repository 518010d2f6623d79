"""Bytes that are written out in a text: decoded in the usual alphabets, and looked at.

Identifiers, hashes and the bytes of a picture are equally random, so no measure of a text alone tells them apart. Their bytes do: those of
a file begin as files do, and samples are near to their neighbours. Pieces of a picture may stand in lines, in strings or in a column.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.dataset.pictures_in_text import in_parts

Bytes = NDArray[np.uint8]

#: Least number of bytes that show somebody, and how many are looked at together as samples.
_LEAST, _WINDOW = 256, 4096
#: Samples are near to one of the next four: steps in a photo are 0.05 to 0.5 of those in any order, in other bytes 0.8 and more. Seldom is
#: one the same as the next, and their low four bits have nearly four bits of entropy.
_NEAR, _LAGS, _SAME, _EVEN_LOW, _LEVELS = 0.6, (1, 2, 3, 4), 0.5, 3.6, 24
#: A stretch of so many characters is decoded when the entropy at some place of its groups is this share of the most.
_STRETCH, _EVEN = 1024, 0.88
#: Bytes of a column of numbers that stay the same are those of an id or a time.
_LEAST_NUMBERS = 64

#: How files begin: JPEG, PNG, GIF, WebP, TIFF, BMP, HEIF and AVIF, Netpbm, QOI, gzip.
_MAGIC = re.compile(
    rb"\xff\xd8\xff(?:[\xc0-\xfe]\x00|[\xe1\xe2\xed].(?:.{0,2}Exif|.{0,2}http|.{0,2}ICC_|.{0,2}Photo))|\x89PNG\r\n\x1a\n|GIF8[79]a"
    rb"|RIFF.{4}(?:WEBP|AVI )|(?:II\x2a\x00..\x00\x00|MM\x00\x2a\x00\x00..)|BM.{4}\x00{4}..\x00\x00[\x28\x6c\x7c]\x00{3}"
    rb"|ftyp(?:heic|heix|avif|mif1|msf1|mp4|isom|qt  )|P[456]\s+\d+\s+\d+\s|qoif\x00\x00"
    rb"|\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]",
    re.DOTALL,
)


_ZLIB, _TRIALS = re.compile(rb"\x78[\x01\x5e\x9c\xda]"), 64


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """Digits of a base, and how many of them make how many bytes."""

    name: str
    digits: str
    group: int
    n_bytes: int
    folded: bool = False
    little: bool = False


_UPPER, _LOWER, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
_SPARSE = (
    _Alphabet("hexadecimal", _DIGITS + "abcdef", 2, 1, folded=True),
    _Alphabet("base32", _LOWER + "234567", 8, 5, folded=True),
    _Alphabet("base32hex", _DIGITS + _LOWER[:22], 8, 5, folded=True),
    _Alphabet("Crockford's base32", _DIGITS + "abcdefghjkmnpqrstvwxyz", 8, 5, folded=True),
    _Alphabet("base64", _UPPER + _LOWER + _DIGITS + "+/", 4, 3),
    _Alphabet("base64 for URLs", _UPPER + _LOWER + _DIGITS + "-_", 4, 3),
    _Alphabet("xxencode", "+-" + _DIGITS + _UPPER + _LOWER, 4, 3),
)
_DENSE = (
    _Alphabet("base85", _DIGITS + _UPPER + _LOWER + "!#$%&()*+-;<=>?@^_`{|}~", 5, 4),
    _Alphabet("ascii85", "".join(map(chr, range(33, 118))), 5, 4),
    _Alphabet("Z85", _DIGITS + _LOWER + _UPPER + ".-:+=^!/*?&<>()[]{}@%$#", 5, 4),
    _Alphabet("base45", _DIGITS + _UPPER + " $%*+-./:", 3, 2, little=True),
)
#: Digits of bases that are no power of two, and the least length of a word of them.
_BASES = {
    "base36": _DIGITS + _LOWER,
    "base36 in capitals": _DIGITS + _UPPER,
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "base62": _DIGITS + _UPPER + _LOWER,
    "base62, small letters first": _DIGITS + _LOWER + _UPPER,
}
_LEAST_DIGITS, _LEAST_BASE, _LETTERS = 6, 32, re.compile(r"(?<![\w-])[0-9A-Za-z]+(?![\w-])")
#: What ends a row, and what ends a piece in it: of any alphabet of letters and digits, of base64's two, and of the dense ones.
_ROW = re.compile(r"[\n\r{}<>]+")
_ENDS = tuple(
    bytes(10 if c in b"\n\r{}<>" else c if chr(c).isascii() and (chr(c).isalnum() or c in more) else 32 for c in range(256))
    for more in (b"", b"+/", b"_-")
)
_DENSE_ENDS, _STRING, _LINE_HEAD = (
    bytes(32 if c in b',"' else c for c in range(256)),
    re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?'),
    re.compile(r"^[ \t]*(?:- )?", re.MULTILINE),
)
_UNSEEN = re.compile("[ \t\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u2060-\u2064\u3000\ufeff\U000e0000-\U000e01ef]")
#: Share of a stream that has to be of one alphabet.
_MOSTLY = 0.9
_OCTAL = re.compile(r"[01][0-7]{5}")
_KEYED = re.compile(r'(?m)"?([A-Za-z_][\w-]{0,63})"?:[ \t]*"?([^\s"\',{}\[\]]+)')
_WHOLE = re.compile(r"(?<![\w.])-?\d{1,20}(?![\w.])")


def decoded_in(text: str) -> str:
    """What in a text is a picture that is written in some alphabet, or nothing."""
    return in_parts(text, _LEAST, _decoded_in)


def _decoded_in(text: str) -> str:
    for check in (_uuencoded, _in_letters, _in_signs, _in_numbers, _in_symbols, _in_digits):
        if why := check(text):
            return why
    return ""


def _in_letters(text: str) -> str:
    """Alphabets of letters and digits, in pieces of rows, or under one key."""
    if why := next((why for stream in _by_key(text) if (why := _held_in(stream, _SPARSE))), ""):
        return why
    plain = text.encode("ascii", "replace")
    for ends in _ENDS:
        for stream in _streams([row.split() for row in plain.translate(ends).split(b"\n")]):
            if why := _held_in(stream, _SPARSE):
                return why
    return ""


def _in_signs(text: str) -> str:
    """Alphabets with punctuation, in lines and strings."""
    pieces = [row.translate(_DENSE_ENDS).split() for row in text.encode("ascii", "replace").splitlines()]
    lines = "".join(_LINE_HEAD.sub("", text).split("\n"))
    strings = "".join(held for held, colon in _STRING.findall(text) if not colon)
    whole = "".join(text.split("\n"))
    for stream in (*map(_ascii, (lines, strings, whole)), *_by_key(text), *_streams(pieces)):
        if why := _held_in(stream, _DENSE):
            return why
    return ""


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _by_key(text: str) -> list[bytes]:
    """Words by the key of JSON or YAML that they stand under, joined."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, word in _KEYED.findall(text):
        found[key].append(word)
    return [_ascii("".join(words)) for words in found.values() if len(words) > 1]


def _streams(rows: Sequence[Sequence[bytes]]) -> Iterator[bytes]:
    """What pieces of a text may be together: all of them, a column of most rows, or those columns that are hexadecimal."""
    rows = [row for row in rows if row]
    if not rows:
        return
    yield b"".join(chain.from_iterable(rows))
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    table = [row for row in rows if len(row) == usual]
    if usual < 2 or len(table) < 4:
        return
    columns = [b"".join(column) for column in zip(*table, strict=True)]
    yield from (column for column in columns if len(column) >= _LEAST)
    few = table[:200]
    own = [i for i in range(usual) if all(_is_pairs(row[i]) for row in few)]
    for kept in (own, own[1:]):
        if len(kept) >= 2:
            yield b"".join(row[i] for row in table for i in kept)


def _is_pairs(piece: bytes) -> bool:
    return len(piece) % 2 == 0 and all(c in b"0123456789abcdefABCDEF" for c in piece)


@cache
def _table(alphabet: _Alphabet) -> NDArray[np.int16]:
    """The value of each character in ASCII, -1 for those that are none."""
    values = np.full(256, -1, np.int16)
    for value, digit in enumerate(alphabet.digits):
        for c in {digit, digit.upper(), digit.lower()} if alphabet.folded else {digit}:
            values[ord(c)] = value
    return values


@cache
def _digits(alphabet: _Alphabet) -> bytes:
    return np.flatnonzero(_table(alphabet) >= 0).astype(np.uint8).tobytes()


def _held_in(stream: bytes, alphabets: Sequence[_Alphabet]) -> str:
    """What a stream holds in any of these alphabets; too few different characters are never even enough."""
    bits = np.log2(max(1, len(set(stream))))
    return next((why for a in alphabets if bits >= _EVEN * np.log2(len(a.digits)) and (why := _held(stream, a))), "")


def _held(stream: bytes, alphabet: _Alphabet) -> str:
    """What a stream of characters holds in an alphabet, wherever its groups begin."""
    if len(stream) < _LEAST * alphabet.group // alphabet.n_bytes:
        return ""
    if len(stream.translate(None, _digits(alphabet))) > (1 - _MOSTLY) * len(stream):
        return ""
    values = _table(alphabet)[np.frombuffer(stream, np.uint8)]
    values = values[values >= 0]
    for part in _even_parts(values, alphabet):
        for start in range(alphabet.group):
            if why := _why(_bytes(part[start:], alphabet), alphabet.name):
                return why
    return ""


def _even_parts(values: NDArray[np.int16], alphabet: _Alphabet) -> Iterator[NDArray[np.int16]]:
    """Where digits at some place of the groups are evenly spread: the low ones of samples are, and all of compressed data."""
    base, n = len(alphabet.digits), max(1, len(values) // _STRETCH)
    rows = values[: n * _STRETCH].reshape(n, -1) if len(values) >= _STRETCH else values[None]
    even = np.zeros(n, bool)
    for place in range(alphabet.group):
        own = rows[:, place :: alphabet.group].astype(np.int64)
        counts = np.bincount((own + base * np.arange(n)[:, None]).ravel(), minlength=n * base).reshape(n, base)
        shares = counts / own.shape[1]
        even |= -(shares * np.log2(np.maximum(shares, 1e-9))).sum(axis=1) >= _EVEN * np.log2(base)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], even.astype(int), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        yield values[max(0, first - 1) * _STRETCH : (last + 1) * _STRETCH]


def _bytes(values: NDArray[np.int16], alphabet: _Alphabet) -> Bytes:
    """Digits as bytes, group by group."""
    group, n = alphabet.group, alphabet.n_bytes
    digits = values[: len(values) // group * group].reshape(-1, group)
    digits = digits[:, ::-1] if alphabet.little else digits
    whole = digits.astype(np.uint64) @ np.array([len(alphabet.digits) ** i for i in range(group)][::-1], np.uint64)
    shifts = np.arange(8 * (n - 1), -1, -8, dtype=np.uint64)
    return ((whole[:, None] >> shifts) & np.uint64(255)).astype(np.uint8).ravel()


def _why(data: Bytes, alphabet: str) -> str:
    """Why bytes may be a picture, or nothing."""
    if len(data) < _LEAST // 2:
        return ""
    raw = data.tobytes()
    if _MAGIC.search(raw):
        return f"a file in {alphabet}, by its first bytes"
    if _is_deflated(raw):
        return f"compressed data in {alphabet}"
    starts = range(0, max(1, len(data) - _LEAST), max(_WINDOW, len(data) // 4))
    seen = [_is_samples(data[start : start + _WINDOW]) for start in starts]
    return f"samples in {alphabet}" if sum(seen) * 2 > len(seen) else ""


def _is_deflated(raw: bytes) -> bool:
    """Whether a stream of zlib begins somewhere and goes on; what follows its two bytes by chance ends soon."""
    return any(_inflates(raw[m.start() : m.start() + _WINDOW]) for m in islice(_ZLIB.finditer(raw), _TRIALS))


def _inflates(raw: bytes) -> bool:
    try:
        return len(zlib.decompressobj().decompress(raw, _WINDOW)) >= _LEAST
    except zlib.error:
        return False


def _is_samples(data: Bytes, lags: Sequence[int] = _LAGS) -> bool:
    """Whether bytes go as samples do: near to their neighbours and seldom the same, with low digits that are evenly spread."""
    if len(data) < _LEAST or _spread(data & 15, 16) < _EVEN_LOW:
        return False
    values = data.astype(np.int16)
    steps = [np.abs(values[lag:] - values[:-lag]) for lag in lags]
    least = min(steps, key=lambda step: float(step.mean()))
    shuffled = np.abs(np.diff(np.random.default_rng(0).permutation(values))).mean()
    return bool(least.mean() < _NEAR * shuffled and (least == 0).mean() < _SAME)


def _spread(digits: NDArray[Any], base: int) -> float:
    """Entropy of digits, in bits."""
    shares = np.bincount(digits, minlength=base) / len(digits)
    return float(-(shares * np.log2(np.maximum(shares, 1e-9))).sum())


def _uuencoded(text: str) -> str:
    """Lines whose first character says how long they are."""
    lines = [line for line in text.split("\n") if line]
    fits = [1 + (ord(line[0]) - 32 + 2) // 3 * 4 == len(line) for line in lines if 33 <= ord(line[0]) < 96]
    return f"{sum(fits)} lines of uuencoded data" if sum(fits) >= 8 and sum(fits) >= 0.8 * len(lines) else ""


def _in_numbers(text: str) -> str:
    """Whole numbers of one, two, four or eight bytes, in a column or one after another."""
    rows = [_WHOLE.findall(row) for row in _ROW.split(text)]
    for numbers in _number_lists([row for row in rows if row]):
        for width, own in _widths(numbers):
            for order in "<>":
                data = own.astype(f"{order}u{width}").view(np.uint8)
                if why := why_numbers(data, width):
                    return why
    return ""


def _number_lists(rows: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    if not rows:
        return
    every = [v for row in rows for v in row]
    yield [int(v) for v in every]
    if len(octal := [int(v, 8) for v in every if _OCTAL.fullmatch(v)]) >= 0.8 * len(every):
        yield octal
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    table = [row for row in rows if len(row) == usual]
    if 2 <= usual <= 64 and len(table) >= _LEAST_NUMBERS:
        yield from ([int(v) for v in column] for column in zip(*table, strict=True))


def _widths(numbers: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """How many bytes the numbers may have, and the numbers as such."""
    for width in (1, 2, 4, 8):
        low, high = -(1 << (8 * width - 1)), 1 << (8 * width)
        own = [v for v in numbers if low <= v < high]
        if len(own) >= max(_LEAST_NUMBERS, 0.9 * len(numbers)):
            yield width, np.array([v % high for v in own], np.uint64)
            return


def why_numbers(data: Bytes, width: int) -> str:
    """Why the bytes of numbers may be a picture; those that stay the same in each are no data."""
    places = data.reshape(-1, width)
    if width > 1 and any(len(np.unique(places[: 4 * _WINDOW, i])) < _LEVELS for i in range(width)):
        return ""
    raw = data.tobytes()
    if _MAGIC.search(raw) or _MAGIC.search((data + np.uint8(128)).tobytes()) or _is_deflated(raw):
        return f"a file in numbers of {width} bytes, by its first bytes"
    if width > 1 and _is_samples(data[: 4 * _WINDOW], (1, 3)):
        return f"samples in numbers of {width} bytes"
    return ""


def _in_symbols(text: str) -> str:
    """Two, four or sixteen characters, or a block of 256, that stand for bits; unseen ones may stand between others."""
    for stream in ("".join(text.split()), "".join(_UNSEEN.findall(text))):
        for symbols in _symbols(stream):
            if why := _why(symbols, "a code of its own"):
                return why
    return ""


def _symbols(text: str) -> Iterator[Bytes]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    wide = codes[codes >= 0x100]
    if len(wide) >= max(_LEAST // 2, _MOSTLY * len(codes)) and np.ptp(wide) < 256:
        yield (wide & 255).astype(np.uint8)
        yield (wide - wide.min()).astype(np.uint8)
    common = Counter(text[: 4 * _WINDOW]).most_common(16)
    for bits in (1, 2, 4):
        names = sorted(ord(c) for c, _ in common[: 1 << bits])
        own = codes[np.isin(codes, names)]
        if len(names) == 1 << bits and len(own) >= max(8 * _LEAST // bits, _MOSTLY * len(codes)):
            values = np.searchsorted(names, own).astype(np.uint8)
            for digits in (values, (1 << bits) - 1 - values):
                yield _packed(digits.astype(np.uint8), bits)


def why_digits(values: Sequence[int]) -> str:
    """Why whole numbers may be a picture's bytes, or its bits in twos, fours or eights, highest first; or nothing."""
    if len(values) < _LEAST or min(values) < 0 or max(values) > 255:
        return ""
    digits = np.array(values, np.uint8)
    bits = next((bits for bits in (1, 2, 4) if digits.max() == (1 << bits) - 1), 8)
    if bits == 8:
        return why_numbers(digits, 1)
    return _why(_packed(digits, bits), "digits") or _why(_packed(((1 << bits) - 1 - digits).astype(np.uint8), bits), "digits")


def _packed(digits: Bytes, bits: int) -> Bytes:
    """Digits of so many bits as bytes, the first ones highest."""
    spread = np.unpackbits(digits[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(spread.ravel())


def _in_digits(text: str) -> str:
    """Words that are each a whole number of several bytes, in the digits of a base that is no power of two."""
    words = _LETTERS.findall(text)
    longest = max(map(len, words), default=0)
    own = [word for word in words if len(word) >= longest - 2]
    if longest < _LEAST_DIGITS or len(own) * longest < _LEAST or len(own) < 0.5 * len(words):
        return ""
    if len(set("".join(own))) < _LEAST_BASE or np.mean([any(map(str.isdigit, w)) and any(map(str.isalpha, w)) for w in own]) < _MOSTLY:
        return ""
    for name, digits in _BASES.items():
        values = {c: i for i, c in enumerate(digits)}
        known = all(c in values for word in own[:_TRIALS] for c in word)
        if known and (why := _why(np.frombuffer(_numbers_of(own, values), np.uint8), name)):
            return why
    return ""


def _numbers_of(words: Sequence[str], values: dict[str, int]) -> bytes:
    """The bytes of words that are numbers, all of as many as the largest has; none when one has another character."""
    numbers = []
    for word in words[:_WINDOW]:
        number = 0
        for c in word:
            if c not in values:
                return b""
            number = number * len(values) + values[c]
        numbers.append(number)
    width = (max(numbers).bit_length() + 7) // 8
    return b"".join(number.to_bytes(width, "big") for number in numbers)
