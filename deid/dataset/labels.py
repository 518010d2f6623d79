"""Label files are copied byte for byte, so none may hold a picture: in base64 or another alphabet, as bytes, as numbers.

There are too many encodings to list, so most checks measure how much a text could hold. Suspicious are a long run without a space that is
as random as compressed data, and a list of so many numbers that they may be samples. When in doubt, a file is left out and named.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from deid.dataset.bytes_in_text import decoded_in
from deid.dataset.pictures_in_text import drawn_in
from deid.dataset.scales import scaled_in
from deid.dataset.streams import streamed_in

#: Text files that describe pictures: COCO's JSON, VOC's XML, YOLO's text and YAML, lists and tables.
LABELS = frozenset({".cls", ".csv", ".data", ".id", ".json", ".jsonl", ".names", ".tsv", ".txt", ".xml", ".yaml", ".yml"})
#: Number of characters or numbers that hold a picture of 16 x 16 samples; a smaller one shows nobody.
_ENOUGH = 256
#: Bits a character: words and numbers have less than 4.9, base64 5.5 and more even in samples of this length.
_RANDOM_BITS = 5.2

#: Length of fractions that have all digits, and the least step between those that do not go together: by chance it is 0.29.
_PRECISE, _APART = 14, 0.1
#: In small letters. Each of these patterns begins with letters that are looked for at once, which one of all would not be.
_DATA_URI = tuple(map(re.compile, (r"data:\s*(?:image|video|application)/", r";\s*base64\s*,")))
#: How JPEG, PNG, GIF, RIFF, TIFF and HEIF files begin in base64.
_BASE64_MAGIC = tuple(
    map(
        re.compile,
        (
            *(r"/9j/(?:2wB|4|7)", r"_9j_(?:2wB|4|7)", "iVBORw0KGgo", "R0lGODdh", "R0lGODlh", r"UklGR[A-Za-z0-9+/]{20}"),
            *(r"SUkqA[A-Za-z0-9+/]{40}", r"TU0AK[A-Za-z0-9+/]{40}", r"AAAA[A-Za-z0-9+/]{3,6}Z0eXB"),
        ),
    )
)
#: The same in small hexadecimal digits.
_HEX_MAGIC = tuple(
    re.compile(begin + r"[\s,;:x\\0-9a-f]{48}")
    for begin in (r"ff[\s,;:]*(?:0x|\\x)?d8[\s,;:]*(?:0x|\\x)?ff", "89504e470d0a", "47494638[379]", "52494646")
)
_ASCII_PICTURE = re.compile(r"\A\s*P[1-6]\s|/\* XPM \*/|^#define \w+_width \d+|<svg\b|<image\b[^>]*href", re.MULTILINE)
_RUN = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{256,}")
# What repeats begins where a token does: tried at each character of a long one, it would take the square of its length.
_CHUNKS = re.compile(r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{20,}={0,2}[\s\"',;|+]+)+")
_LINES = re.compile(r"(?<!\S)(?:[!-~]{24,}\s+){3,}[!-~]+")
_STRING = re.compile(r'"((?:[^"\\]|\\.){256,})"')
_TOKEN = re.compile(r"(?<!\S)\S{256,}")
_COUNTS = re.compile(r'("counts"\s*:\s*")((?:[^"\\]|\\.){64,})"')
_UUENCODED = re.compile(r"(?m)(?:^M[ -`]{60}\n){4}")
_HEX = re.compile(r"(?:(?:0x[0-9A-Fa-f]{1,2}|#?[0-9A-Fa-f]{2})[\s,;:\"'\[\](){}|]*)+")
_HASHES = {32, 40, 56, 64, 96, 128}
_ESCAPED = {
    "escaped bytes": re.compile(r"\\x[0-9A-Fa-f]{2}|\\[0-3][0-7]{2}"),
    "percent-encoded bytes": re.compile(r"%(?:[89A-Fa-f][0-9A-Fa-f]|[01][0-9A-Fa-f])"),
    "quoted-printable bytes": re.compile(r"=(?:[89A-F][0-9A-F]|[01][0-9A-F])"),
    "colours": re.compile(r"#[0-9A-Fa-f]{6}\b|rgba?\("),
    "pixels drawn in characters": re.compile("[\u2580-\u259f\u2800-\u28ff]"),
}
_NUMBER = r"\.?\d[\d.]*(?:[eE][-+]?\d+)?"
_NUMBERS = re.compile(rf"(?<![\d.])(?:{_NUMBER}[-+\s,;\[\](){{}}\"'|]+)+(?:{_NUMBER})?")
_INDEXED = re.compile(r"(?<!\d)(?:\d+:\d[\d.eE+-]*\s+)+")
_COLOURS = re.compile(r"\{\s*\"(?:r|red|R)\"\s*:\s*[\d.]+\s*,")
_TAG = re.compile(r"<[^<>]{1,200}>")
#: Lists of numbers that annotate: what stands before them, and nothing but brackets in between.
_KNOWN_LIST = re.compile(
    r"\"?(?:segmentation|counts|polygons?|points|keypoints|vertices|contours?)\"?\s*[:=]\s*[\[\s{\"]*(?:\"counts\"\s*:\s*\[\s*)?\Z"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([\\/\"nrtbf]))|&#(?:x([0-9A-Fa-f]{1,6})|(\d{1,7}));")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}


def check_label(data: bytes) -> str:
    """Why the bytes of a label file must not be carried over, or nothing: what is no text, or may hold a picture, may show a face."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"expected a label file in UTF-8, got other bytes at {error.start}"
    if "\0" in text:
        return "expected a label file in UTF-8, got zero bytes"
    why = why_not_text(text)
    return f"the label file holds what may be a picture: {why}; take it out" if why else ""


