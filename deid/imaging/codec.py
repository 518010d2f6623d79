"""Reading and writing of pictures: every format that Pillow reads, upright, without identifying metadata.

`Picture` separates the pixels that are edited from the rest of a file. It has the frames as RGB for the pipeline, and all that is needed to
write the same kind of file again: mode, alpha, palette, 16-bit samples, timing, compression.
"""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from deid.core.errors import ImageReadError, ImageWriteError
from deid.core.types import Image
from deid.imaging import deep_colour
from deid.imaging.colours import Colours
from deid.imaging.compression import save_options_of
from deid.imaging.deep_colour import is_deep
from deid.imaging.deep_colour import read as read_deep
from deid.imaging.frame import Frame, frame_of, looks_at, luma, with_pixels, with_samples
from deid.imaging.plugins import register
from deid.imaging.trailing_data import left_behind

#: A picture with more pixels is refused before it is decoded. This many take 1 GB while they are read, beside the networks.
MAX_PIXELS = 100_000_000
#: Formats of which all frames are kept, and those of them that show no time.
_SEVERAL = {"AVIF", "GIF", "MPO", "PNG", "TIFF", "WEBP"}
_UNTIMED = {"MPO", "TIFF"}
#: What a file says that holds a map of light or depth beside its picture.
_MAPS = (b"hdrgm:", b"HDRGainMap", b"urn:iso:std:iso:ts:21496", b"GDepth:", b"Container:Directory")
#: Formats that know only black and white.
_BILEVEL = {"MSP", "XBM"}
#: Modes of samples that may not fit 16 bits.
_WIDE = {"I", "F"}
#: Formats that are written with 16 bits of grey, and colours that are written as RGB.
_DEEP_GREY, _OTHER_COLOURS = {"PNG", "PPM", "TIFF"}, {"CMYK", "HSV", "LAB"}
#: Formats without alpha.
_OPAQUE = {"JPEG", "BMP", "MPO", "PPM"}
#: Pillow's own limit is one for the whole process.
_LIMIT = threading.RLock()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded file: its frames, upright, and how to write it again.

    Args:
        frames: the file's, and after them further looks at some, see `deid.imaging.frame.Look`.
        format: one of Pillow's names.
        icc_profile: what its colours mean, and nothing else.
        save_options: how it was compressed and timed.
        notes: notes on what was left out of the file or changed.
    """

    frames: tuple[Frame, ...]
    format: str
    icc_profile: bytes | None = None
    save_options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def with_frames(self, images: Sequence[Image]) -> "Picture":
        """The same file with other pixels; 16-bit samples stay where nobody was at work.

        Raises:
            ValueError: the number or the size of the images differs.
        """
        if len(images) != len(self.frames):
            raise ValueError(f"expected {len(self.frames)} frames, got {len(images)}")
        return replace(self, frames=with_pixels(self.frames, images))


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
    register()
    try:
        with warnings.catch_warnings():
            # The limit below is ours; Pillow would warn on half of it and leave the decision to no one.
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            # What Pillow says about broken metadata concerns no one: none of it is kept.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"(PIL|pillow_heif)\.")
            with _limit_of_ours(max_pixels), PillowImage.open(io.BytesIO(data)) as source:
                return _decode(source, data, path, max_pixels)
    except ImageReadError:
        raise
    except PillowImage.DecompressionBombError as error:
        raise ImageReadError(f"cannot read {path}: it has more pixels than max_pixels = {max_pixels} allows") from error
    except Exception as error:
        # Pillow's plugins raise every kind of error on broken files.
        raise ImageReadError(f"cannot read {path}: {_reason(error)}") from error


@contextlib.contextmanager
def _limit_of_ours(max_pixels: int) -> Iterator[None]:
    """Keep Pillow from refusing, by a limit of its own, what ours allows."""
    if PillowImage.MAX_IMAGE_PIXELS is None or max_pixels <= 2 * PillowImage.MAX_IMAGE_PIXELS:
        yield
        return
    with _LIMIT:
        before, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, max_pixels
        try:
            yield
        finally:
            PillowImage.MAX_IMAGE_PIXELS = before


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    return str(error) or type(error).__name__


def _decode(source: PillowImage.Image, data: bytes, path: Path, max_pixels: int) -> Picture:
    n_frames, notes = _frames_of(source, data)
    if source.width * source.height * n_frames > max_pixels:
        raise _too_large(path, source, n_frames, max_pixels)
    file_format = source.format or path.suffix.lstrip(".").upper()
    options = save_options_of(source, file_format, n_frames)
    colours = Colours.of(source, file_format)
    deep = is_deep(source, data)
    frames: list[Frame] = []
    left = max_pixels
    for number in range(n_frames):
        if n_frames > 1:
            source.seek(number)
        # The pages of a TIFF may differ in size.
        left -= source.width * source.height
        if left < 0:
            raise _too_large(path, source, n_frames, max_pixels)
        timed = n_frames > 1 and file_format not in _UNTIMED and not (number == 0 and "default_image" in options)
        frames.append(frame_of(source.copy() if n_frames > 1 else source, timed))
    if deep and n_frames == 1 and (samples := read_deep(source, data, frames[0].rgb)) is not None:
        frames = [with_samples(frames[0], samples)]
        if frames[0].alpha is not None and frames[0].alpha.min() < 255:
            notes.append("16 bits of transparency became 8")
    elif deep or (file_format not in _DEEP_GREY and any(frame.deep is not None for frame in frames)):
        notes.append("16 bits a channel became 8")
    elif source.mode in _WIDE and any(frame.deep is None for frame in frames):
        notes.append("samples beyond 16 bits became 8 bits")
    if source.mode in _OTHER_COLOURS:
        notes.append(f"{source.mode} became RGB")
    frames = [f if f.grey or f.deep is not None else replace(f, rgb=colours.applied(f.rgb)) for f in frames]
    looks = [look for number, frame in enumerate(frames) for look in looks_at(frame, number)]
    return Picture((*frames, *looks), file_format, colours.profile, options, (*notes, *colours.notes))


def _frames_of(source: PillowImage.Image, data: bytes) -> tuple[int, list[str]]:
    """Number of frames that are kept, and a note on the others."""
    n_frames = int(getattr(source, "n_frames", 1))
    if source.format == "MPO" and not _is_stereo(source, data):
        return 1, [f"{n_frames - 1} further pictures in the file left out"]
    if source.format == "JPEG" and any(mark in data for mark in _MAPS):
        return 1, ["map of light or depth beside the picture left out"]
    behind = [text] if (text := left_behind(data, source.format or "")) else []
    if source.format == "ICO" and (n_others := int.from_bytes(data[4:6], "little") - 1) > 0:
        # Its header counts its pictures; Pillow counts sizes, and two pictures may be of one size.
        return 1, [f"{n_others} further sizes of the picture left out"]
    if n_frames > 1 and source.format not in _SEVERAL:
        return 1, [f"{n_frames - 1} further pictures in the file left out", *behind]
    return n_frames, behind


def _is_stereo(source: PillowImage.Image, data: bytes) -> bool:
    """Whether an MPO's pictures are views of one scene, and no previews, depth or gain maps of it."""
    if any(mark in data for mark in _MAPS):
        return False
    kinds = set()
    for number in range(getattr(source, "n_frames", 1)):
        source.seek(number)
        # Pillow takes all of them for as large as the first.
        with PillowImage.open(io.BytesIO(data[getattr(source, "offset", 0) :]), formats=["JPEG"]) as view:
            kinds.add((view.size, view.mode))
    source.seek(0)
    return len(kinds) == 1


