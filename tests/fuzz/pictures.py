"""Broken pictures: each is done, or refused with a reason, and nothing of what was covered or told survives.

Outside the usual suite: `python tests/fuzz/pictures.py --count 3000 --seed 0`. It ends with 1 when a picture failed, and keeps each
that did in the folder that `--keep` names.
"""

import argparse
import io
import itertools
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms, features
from PIL.PngImagePlugin import PngInfo

from deid.core.errors import ImageError
from deid.imaging import codec, deep_colour, plugins

H, W = 48, 64
#: What is covered in every frame, and a pattern in it that no cover leaves.
BOX = np.s_[8:40, 12:52]
MARKER = b"MARKER_SECRET"
MOST_PIXELS, MOST_SECONDS = 1_000_000, 20
#: Formats in which a covered pixel comes back to the bit.
EXACT = {"PNG", "TIFF", "BMP", "PPM", "TGA"}


def _rgb(shift: int = 0) -> PillowImage.Image:
    y, x = np.mgrid[:H, :W]
    return PillowImage.fromarray(np.roll(np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).astype(np.uint8), shift, axis=1))


def _with_alpha() -> PillowImage.Image:
    picture = _rgb()
    picture.putalpha(PillowImage.fromarray((np.mgrid[:H, :W].sum(axis=0) * 2).astype(np.uint8)))
    return picture


def _deep(channels: int = 0) -> np.ndarray:
    shape = (H, W, channels) if channels else (H, W)
    return np.random.default_rng(5).integers(0, 65536, shape).astype(np.uint16)


