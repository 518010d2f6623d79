"""Pictures in and out: every format that Pillow reads, upright, and without the metadata that gives people away.

What a file holds is kept apart from the pixels that are edited: `Picture` has the frames as RGB for the pipeline, and
what is needed to write the same kind of file again (mode, alpha, palette, 16-bit samples, timing, compression).
"""

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, ImageSequence, JpegImagePlugin, UnidentifiedImageError

from deid.exceptions import ImageReadError, ImageWriteError
from deid.structures import Image, check_image

#: A picture with more pixels is refused before it is decoded: 30 000 x 30 000 would take 2.7 GB a copy.
MAX_PIXELS = 250_000_000
_GREY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_DEEP_MODES = {"I;16", "I;16B", "I;16L", "I;16N", "I"}
#: Formats that hold several frames, or only look as if.
_ANIMATED = {"GIF", "WEBP", "PNG", "TIFF"}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a picture.

    Args:
        rgb: (H, W, 3) uint8.
        alpha: (H, W) uint8, or None when the frame is opaque.
        deep: (H, W) uint16 grey samples of a 16-bit file, or None.
        duration_ms: how long an animation shows it; None for a still.
    """

    rgb: Image
    alpha: NDArray[np.uint8] | None = None
    deep: NDArray[np.uint16] | None = None
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded file: its frames, upright, and how to write it again."""

    frames: tuple[Frame, ...]
    format: str
    grey: bool = False
    icc_profile: bytes | None = None
    save_options: dict[str, Any] = field(default_factory=dict)

    def with_frames(self, images: Sequence[Image]) -> "Picture":
        """The same file with other pixels; 16-bit samples stay where the pixels did not change.

        Raises:
            ValueError: the number or the size of the images differs.
        """
        if len(images) != len(self.frames):
            raise ValueError(f"expected {len(self.frames)} frames, got {len(images)}")
        frames = tuple(_replace_pixels(f, check_image(i)) for f, i in zip(self.frames, images, strict=True))
        return Picture(frames, self.format, self.grey, self.icc_profile, self.save_options)


def _replace_pixels(frame: Frame, rgb: Image) -> Frame:
    if rgb.shape != frame.rgb.shape:
        raise ValueError(f"expected an image of {frame.rgb.shape}, got {rgb.shape}")
    deep = frame.deep
    if deep is not None:
        changed = (rgb != frame.rgb).any(axis=2)
        deep = np.where(changed, _luma(rgb).astype(np.uint16) * 257, deep)
    return Frame(rgb, frame.alpha, deep, frame.duration_ms)


def _luma(rgb: Image) -> NDArray[np.uint8]:
    return np.asarray(PillowImage.fromarray(rgb).convert("L"))


