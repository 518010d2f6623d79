"""Pictures in and out: every format that Pillow reads, upright, and without the metadata that gives people away.

What a file holds is kept apart from the pixels that are edited: `Picture` has the frames as RGB for the pipeline, and
what is needed to write the same kind of file again (mode, alpha, palette, 16-bit samples, timing, compression).
"""

import contextlib
import errno
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
#: Formats that hold several frames, or only look as if.
_ANIMATED = {"AVIF", "GIF", "PNG", "TIFF", "WEBP"}
#: Formats that know only black and white.
_BILEVEL = {"MSP", "XBM"}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a picture.

    Args:
        rgb: (H, W, 3) uint8.
        alpha: (H, W) uint8, or None when the frame is opaque.
        deep: (H, W) uint16 grey samples of a 16-bit file, or None.
        duration_ms: how long an animation shows it; None for a still.
        grey: whether it was grey; the pages of one file may differ.
    """

    rgb: Image
    alpha: NDArray[np.uint8] | None = None
    deep: NDArray[np.uint16] | None = None
    duration_ms: float | None = None
    grey: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded file: its frames, upright, and how to write it again."""

    frames: tuple[Frame, ...]
    format: str
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
        return replace(self, frames=frames)


def _replace_pixels(frame: Frame, rgb: Image) -> Frame:
    if rgb.shape != frame.rgb.shape:
        raise ValueError(f"expected an image of {frame.rgb.shape}, got {rgb.shape}")
    deep = frame.deep
    if deep is not None:
        changed = (rgb != frame.rgb).any(axis=2)
        top = 256 * _deep_step(deep) - 1
        deep = np.where(changed, (_luma(rgb).astype(np.int64) * top // 255).astype(np.uint16), deep)
    return replace(frame, rgb=rgb, deep=deep)


def _deep_step(deep: NDArray[np.uint16]) -> int:
    """How many 16-bit levels make one of 8 bits: 256, or fewer for 12-bit cameras, whose faces would be lost in the dark."""
    return int(deep.max()) // 256 + 1


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
    return decode(data, path, max_pixels)


def decode(data: bytes, name: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the bytes of a file.

    Args:
        data: the whole file.
        name: what messages call it; its suffix names the format where the bytes don't.
        max_pixels: width x height x frames above which it is refused.

    Raises:
        ImageReadError: it is no image, is truncated, or is too large.
    """
    path = Path(name)
    if not data:
        raise ImageReadError(f"cannot read {path}: the file is empty")
    try:
        with warnings.catch_warnings():
            # The limit below is ours; Pillow would warn on half of it and leave the decision to no one.
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            # What Pillow says about broken metadata concerns no one: none of it is kept.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            with PillowImage.open(io.BytesIO(data)) as source:
                return _decode(source, path, max_pixels)
    except ImageReadError:
        raise
    except Exception as error:
        # Pillow's plugins raise every kind of error on broken files, and have a limit of their own on pixels.
        raise ImageReadError(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    return str(error) or type(error).__name__


def _decode(source: PillowImage.Image, path: Path, max_pixels: int) -> Picture:
    n_frames = getattr(source, "n_frames", 1) if source.format in _ANIMATED else 1
    if source.width * source.height * n_frames > max_pixels:
        raise _too_large(path, source, n_frames, max_pixels)
    file_format = source.format or path.suffix.lstrip(".").upper()
    options = _save_options(source, file_format, n_frames)
    mode, icc = source.mode, source.info.get("icc_profile")
    frames = []
    left = max_pixels
    for page in ImageSequence.Iterator(source) if n_frames > 1 else [source]:
        # The pages of a TIFF may differ in size.
        left -= page.width * page.height
        if left < 0:
            raise _too_large(path, page, n_frames, max_pixels)
        frames.append(frame_of(page.copy() if n_frames > 1 else page, timed=n_frames > 1 and file_format != "TIFF"))
    # A profile describes the colour model it came with: none of CMYK's or Lab's fits the RGB that is written.
    keeps_profile = mode not in {"CMYK", "YCbCr", "LAB", "HSV"} or (file_format == "JPEG" and mode == "YCbCr")
    return Picture(tuple(frames), file_format, icc if keeps_profile else None, options)


def _too_large(path: Path, page: PillowImage.Image, n_frames: int, max_pixels: int) -> ImageReadError:
    size = f"{page.width} x {page.height}" + (f" in {n_frames} frames" if n_frames > 1 else "")
    return ImageReadError(f"cannot read {path}: {size} is more than {max_pixels} pixels")


def frame_of(page: PillowImage.Image, timed: bool = False) -> Frame:
    """An opened picture, or one page of it, upright, as a frame; ``timed`` keeps how long an animation shows it."""
    # Pillow's plugins tell a page's transparency when it is opened, and its duration once it is decoded.
    transparent = "transparency" in page.info
    page.load()
    duration = page.info.get("duration", 0) if timed else None
    upright = ImageOps.exif_transpose(page)
    if upright.mode in _GREY_MODES - {"1", "L", "LA"}:
        return _deep_frame(np.asarray(upright), duration)
    has_alpha = transparent or upright.mode in {"RGBA", "LA", "PA", "La", "RGBa"}
    pixels = np.array(upright.convert("RGBA" if has_alpha else "RGB"))
    alpha = pixels[..., 3].copy() if has_alpha else None
    return Frame(np.ascontiguousarray(pixels[..., :3]), alpha, None, duration, upright.mode in _GREY_MODES)


def _deep_frame(samples: NDArray[Any], duration: float | None) -> Frame:
    """A frame of grey samples of more than 8 bits; what does not fit 16 bits is brought to 8."""
    deep = None
    if samples.dtype.kind in "iu" and samples.min() >= 0 and samples.max() <= 65535:
        deep = samples.astype(np.uint16)
        grey8: NDArray[Any] = deep // _deep_step(deep)
    else:
        values = np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0)
        low, high = float(values.min()), float(values.max())
        grey8 = (values - low) / max(high - low, 1e-9) * 255
    return Frame(np.repeat(grey8.astype(np.uint8)[..., None], 3, axis=2), None, deep, duration, grey=True)


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
        if file_format in {"PNG", "WEBP"} or "loop" in source.info:
            # A GIF without the entry plays once; one that says 1 plays twice.
            options["loop"] = source.info.get("loop", 0)
    return options


def _subsampling(source: PillowImage.Image) -> int:
    found = JpegImagePlugin.get_sampling(source) if isinstance(source, JpegImagePlugin.JpegImageFile) else -1
    return found if found >= 0 else 0


def _is_lossy_webp(source: PillowImage.Image) -> bool:
    """Whether the first picture of a WebP file is a `VP8` chunk and not a `VP8L` one."""
    stream = getattr(source, "fp", None)
    if stream is None:
        return True
    position, at = stream.tell(), 12
    while True:
        stream.seek(at)
        name, size = stream.read(4), int.from_bytes(stream.read(4), "little")
        if len(name) < 4 or name in {b"VP8 ", b"VP8L"}:
            break
        # A frame of an animation is a chunk with 16 bytes of its own before the picture's; others are skipped whole.
        at += 24 if name == b"ANMF" else 8 + size + size % 2
    stream.seek(position)
    return bool(name != b"VP8L")


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
    pages = [_page(frame, file_format) for frame in picture.frames]
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


def _page(frame: Frame, file_format: str) -> PillowImage.Image:
    if frame.deep is not None and file_format in {"PNG", "TIFF"}:
        return PillowImage.fromarray(frame.deep)
    page = PillowImage.fromarray(_luma(frame.rgb) if frame.grey else frame.rgb)
    if file_format in _BILEVEL:
        return page.convert("1")
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
        with anonymous_file(path.parent) as (file, publish):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            publish(path, overwrite)
    except FileExistsError as error:
        raise ImageWriteError(f"cannot write {path}: it exists; pass --overwrite to replace it") from error
    except OSError as error:
        raise ImageWriteError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def anonymous_file(folder: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """A file without a name, which vanishes with the process, and the way to give it one.

    Where the system has no such files (other than Linux), it has a hidden name until then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):
        yield from _hidden_file(folder)
        return
    with os.fdopen(descriptor, "wb") as file:

        def publish(path: Path, overwrite: bool) -> None:
            if not overwrite or not os.path.lexists(path):
                _give_name(file, path)
                return
            hidden = path.with_name(f".{path.name}.{os.getpid()}.part")
            _give_name(file, hidden)
            try:
                os.replace(hidden, path)
            except OSError:
                hidden.unlink()
                raise

        yield file, publish


def _give_name(file: BinaryIO, path: Path) -> None:
    # Without a folder's descriptor (unused: the source is absolute) Python calls link(), which does not follow /proc's links.
    os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=file.fileno(), follow_symlinks=True)


def _hidden_file(folder: Path) -> Iterator[tuple[BinaryIO, Any]]:
    file = tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False)  # noqa: SIM115

    def publish(path: Path, overwrite: bool) -> None:
        if os.path.lexists(path) and not overwrite:
            raise FileExistsError(path)
        os.replace(file.name, path)

    try:
        with file:
            yield file, publish  # type: ignore[misc]
    finally:
        Path(file.name).unlink(missing_ok=True)