def _file(picture: PillowImage.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def _exif() -> bytes:
    exif = PillowImage.Exif()
    exif[0x010E], exif[0x0112] = MARKER.decode(), 6
    return exif.tobytes() + MARKER


def seeds() -> dict[str, bytes]:
    """Whole pictures of every kind that is read."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + MARKER
    text = PngInfo()
    text.add_text("Comment", MARKER.decode())
    frames = {"save_all": True, "append_images": [_rgb(9), _rgb(18)], "duration": 50}
    found = {
        "jpeg": _file(_rgb(), "JPEG", exif=_exif(), icc_profile=profile, comment=MARKER),
        "jpeg grey": _file(_rgb().convert("L"), "JPEG"),
        "jpeg progressive": _file(_rgb(), "JPEG", progressive=True, xmp=MARKER),
        "jpeg cmyk": _file(_rgb().convert("CMYK"), "JPEG"),
        "mpo": _file(_rgb(), "MPO", save_all=True, append_images=[_rgb(9)]),
        "png": _file(_rgb(), "PNG", exif=_exif(), pnginfo=text, icc_profile=profile),
        "png palette": _file(_rgb().quantize(32), "PNG", transparency=3),
        "png alpha": _file(_with_alpha(), "PNG"),
        "png 16": _file(PillowImage.fromarray(_deep()), "PNG"),
        "png 48": deep_colour.png(_deep(3), profile),
        "png 64": deep_colour.png(_deep(4), None),
        "apng": _file(_rgb(), "PNG", default_image=True, **frames),
        "gif": _file(_rgb().quantize(32), "GIF", comment=MARKER),
        "gif animated": _file(_rgb(), "GIF", **frames),
        "webp": _file(_rgb(), "WEBP", exif=_exif(), xmp=MARKER),
        "webp lossless": _file(_with_alpha(), "WEBP", lossless=True),
        "webp animated": _file(_rgb(), "WEBP", **frames),
        "tiff": _file(_rgb(), "TIFF", compression="tiff_lzw"),
        "tiff pages": _file(_rgb(), "TIFF", save_all=True, append_images=[_rgb(9).convert("L"), PillowImage.fromarray(_deep())]),
        "tiff 48": deep_colour.tiff(_deep(3), profile, packed=True),
        "bmp": _file(_rgb(), "BMP"),
        "ppm": _file(_rgb(), "PPM"),
        "ppm 48": b"P6 8 8 65535\n" + _deep(3)[:8, :8].tobytes(),
        "tga": _file(_rgb(), "TGA"),
        "ico": _file(_rgb(), "ICO"),
        "jp2": _file(_rgb(), "JPEG2000"),
    }
    if features.check("avif"):
        found["avif"] = _file(_rgb(), "AVIF", exif=_exif())
    if ".heic" in plugins.suffixes():
        found["heif"] = _file(_rgb(), "HEIF", exif=_exif())
    return found


def _flip(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> None:
    reach = min(len(data), 200 if rng.random() < 0.6 else len(data))
    for place in rng.integers(reach, size=rng.integers(1, 6)):
        data[place] = rng.integers(256)


def _cut(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> None:
    del data[int(rng.integers(1, len(data))) :]


def _extreme(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> None:
    """A number in the header becomes one that tempts to allocate, to overflow or to divide by nothing."""
    size = int(rng.choice([1, 2, 4]))
    value = int(rng.choice([0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1]))
    place = int(rng.integers(max(1, min(300, len(data)) - size)))
    data[place : place + size] = value.to_bytes(size, "little" if rng.random() < 0.5 else "big")


def _repeat(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> None:
    start, stop = sorted(rng.integers(len(data), size=2))
    data[int(stop) : int(stop)] = data[int(start) : int(stop)]


def _lose(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 40))]


def _graft(data: bytearray, rng: np.random.Generator, others: list[bytes]) -> None:
    """Part of another picture lies in this one, or behind it."""
    other = others[int(rng.integers(len(others)))]
    place = len(data) if rng.random() < 0.4 else int(rng.integers(len(data)))
    data[place:place] = other[: int(rng.integers(1, len(other)))]


MUTATIONS: list[Callable[[bytearray, np.random.Generator, list[bytes]], None]] = [_flip, _cut, _extreme, _repeat, _lose, _graft]


def mutated(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """Another file, broken in one to three ways."""
    broken = bytearray(data)
    for _ in range(1 if rng.random() < 0.7 else int(rng.integers(2, 4))):
        if len(broken) > 4:
            MUTATIONS[int(rng.integers(len(MUTATIONS)))](broken, rng, others)
    return bytes(broken)


def attempt(data: bytes) -> str:
    """What came of a picture: `refused` or `done`.

    Raises:
        AssertionError: something survives that must not.
    """
    try:
        picture = codec.decode(data, "holiday.bin", MOST_PIXELS)
    except ImageError as error:
        if len(str(error)) <= len("cannot read holiday.bin: "):
            raise AssertionError("refused without a reason") from error
        return "refused"
    covered = [_covered(frame.rgb) for frame in picture.frames]
    edited = picture.with_frames(covered)
    out = codec.encode(edited)
    # Where pixels lie plain in the file, words that were grafted among them are a picture.
    plain = b"".join(frame.rgb.tobytes() + frame.rgb[..., ::-1].tobytes() for frame in edited.frames)
    assert MARKER not in out or MARKER in plain, "what was told survives"
    again = codec.decode(out, "again.bin", MOST_PIXELS)
    n_before, n_after = (sum(frame.look is None for frame in p.frames) for p in (picture, again))
    assert n_after <= n_before, "more frames than before"
    if again.format in EXACT:
        for frame in again.frames[:1]:
            middle = frame.rgb[BOX][4:-4, 4:-4]
            assert middle.size == 0 or np.ptp(middle.reshape(-1, 3).astype(int), axis=0).max() <= 2, "pixels survive under a cover"
    return "done"


def _covered(rgb: np.ndarray) -> np.ndarray:
    out = rgb.copy()
    out[BOX] = 128
    return out


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {MOST_SECONDS} s")


def main() -> int:
    """Try pictures, count what came of them, and tell the failures."""
    parser = argparse.ArgumentParser(description="Try broken pictures.")
    parser.add_argument("--count", type=int, default=3000, help="number of pictures. Default: 3000")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn. Default: 0")
    parser.add_argument("--keep", type=Path, help="folder for the pictures that failed")
    options = parser.parse_args()
    warnings.simplefilter("error")
    signal.signal(signal.SIGALRM, _too_long)
    whole, counts, start = seeds(), Counter[str](), time.monotonic()
    for name, data in whole.items():
        assert attempt(data) == "done", f"the whole {name} is refused"
    kinds = itertools.cycle(whole.items())
    for number in range(options.count):
        name, data = next(kinds)
        broken = mutated(data, np.random.default_rng([options.seed, number]), list(whole.values()))
        signal.alarm(MOST_SECONDS)
        try:
            outcome = attempt(broken)
        except Exception as error:  # whatever it is, it is what we look for
            outcome = "failed"
            print(f"{number} {name}: {type(error).__name__}: {error}", flush=True)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{number}-{name.replace(' ', '-')}").write_bytes(broken)
        finally:
            signal.alarm(0)
        counts[outcome] += 1
    print(f"{options.count} pictures in {time.monotonic() - start:.0f} s: {dict(counts)}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