def read(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a file.

    Args:
        path: any format that Pillow opens.
        max_pixels: width x height x frames above which the file is refused.

    Returns:
        The picture, upright by its EXIF orientation, as RGB.

    Raises:
        ImageReadError: it cannot be read, is no image, is truncated, or is too large.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read()
    except OSError as error:
        raise ImageReadError(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise ImageReadError(f"cannot read {path}: the file is empty")
    try:
        with warnings.catch_warnings():
            # The limit below is ours; Pillow would warn on half of it and leave the decision to no one.
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            with PillowImage.open(io.BytesIO(data)) as source:
                return _decode(source, path, max_pixels)
    except ImageReadError:
        raise
    except PillowImage.DecompressionBombError as error:
        raise ImageReadError(f"cannot read {path}: more than {max_pixels} pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError, TypeError, KeyError, IndexError, RuntimeError) as error:
        # Pillow's plugins raise many kinds of error on broken files.
        raise ImageReadError(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    return str(error) or type(error).__name__


def _decode(source: PillowImage.Image, path: Path, max_pixels: int) -> Picture:
    n_frames = getattr(source, "n_frames", 1) if source.format in _ANIMATED else 1
    if source.width * source.height * n_frames > max_pixels:
        size = f"{source.width} x {source.height}" + (f" x {n_frames} frames" if n_frames > 1 else "")
        raise ImageReadError(f"cannot read {path}: {size} is more than {max_pixels} pixels")
    file_format = source.format or path.suffix.lstrip(".").upper()
    options = _save_options(source, file_format, n_frames)
    grey, mode, icc = source.mode in _GREY_MODES, source.mode, source.info.get("icc_profile")
    frames = tuple(_frames(source) if n_frames > 1 else [_frame(source)])
    # A profile describes the colour model it came with: none of CMYK's or Lab's fits the RGB that is written.
    keeps_profile = mode not in {"CMYK", "YCbCr", "LAB", "HSV"} or (file_format == "JPEG" and mode == "YCbCr")
    return Picture(frames, file_format, grey, icc if keeps_profile else None, options)


def _frames(source: PillowImage.Image) -> Iterator[Frame]:
    for page in ImageSequence.Iterator(source):
        frame = _frame(page.copy())
        timed = source.format != "TIFF"
        yield Frame(frame.rgb, frame.alpha, frame.deep, page.info.get("duration", 0) if timed else None)


def _frame(page: PillowImage.Image) -> Frame:
    page.load()
    deep = None
    transparent = "transparency" in page.info
    upright = ImageOps.exif_transpose(page)
    if upright.mode in _DEEP_MODES:
        samples = np.asarray(upright).astype(np.int64)
        deep = np.clip(samples, 0, 65535).astype(np.uint16)
        grey8 = (deep >> 8).astype(np.uint8)
        return Frame(np.repeat(grey8[..., None], 3, axis=2), None, deep)
    if upright.mode == "F":
        samples = np.nan_to_num(np.asarray(upright))
        low, high = float(samples.min()), float(samples.max())
        grey8 = ((samples - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
        return Frame(np.repeat(grey8[..., None], 3, axis=2))
    has_alpha = transparent or upright.mode in {"RGBA", "LA", "PA", "La", "RGBa"}
    rgba = upright.convert("RGBA") if has_alpha else upright.convert("RGB")
    pixels = np.array(rgba)
    return Frame(np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy() if has_alpha else None)


def _save_options(source: PillowImage.Image, file_format: str, n_frames: int) -> dict[str, Any]:
    """How the file was compressed and timed, as far as Pillow tells."""
    options: dict[str, Any] = {}
    if file_format in {"JPEG", "MPO"}:
        tables = getattr(source, "quantization", None)
        # CMYK files have other tables than the RGB that is written.
        options = {"qtables": tables, "subsampling": _subsampling(source)} if tables and source.mode in {"RGB", "L"} else {"quality": 95}
    elif file_format == "WEBP":
        options = {"quality": 95} if _is_lossy_webp(source) else {"lossless": True}
    elif file_format == "TIFF":
        compression = source.info.get("compression")
        options = {"compression": compression} if compression in {"tiff_lzw", "tiff_adobe_deflate", "packbits"} else {}
    if n_frames > 1:
        options["save_all"] = True
        if file_format != "TIFF":
            options["loop"] = source.info.get("loop", 0 if file_format != "GIF" else 1)
    return options


def _subsampling(source: PillowImage.Image) -> int:
    found = JpegImagePlugin.get_sampling(source) if isinstance(source, JpegImagePlugin.JpegImageFile) else -1
    return found if found >= 0 else 0


def _is_lossy_webp(source: PillowImage.Image) -> bool:
    stream = getattr(source, "fp", None)
    if stream is None:
        return True
    position = stream.tell()
    stream.seek(0)
    head = stream.read(4096)
    stream.seek(position)
    return b"VP8L" not in head


def encode(picture: Picture, file_format: str | None = None) -> bytes:
    """The bytes of a file, without EXIF, XMP, comments, thumbnail and GPS; the ICC profile stays.

    Args:
        picture: what to write.
        file_format: one of Pillow's names; the picture's own when None.

    Raises:
        ImageWriteError: Pillow cannot write that format.
    """
    file_format = "JPEG" if (file_format or picture.format) == "MPO" else (file_format or picture.format)
    options = dict(picture.save_options) if file_format == picture.format or picture.format == "MPO" else {}
    if picture.icc_profile:
        options["icc_profile"] = picture.icc_profile
    pages = [_page(frame, picture.grey, file_format) for frame in picture.frames]
    if len(pages) > 1:
        options |= {"save_all": True, "append_images": pages[1:]}
        durations = [frame.duration_ms for frame in picture.frames]
        if all(d is not None for d in durations):
            options["duration"] = [round(d or 0) for d in durations] if file_format != "PNG" else durations
        if file_format == "GIF":
            options["disposal"] = 2 if pages[0].mode == "RGBA" else 0
    buffer = io.BytesIO()
    try:
        pages[0].save(buffer, format=file_format, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageWriteError(f"cannot write {file_format}: {_reason(error)}") from error
    return buffer.getvalue()


def _page(frame: Frame, grey: bool, file_format: str) -> PillowImage.Image:
    if frame.deep is not None and file_format in {"PNG", "TIFF"}:
        return PillowImage.fromarray(frame.deep)
    page = PillowImage.fromarray(_luma(frame.rgb) if grey else frame.rgb)
    if frame.alpha is not None and file_format not in {"JPEG", "BMP", "PPM"}:
        page.putalpha(PillowImage.fromarray(frame.alpha))
    return page


def write(data: bytes, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Put bytes at a path so that the whole file appears at once, or nothing does, even when killed.

    Raises:
        ImageWriteError: the file exists and ``overwrite`` is false, or it cannot be written.
    """
    path = Path(path)
    try:
        with _anonymous_file(path.parent) as (file, publish):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            publish(path, overwrite)
    except FileExistsError as error:
        raise ImageWriteError(f"cannot write {path}: it exists; pass --overwrite to replace it") from error
    except OSError as error:
        raise ImageWriteError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _anonymous_file(folder: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """A file without a name, which vanishes with the process, and the way to give it one.

    Where the system has no such files (other than Linux), it has a hidden name until then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):
        yield from _hidden_file(folder)
        return
    with os.fdopen(descriptor, "wb") as file:

        def publish(path: Path, overwrite: bool) -> None:
            source = f"/proc/self/fd/{file.fileno()}"
            if not overwrite or not path.exists():
                os.link(source, path, follow_symlinks=True)
                return
            hidden = path.with_name(f".{path.name}.{os.getpid()}.part")
            os.link(source, hidden, follow_symlinks=True)
            os.replace(hidden, path)

        yield file, publish


def _hidden_file(folder: Path) -> Iterator[tuple[BinaryIO, Any]]:
    file = tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False)  # noqa: SIM115

    def publish(path: Path, overwrite: bool) -> None:
        if path.exists() and not overwrite:
            raise FileExistsError(path)
        os.replace(file.name, path)

    try:
        with file:
            yield file, publish  # type: ignore[misc]
    finally:
        Path(file.name).unlink(missing_ok=True)
