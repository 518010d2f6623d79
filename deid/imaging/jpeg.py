"""Where a JPEG's picture ends, and what stands behind it."""


def after_the_end(data: bytes) -> int:
    """How many bytes of a JPEG file come after its picture, such as a moving photo's video; padding does not count."""
    return len(_behind(data))


def _behind(data: bytes) -> bytes:
    """Bytes after the picture of a JPEG file, without padding."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            # Compressed data: on to the next marker.
            at = data.find(b"\xff", at)
            if at < 0:
                return b""
        marker = data[at + 1]
        if marker == 0xD9:
            return data[at + 2 :].strip(b"\0")
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b""


def left_behind(data: bytes) -> str:
    """Note about pictures or videos behind a JPEG's picture; empty for padding and a camera's notes."""
    rest = _behind(data)
    if b"ftyp" in rest:
        return "the video of a moving photo left out"
    return "a further picture behind the first left out" if rest.startswith(b"\xff\xd8\xff") else ""