def why_not_text(text: str) -> str:
    """What in a text may be a picture, or nothing."""
    if why := next((why for found in _COUNTS.finditer(text) if (why := _why_not_rle(found))), ""):
        return why
    plain = _unescaped(_COUNTS.sub(r'\1"', text))
    for check in _CHECKS:
        if why := check(plain):
            return why
    untagged = _TAG.sub(" ", plain) if plain.lstrip().startswith("<") else plain
    return _numbers(untagged) or drawn_in(plain) or decoded_in(plain) or streamed_in(plain) or scaled_in(untagged)


def _unescaped(text: str) -> str:
    r"""The text without the escapes of JSON and XML: `\/`, `/` and `&#47;` are slashes, a written line end is one."""
    return _ESCAPE.sub(_character, text) if "\\" in text or "&#" in text else text


def _character(match: re.Match[str]) -> str:
    four, plain, hexadecimal, decimal = match.groups()
    if plain:
        return _PLAIN.get(plain, plain)
    number = int(decimal) if decimal else int(four or hexadecimal, 16)
    return chr(number) if number <= 0x10FFFF else match[0]


def bits(text: str) -> float:
    """Entropy of the characters of a text, in bits a character."""
    counts = np.array(list(Counter(text).values()), np.float64)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _beginnings(text: str) -> str:
    """Texts that begin as picture files do."""
    small = text.lower()
    if found := _first(_DATA_URI, small):
        return f"a data URI at character {found.start()}"
    if found := _first(_BASE64_MAGIC, text):
        return f"what looks like a picture in base64 at character {found.start()}"
    if found := _first(_HEX_MAGIC, small):
        return f"what looks like a picture in hexadecimal at character {found.start()}"
    if found := _ASCII_PICTURE.search(text):
        return f"a picture in text form at character {found.start()}"
    if found := _UUENCODED.search(text):
        return f"uuencoded data at character {found.start()}"
    return ""


def _first(patterns: Iterable[re.Pattern[str]], text: str) -> re.Match[str] | None:
    return next((found for pattern in patterns if (found := pattern.search(text))), None)