def _too_large(path: Path, page: PillowImage.Image, n_frames: int, max_pixels: int) -> ImageReadError:
    size = f"{page.width} x {page.height}" + (f" in {n_frames} frames" if n_frames > 1 else "")
    return ImageReadError(f"cannot read {path}: {size} is more than {max_pixels} pixels, the limit max_pixels")


def encode(picture: Picture, file_format: str | None = None) -> bytes:
    """The bytes of a file, without EXIF, XMP, comments, thumbnail and GPS; of the ICC profile the standard tags stay.

    Args:
        picture: what to write.
        file_format: one of Pillow's names; the picture's own when None.

    Raises:
        ImageWriteError: Pillow cannot write that format.
    """
    register()
    own = file_format in (None, picture.format)
    file_format = file_format or picture.format
    frames = [frame for frame in picture.frames if frame.look is None]
    if file_format == "MPO" and len(frames) == 1:
        file_format = "JPEG"
    options = dict(picture.save_options) if own or (picture.format, file_format) == ("MPO", "JPEG") else {}
    if len(frames) == 1 and frames[0].deep is not None and frames[0].deep.ndim == 3 and file_format in {"PNG", "TIFF"}:
        return _deep_file(frames[0], file_format, picture.icc_profile, bool(options.get("compression")))
    if picture.icc_profile:
        options["icc_profile"] = picture.icc_profile
    pages = [_page(frame, file_format) for frame in frames]
    if len(pages) > 1:
        options |= {"save_all": True, "append_images": pages[1:]} | _timing(frames, file_format, options)
        if file_format == "GIF":
            options["disposal"] = 2 if pages[0].mode == "RGBA" else 0
    buffer = io.BytesIO()
    try:
        pages[0].save(buffer, format=file_format, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ImageWriteError(f"cannot write {file_format}: {_reason(error)}") from error
    return buffer.getvalue()


def _timing(frames: Sequence[Frame], file_format: str, options: dict[str, Any]) -> dict[str, Any]:
    """How long each frame of an animation is shown."""
    # The still of an APNG that is no frame of its animation has no time.
    durations = [frame.duration_ms for frame in frames[1 if options.get("default_image") else 0 :]]
    if any(d is None for d in durations):
        return {}
    return {"duration": [round(d or 0) for d in durations] if file_format != "PNG" else durations}


def _deep_file(frame: Frame, file_format: str, profile: bytes | None, packed: bool) -> bytes:
    assert frame.deep is not None
    samples = frame.deep
    if frame.alpha is not None:
        samples = np.concatenate([samples, (frame.alpha[..., None].astype(np.uint16) * 257)], axis=2)
    return deep_colour.png(samples, profile) if file_format == "PNG" else deep_colour.tiff(samples, profile, packed)


def _page(frame: Frame, file_format: str) -> PillowImage.Image:
    if frame.deep is not None and frame.deep.ndim == 2 and file_format in _DEEP_GREY:
        return PillowImage.fromarray(frame.deep)
    plain = frame.plain()
    page = PillowImage.fromarray(luma(plain) if frame.grey else plain)
    if file_format in _BILEVEL:
        return page.convert("1")
    if frame.alpha is not None and file_format not in _OPAQUE:
        page.putalpha(PillowImage.fromarray(frame.alpha))
    return page
