"""How a file was compressed and timed, so that the same kind of file is written again."""

from typing import Any

from PIL import Image as PillowImage
from PIL import JpegImagePlugin


def save_options_of(source: PillowImage.Image, file_format: str, n_frames: int) -> dict[str, Any]:
    """How the file was compressed and timed, as far as Pillow tells."""
    options: dict[str, Any] = {}
    if file_format in {"JPEG", "MPO"}:
        tables = getattr(source, "quantization", None)
        # CMYK files have other tables than the RGB that is written.
        options = {"qtables": tables, "subsampling": _subsampling(source)} if tables and source.mode in {"RGB", "L"} else {"quality": 95}
    elif file_format == "WEBP":
        options = {"quality": 95} if _is_lossy_webp(source) else {"lossless": True}
    elif file_format in {"AVIF", "HEIF"}:
        options = {"quality": 90}
    elif file_format == "TIFF":
        compression = source.info.get("compression")
        options = {"compression": compression} if compression in {"tiff_lzw", "tiff_adobe_deflate", "packbits"} else {}
    elif file_format == "ICO":
        options = {"sizes": [source.size]}
    if n_frames > 1:
        options["save_all"] = True
        if getattr(source, "default_image", False) or source.info.get("default_image"):
            options["default_image"] = True
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