def _runs(text: str) -> str:
    """Long runs without a space, and lines or chunks of one, that are as random as compressed data."""
    for found in _RUN.finditer(text):
        if bits(found[0]) >= 3.0 or (len(found[0]) >= 4 * _ENOUGH and bits(found[0]) >= 0.5):
            return f"a run of {len(found[0])} letters and digits, as in base64 or hexadecimal, at character {found.start()}"
    for pattern in (_CHUNKS, _LINES):
        for found in pattern.finditer(text):
            if _is_rows(found[0]):
                continue
            joined = re.sub(r"[\s\"',;|]+", "", found[0])
            if len(joined) >= _ENOUGH and bits(joined) >= _RANDOM_BITS:
                return f"{len(joined)} random characters in chunks, as in wrapped base64, at character {found.start()}"
    return ""


def _is_rows(text: str) -> bool:
    """Whether lines are rows of a table, of which `decoded_in` looks at each column."""
    commas = {line.count(",") for line in text.split()}
    return len(commas) == 1 and commas.pop() >= 2


def _opaque(text: str) -> str:
    """Long strings of any alphabet, such as base85's, that are as random as compressed data."""
    structured = text.lstrip()[:1] in {"{", "["}
    for found in (_STRING if structured else _TOKEN).finditer(text):
        held = found[1] if structured else found[0]
        if structured and any(c.isspace() for c in held):
            continue
        if (held.isascii() and bits(held) >= _RANDOM_BITS + 0.1) or _is_dense(held):
            return f"a string of {len(held)} random characters at character {found.start()}"
    return ""


def _why_not_rle(found: re.Match[str]) -> str:
    """Why what stands for COCO's run lengths is none, or nothing."""
    held = _unescaped(found[2])
    return "" if _is_rle(held) else f"a string of {len(held)} characters that are no run lengths at character {found.start()}"


def _is_rle(text: str) -> bool:
    """Whether a string is COCO's run lengths: none is negative, as nearly surely one is in other strings of these characters.

    Each is written in groups of five bits, the last two less the one before the last.
    """
    lengths, value, n_bits = [0, 0], 0, 0
    for c in text:
        code = ord(c) - 48
        if not 0 <= code < 64:
            return False
        value, n_bits = value | (code & 31) << n_bits, n_bits + 5
        if not code & 32:
            value -= (code & 16) << n_bits - 4 if code & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 4 else 0))
            value, n_bits = 0, 0
    return min(lengths) >= 0


def _is_dense(text: str) -> bool:
    """Whether hardly a character beyond ASCII comes twice, as in encodings with thousands of them and in no language."""
    wide = [c for c in text if ord(c) > 0x2FF]
    return len(wide) >= 128 and len(set(wide)) > 0.6 * min(len(wide), 2000)


def _bytes(text: str) -> str:
    """Bytes that are written out, or that became characters of their own."""
    controls = len(re.findall(r"[\x01-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]", text))
    if controls >= 16:
        return f"{controls} control characters, as of bytes that were taken for text"
    for what, pattern in _ESCAPED.items():
        if (n := sum(1 for _ in pattern.finditer(text))) >= _ENOUGH // 2:
            return f"{n} {what}"
    for found in _HEX.finditer(text):
        if len(found[0]) >= 2 * _ENOUGH and _is_hex(found[0]):
            return f"hexadecimal bytes at character {found.start()}"
    return ""


def _is_hex(text: str) -> bool:
    """Whether pairs of hexadecimal digits are data: neither decimal numbers nor a list of hashes."""
    lengths = {len(token) for token in re.findall(r"[0-9A-Fa-f]+", text)}
    if len(lengths) == 1 and lengths <= _HASHES:
        return False
    pairs = re.findall(r"[0-9A-Fa-f]{2}", text.replace("0x", ""))
    lettered = sum(any(c.isalpha() for c in pair) for pair in pairs)
    return len(pairs) >= _ENOUGH and lettered >= 0.2 * len(pairs) and len(set(pairs)) >= 24


_CHECKS: tuple[Callable[[str], str], ...] = (_beginnings, _runs, _opaque, _bytes)


