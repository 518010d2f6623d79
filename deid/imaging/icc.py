"""ICC profiles reduced to the description of colours.

A profile may hold any number of private tags, and texts of any length: names, device numbers, even the picture as it was. What is
written is built anew from the numbers of a matrix profile: white point, primaries, tone curves.

Specification ICC.1:2022, sections 7.2 (header), 7.3 (tag table), 9.2 (tags) and 10 (types).
"""

import itertools
import struct

_HEADER, _SIGNATURE = 128, b"acsp"
_CLASSES = {b"mntr", b"scnr", b"spac", b"prtr"}
#: Tags that describe the colours of a model: those that it needs, and those that it may have.
_NEEDED = {
    b"RGB ": (b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"),
    b"GRAY": (b"wtpt", b"kTRC"),
}
_OPTIONAL = (b"chad", b"cicp")
#: Sizes of types that have one, and of parametric curves by the number of their function.
_SIZES = {b"XYZ ": 20, b"sf32": 44, b"cicp": 12}
_PARAMETERS = (1, 3, 4, 5, 7)
_TYPES = {b"wtpt": {b"XYZ "}, b"chad": {b"sf32"}, b"cicp": {b"cicp"}}
#: A curve with more points, or one that falls, may be anything.
_MOST_POINTS = 4096
_MOST_TAGS = 200
#: D50, the white point of the connection space.
_ILLUMINANT = struct.pack(">3i", 63190, 65536, 54061)
_DATE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


def model_of(profile: bytes) -> bytes:
    """The colour model that a profile says it is of, such as ``b"RGB "``; empty when it is no profile."""
    return profile[16:20] if len(profile) >= _HEADER and profile[36:40] == _SIGNATURE else b""


def standard(profile: bytes) -> bytes | None:
    """A profile of the same colours that holds nothing else.

    Args:
        profile: an ICC profile of any size, from a file that nobody vouches for.

    Returns:
        A profile built from the standard tags alone; None when these do not say what its colours are.
    """
    model = model_of(profile)
    if model not in _NEEDED or profile[12:16] not in _CLASSES or profile[20:24] != b"XYZ ":
        return None
    own = _tags(profile)
    kept = {}
    for name in (*_NEEDED[model], *_OPTIONAL):
        value = _value(name, own.get(name, b""))
        if value:
            kept[name] = value
        elif name not in _OPTIONAL:
            return None
    major = 4 if profile[8] >= 4 else 2
    for name in (b"desc", b"cprt"):
        kept[name] = _text("colours" if name == b"desc" else "none", name, major)
    return _file(profile, model, major, kept)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Data of each tag by its name, as far as the table leads anywhere."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4])
    found: dict[bytes, bytes] = {}
    for i in range(min(count, _MOST_TAGS)):
        row = profile[_HEADER + 4 + 12 * i :][:12]
        if len(row) == 12:
            name, start, size = struct.unpack(">4sII", row)
            found.setdefault(name, profile[start : start + size])
    return found


def _value(name: bytes, data: bytes) -> bytes:
    """A tag's data cut to what its type holds; empty when that is not as it must be."""
    kind = data[:4]
    if kind not in _TYPES.get(name, {b"XYZ "} if name.endswith(b"XYZ") else {b"curv", b"para"}):
        return b""
    size = _SIZES.get(kind) or _curve_size(data)
    return kind + bytes(4) + data[8:size] if 0 < size <= len(data) else b""


def _curve_size(data: bytes) -> int:
    """Bytes of a tone curve; 0 when it is none."""
    if data[:4] == b"para" and len(data) >= 12:
        function = int.from_bytes(data[8:10])
        return 12 + 4 * _PARAMETERS[function] if function < len(_PARAMETERS) and data[10:12] == b"\0\0" else 0
    n = int.from_bytes(data[8:12])
    points = struct.unpack(f">{n}H", data[12 : 12 + 2 * n]) if n <= _MOST_POINTS and len(data) >= 12 + 2 * n else None
    rising = points is not None and (n == 1 or all(a <= b for a, b in itertools.pairwise(points)))
    return 12 + 2 * n if len(data) >= 12 and rising else 0


def _text(text: str, name: bytes, major: int) -> bytes:
    if major >= 4:
        return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", 2 * len(text), 28) + text.encode("utf-16-be")
    plain = text.encode("ascii") + b"\0"
    return b"text" + bytes(4) + plain if name == b"cprt" else struct.pack(">4s4xI", b"desc", len(plain)) + plain + bytes(78)


def _file(profile: bytes, model: bytes, major: int, tags: dict[bytes, bytes]) -> bytes:
    table, body, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    start = _HEADER + 4 + 12 * len(tags)
    for name, value in tags.items():
        # The three tone curves are often one.
        if value not in places:
            places[value] = start + len(body)
            body += value + bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, places[value], len(value))
    size = start + len(body)
    intent = min(int.from_bytes(profile[64:68]), 3)
    version = bytes([major, 0x40 if major == 4 else 0x20, 0, 0])
    header = struct.pack(">I4x4s4s4s4s", size, version, profile[12:16], model, b"XYZ ") + _DATE + _SIGNATURE + bytes(24)
    return header + struct.pack(">I", intent) + _ILLUMINANT + bytes(_HEADER - 80) + table + body
