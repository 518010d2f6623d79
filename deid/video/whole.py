"""Whether a video's file is whole, as its container tells: FFmpeg reads past what is missing, and says nothing.

Only what is sure counts, since a whole video must never be called partial: an element that goes on beyond the end of the file, or
bytes where an element must begin. MPEG programs and transport streams have no announced end: a cut between two packets goes unnoticed.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

#: Matroska's elements: those that are gone into, and those that stand in a segment or cluster (RFC 9559).
_INTO = {0x18538067, 0x1F43B675}
_ELEMENTS = {
    *(0x1A45DFA3, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0xEC, 0xBF),
    *(0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0x5854, 0xAF),
}
#: FLV: kinds of tags, and the name of the number (in Adobe's AMF) that tells the file's size.
_FLV_TAGS, _FLV_SIZE = {8, 9, 15, 18}, b"\0\x08filesize\0"
#: ASF: the object that holds the file's size, and the flag of a recording whose size was not known.
_ASF_PROPERTIES, _ASF_BROADCAST = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), 1
#: A transport stream's packets, their first byte, and how many of them tell its size.
_TS_SIZES, _TS_SYNC, _TS_TRIED = (188, 192, 204), 0x47, 4


def what_is_missing(path: Path, container: str) -> str:
    """Missing parts of a file by its structure, in words; empty when it is whole, or when its structure does not say.

    Args:
        path: the file.
        container: FFmpeg's name of its format.
    """
    check = next((check for name, check in _CHECKS.items() if name in container.split(",")), None)
    if check is None:
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        return check(file, size)


def _cut(size: int, end: int) -> str:
    return f"the file is cut short: expected {end} bytes or more, got {size}"


def _damaged(at: int) -> str:
    return f"the file is damaged at byte {at}"


def _matroska(file: BinaryIO, size: int) -> str:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(12)
        name, n = _vint(head, keep_marker=True)
        length, m = _vint(head[n:], keep_marker=False)
        if name not in _ELEMENTS | _INTO or not m:
            return _damaged(at) if n and size - at >= len(head) else _cut(size, at + 2)
        body = at + n + m
        unknown = length == (1 << 7 * m) - 1
        if not unknown and body + length > size:
            return _cut(size, body + length)
        at = body if name in _INTO or unknown else body + length
    return ""


def _vint(data: bytes, keep_marker: bool) -> tuple[int, int]:
    """A number of variable length, and how many bytes it has; 0 bytes when there is none."""
    n = 9 - data[0].bit_length() if data and data[0] else 0
    if not n or len(data) < n:
        return 0, 0
    value = int.from_bytes(data[:n], "big")
    return value if keep_marker else value & ((1 << 7 * n) - 1), n


def _boxes(file: BinaryIO, size: int) -> str:
    """Of MP4 and QuickTime."""
    at, in_parts = 0, False
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        in_parts |= kind == b"moof"
        if not kind.isalnum() or length < 8:
            # After the last box there may be anything; 0 says that a box goes on to the end.
            return _damaged(at) if in_parts and length else ""
        if at + length > size:
            return _cut(size, at + length)
        at += length
    return ""


def _riff(file: BinaryIO, size: int) -> str:
    """Of AVI; lists are gone into, and after the last one there may be anything."""
    at = known_end = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        kind = file.read(4)
        if not name.isascii() or not name.decode().isprintable():
            return _damaged(at) if at < known_end else ""
        end = at + 8 + length
        if end > size:
            return _cut(size, end)
        known_end = max(known_end, end)
        # A recorder that was stopped leaves 0.
        into = name in (b"RIFF", b"LIST") and kind in (b"AVI ", b"AVIX", b"movi", b"rec ")
        at = at + 12 if into else end + length % 2
    return ""


def _asf(file: BinaryIO, size: int) -> str:
    head = file.read(1 << 16)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or at + 92 > len(head):
        return ""
    stated, flags = struct.unpack_from("<Q", head, at + 40)[0], struct.unpack_from("<I", head, at + 88)[0]
    return _cut(size, stated) if stated > size and not flags & _ASF_BROADCAST else ""


def _flv(file: BinaryIO, size: int) -> str:
    head = file.read(1 << 16)
    at = head.find(_FLV_SIZE)
    stated = struct.unpack_from(">d", head, at + len(_FLV_SIZE))[0] if 0 <= at < len(head) - 18 else 0.0
    if stated > size:
        return _cut(size, int(stated))
    file.seek(5)
    at = int.from_bytes(file.read(4), "big") + 4
    while at < size:
        file.seek(at)
        head = file.read(11)
        end = at + 11 + int.from_bytes(head[1:4], "big") + 4
        if head[0] & 0x1F not in _FLV_TAGS:
            return _damaged(at)
        # Some leave out the last tag's own size.
        if len(head) < 11 or end - 4 > size:
            return _cut(size, end)
        at = end
    return ""


def _transport(file: BinaryIO, size: int) -> str:
    for length in _TS_SIZES:
        # Blu-ray's packets have their time before them.
        starts = np.memmap(file, np.uint8, "r")[length - _TS_SIZES[0] if length == 192 else 0 :: length]
        if len(starts) <= _TS_TRIED or (starts[:_TS_TRIED] != _TS_SYNC).any():
            continue
        wrong = np.flatnonzero(starts != _TS_SYNC)
        if len(wrong):
            return _damaged(int(wrong[0]) * length)
        return _cut(size, size + length - size % length) if size % length else ""
    return ""


def _program(file: BinaryIO, size: int) -> str:
    """Of MPEG program streams: packs, and packets with a length."""
    for at, length in _packets(file, size):
        if not length:
            return _damaged(at)
        if at + length > size:
            return _cut(size, at + length)
    return ""


def _packets(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Where packets begin, and their lengths; 0 where none begins. Ends where a length is not given."""
    at = 0
    file.seek(max(0, size - 16))
    filled_up = not any(file.read())
    while at + 6 <= size:
        file.seek(at)
        head = file.read(14)
        kind = head[3]
        if head[:3] != b"\0\0\1" or kind < 0xB9:
            # Zeros may fill up the end.
            yield from [] if filled_up and not any(head) else [(at, 0)]
            return
        length = 6 + int.from_bytes(head[4:6], "big")
        if kind == 0xB9:
            length = 4
        elif kind == 0xBA:
            length = 14 + (head[13] & 7 if len(head) > 13 else 0) if head[4] >> 6 == 1 else 12
        elif length == 6:
            return
        yield at, length
        at += length


_CHECKS: dict[str, Callable[[BinaryIO, int], str]] = {
    "matroska": _matroska,
    "mov": _boxes,
    "avi": _riff,
    "asf": _asf,
    "flv": _flv,
    "mpegts": _transport,
    "mpeg": _program,
}