def _numbers(text: str) -> str:
    """Lists of numbers that may be samples."""
    for found in _INDEXED.finditer(text):
        if found[0].count(":") >= _ENOUGH:
            return f"{found[0].count(':')} numbered values at character {found.start()}"
    if (n := sum(1 for _ in _COLOURS.finditer(text))) >= _ENOUGH:
        return f"{n} colours"
    for found in _NUMBERS.finditer(text):
        if len(found[0]) < 2 * _ENOUGH or _KNOWN_LIST.search(text, max(0, found.start() - 60), found.start()):
            continue
        if why := _samples(found[0]):
            return f"{why} at character {found.start()}"
    return ""


def _samples(text: str) -> str:
    """Why a list of numbers may be a picture or a face's embedding, or nothing."""
    written = re.findall(_NUMBER, text)
    values = np.array([_value(number) for number in written])
    if _are_precise(written, values):
        return f"{len(values)} fractions of {_PRECISE} digits and more in no order"
    if len(values) < _ENOUGH or values.min() < 0:
        return ""
    n_distinct, columns = len(np.unique(values)), _columns(text)
    # A column's number or an id may stand before the samples.
    values = values[values <= 255] if (values <= 255).mean() > 0.98 else values
    whole = bool((values == np.floor(values)).mean() > 0.98)
    if (
        whole
        and values.max() <= 255
        and n_distinct >= 24
        and not _is_table(values, columns)
        and not _are_points(values)
        and _is_image(values)
    ):
        return f"{len(values)} whole numbers from 0 to 255"
    values = values[values <= 1] if (values <= 1).mean() > 0.98 else values
    if not whole and values.max() <= 1 and n_distinct >= 64 and not _is_table(values, columns) and not _are_points(values):
        return f"{len(values)} numbers between 0 and 1"
    return ""


def _are_precise(written: list[str], values: NDArray[np.float64]) -> bool:
    """Whether fractions hold some 50 bits each and follow one another by chance."""
    if len(values) < _ENOUGH // 4 or values.max() > 1 or np.median([len(number) for number in written]) < _PRECISE:
        return False
    return bool(min(np.median(np.abs(values[lag:] - values[:-lag])) for lag in (1, 2, 3, 4)) > _APART)


def _value(number: str) -> float:
    try:
        return float(number)
    except ValueError:
        return np.inf  # A version or a date: no sample.


def _columns(text: str) -> int:
    """How many numbers nearly every row of a list has, a row being a line or an innermost bracket; 0 where that differs."""
    rows = [n for n in (len(re.findall(_NUMBER, row)) for row in _rows_of(text)) if n]
    if len(rows) < 8:
        return 0
    usual, n = Counter(rows).most_common(1)[0]
    return usual if n >= 0.9 * len(rows) else 0


def _rows_of(text: str) -> Iterator[str]:
    yield from re.split(r"[\])]" if "]" in text or ")" in text else r"\n", text)


def _is_table(values: NDArray[np.float64], columns: int) -> bool:
    """Whether rows of numbers are boxes, classes or the like: few columns, which do not count up the places of a grid."""
    if not (columns == 2 or 4 <= columns <= 12):
        return False
    rows = values[: len(values) // columns * columns].reshape(-1, columns)
    sides = [len(np.unique(rows[:, i])) for i in (0, 1)]
    return columns == 2 or min(sides) < 8 or sides[0] * sides[1] != len(rows)


def _are_points(values: NDArray[np.float64]) -> bool:
    """Whether numbers go as x, y, x, y along an outline: each is nearer to the next but one than to the next."""
    near, far = np.median(np.abs(values[2:] - values[:-2])), np.median(np.abs(np.diff(values)))
    return bool(near < 0.5 * far and np.ptp(values[::2]) > 0 and np.ptp(values[1::2]) > 0)


def _is_image(values: NDArray[np.float64]) -> bool:
    """Whether whole numbers go as samples do, near to their neighbours, or fill the range as compressed bytes do; classes do neither."""
    if (np.diff(values) >= 0).all():
        return False
    # Samples of several channels stand next to each other.
    steps = min(np.abs(values[lag:] - values[:-lag]).mean() for lag in range(1, 5))
    shuffled = np.abs(np.diff(np.random.default_rng(0).permutation(values))).mean()
    return bool(steps < 0.7 * shuffled or (len(np.unique(values)) >= 128 and values.max() >= 200))
