"""The end of a picture in its file, and data behind it: no reader shows them, and no output has them."""

from collections.abc import Callable

#: What files of a kind begin with, and what they are called.
_KINDS = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b\x08", "gzip data"),
    (b"%PDF-", "a PDF"),
    (b"\xff\xd8\xff", "a further picture"),
    (b"\x89PNG\r\n\x1a\n", "a further picture"),
    (b"GIF8", "a further picture"),
    (b"RIFF", "a further picture"),
    (b"\x1aE\xdf\xa3", "a video"),
)
#: Behind a JPEG, a camera puts notes of its own that nobody misses; so many unknown bytes are more than notes.
_NOTES = 1 << 16
_BLANK, _PADDING = b"\0 \r\n", b"\0\xff \r\n"


def after_the_end(data: bytes, file_format: str = "JPEG") -> int:
    """How many bytes of a file come after its picture, such as a moving photo's video; zeros do not count.

    Args:
        data: the whole file.
        file_format: one of Pillow's names; of others than JPEG, PNG, GIF, WEBP and BMP the end is unknown, and the answer 0.
    """
    return len(_behind(data, file_format))


def left_behind(data: bytes, file_format: str = "JPEG") -> str:
    """Name the data behind a file's picture that somebody may miss; empty for padding and a camera's notes."""
    rest = _behind(data, file_format).strip(_BLANK)
    if b"ftyp" in rest:
        return "the video of a moving photo left out" if file_format == "JPEG" else "a video behind the picture left out"
    for begin, kind in _KINDS:
        if rest.startswith(begin):
            return f"{kind} behind the {'first' if kind == 'a further picture' else 'picture'} left out"
    if not rest.strip(_PADDING) or (file_format == "JPEG" and len(rest) < _NOTES):
        return ""
    return f"{len(rest)} bytes of unknown data behind the picture left out"


def _behind(data: bytes, file_format: str) -> bytes:
    """The bytes after the picture of a file, without zeros around them."""
    end = _ENDS[file_format](data) if file_format in _ENDS else len(data)
    return data[end:].strip(b"\0")


def _jpeg(data: bytes) -> int:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            # Compressed data: on to the next marker.
            at = data.find(b"\xff", at)
            if at < 0:
                break
        marker = data[at + 1 : at + 2]
        if marker == b"\xd9":
            return at + 2
        if marker in _ALONE:
            at += 1 if marker == b"\xff" else 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return len(data)


#: Markers of a JPEG that no length follows.
_ALONE = {b"\x00", b"\x01", b"\xff", *(bytes([v]) for v in range(0xD0, 0xD8))}


def _png(data: bytes) -> int:
    at = 8
    while at + 12 <= len(data):
        kind, at = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IEND":
            return at
    return len(data)


def _gif(data: bytes) -> int:
    at = 13 + _palette(data[10:11])
    while at < len(data) and (block := data[at]) != 0x3B:
        if block == 0x21:
            at = _after_blocks(data, at + 2)
        elif block == 0x2C:
            at = _after_blocks(data, at + 11 + _palette(data[at + 9 : at + 10]))
        else:
            return len(data)
    return at + 1


def _palette(flags: bytes) -> int:
    """Bytes of a GIF's palette."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """The end of a GIF's chain of blocks: one of no length."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _webp(data: bytes) -> int:
    return 8 + int.from_bytes(data[4:8], "little")


def _bmp(data: bytes) -> int:
    # Some programs leave the size out.
    size = int.from_bytes(data[2:6], "little")
    return size if size >= 54 else len(data)


_ENDS: dict[str, Callable[[bytes], int]] = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif, "WEBP": _webp, "BMP": _bmp}
