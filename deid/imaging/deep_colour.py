"""Colour pictures of 16 bits per channel, which Pillow reduces to 8: read by OpenCV, written here.

PNG: W3C, Portable Network Graphics (third edition); TIFF 6.0.
"""

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

_BITS_PER_SAMPLE, _ORIENTATION = 258, 274
_PNG_COLOURS = {2, 4, 6}
#: What a viewer does for each EXIF orientation: transpose, then flip rows, then flip columns.
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def is_deep(source: PillowImage.Image, data: bytes) -> bool:
    """Whether a file that Pillow opened as RGB, RGBA or grey with transparency holds 16 bits a channel."""
    if source.format == "PNG":
        return data[24:25] == b"\x10" and data[25] in _PNG_COLOURS
    if source.format == "TIFF":
        return tuple(getattr(source, "tag_v2", {}).get(_BITS_PER_SAMPLE, ()))[:3] == (16, 16, 16)
    return source.format == "PPM" and _is_deep_ppm(data)


def _is_deep_ppm(data: bytes) -> bool:
    lines = b"\n".join(line.split(b"#")[0] for line in data[:2000].split(b"\n")).split()
    return len(lines) > 3 and lines[0] in {b"P3", b"P6"} and lines[3].isdigit() and int(lines[3]) > 255


def read(source: PillowImage.Image, data: bytes, rgb: NDArray[np.uint8]) -> NDArray[np.uint16] | None:
    """Samples (H, W, 3), upright; None where OpenCV does not read the same picture as Pillow.

    Args:
        source: as Pillow opened it.
        data: the whole file.
        rgb: (H, W, 3) what Pillow made of it, upright.
    """
    if source.format == "PPM" or source.mode == "LA":
        return None
    orientation = int(source.getexif().get(_ORIENTATION, 1))
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if bgr is None or bgr.dtype != np.uint16 or bgr.ndim != 3:
        return None
    samples = _upright(np.asarray(bgr[..., 2::-1], np.uint16), orientation)
    if samples.shape != rgb.shape or np.abs((samples >> 8).astype(np.int16) - rgb).max(initial=0) > 1:
        return None
    return np.ascontiguousarray(samples)


def _upright(samples: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    transpose, rows, columns = _TURNS.get(orientation, (False, False, False))
    samples = samples.swapaxes(0, 1) if transpose else samples
    return samples[:: -1 if rows else 1, :: -1 if columns else 1]


def png(samples: NDArray[np.uint16], icc_profile: bytes | None) -> bytes:
    """A PNG file of samples (H, W, 3 or 4)."""
    h, w, channels = samples.shape
    rows = np.frombuffer(samples.astype(">u2").tobytes(), np.uint8).reshape(h, -1)
    # Filter 2: each row as its difference from the one above.
    filtered = np.empty((h, rows.shape[1] + 1), np.uint8)
    filtered[:, 0], filtered[0, 1:] = 2, rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 6 if channels == 4 else 2, 0, 0, 0))]
    if icc_profile:
        chunks.append((b"iCCP", b"icc\0\0" + zlib.compress(icc_profile)))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def tiff(samples: NDArray[np.uint16], icc_profile: bytes | None, packed: bool) -> bytes:
    """A TIFF file of samples (H, W, 3 or 4), in one strip; ``packed`` deflates it."""
    h, w, channels = samples.shape
    strip = samples.astype("<u2").tobytes()
    strip = zlib.compress(strip) if packed else strip
    blobs = {258: struct.pack(f"<{channels}H", *[16] * channels), 34675: icc_profile or b""}
    fields = [(256, 4, 1, w), (257, 4, 1, h), (258, 3, channels, 0), (259, 3, 1, 8 if packed else 1), (262, 3, 1, 2)]
    fields += [(273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, h), (279, 4, 1, len(strip)), (284, 3, 1, 1)]
    fields += [(338, 3, 1, 2)] if channels == 4 else []
    fields += [(34675, 7, len(icc_profile), 0)] if icc_profile else []
    start = 8 + len(strip) + len(strip) % 2
    place, body = start + 2 + 12 * len(fields) + 4, b""
    table = struct.pack("<H", len(fields))
    for tag, kind, count, value in fields:
        if tag in blobs:
            value = place + len(body)
            body += blobs[tag] + bytes(len(blobs[tag]) % 2)
        table += struct.pack("<HHII", tag, kind, count, value)
    return struct.pack("<2sHI", b"II", 42, start) + strip + bytes(len(strip) % 2) + table + bytes(4) + body
