"""Metadata of a file: EXIF with its thumbnail, XMP, IPTC, comments, and data after the picture."""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as PillowImage

from deid.imaging.trailing_data import after_the_end

#: EXIF that says how to show the picture, and nothing of where it comes from.
_HARMLESS = {
    "BitsPerSample", "ColorSpace", "ComponentsConfiguration", "Compression", "ExifImageHeight", "ExifImageWidth", "ExifOffset",
    "ExifVersion", "ExtraSamples", "FillOrder", "FlashPixVersion", "ImageLength", "ImageWidth", "InterColorProfile", "Orientation",
    "PhotometricInterpretation", "PlanarConfiguration", "Predictor", "ResolutionUnit", "RowsPerStrip", "SampleFormat",
    "SamplesPerPixel", "StripByteCounts", "StripOffsets", "SubfileType", "NewSubfileType", "TileByteCounts", "TileLength",
    "TileOffsets", "TileWidth", "XResolution", "YCbCrCoefficients", "YCbCrPositioning", "YCbCrSubSampling", "YResolution",
    "ReferenceBlackWhite", "WhitePoint", "PrimaryChromaticities", "ColorMap", "JPEGTables",
}  # fmt: skip
#: Entries of Pillow's `info` that hold text or bytes of somebody.
_TELLING = {"xmp": "XMP", "XML:com.adobe.xmp": "XMP", "photoshop": "IPTC or Photoshop data", "comment": "a comment"}
_THUMBNAIL = 0x0201


def left_in(path: Path) -> tuple[str, ...]:
    """Metadata left in a picture, by name; nothing for a file of another kind.

    Examples:
        >>> left_in(Path("from-a-phone.jpg"))
        ('EXIF: GPSInfo, Make, Model',)
    """
    try:
        with PillowImage.open(path) as picture:
            return tuple(dict.fromkeys(_told(picture, path)))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        # Whether it can be read at all is checked elsewhere.
        return ()


def _told(picture: PillowImage.Image, path: Path) -> Iterator[str]:
    yield from _exif(picture)
    for key, words in _TELLING.items():
        if picture.info.get(key):
            yield words
    texts = getattr(picture, "text", None)
    if isinstance(texts, dict) and (names := sorted(set(texts) - set(_TELLING))):
        yield f"text: {', '.join(names)}"
    if picture.format in {"JPEG", "MPO"}:
        yield from _beyond(path.read_bytes(), getattr(picture, "n_frames", 1) - 1)
    elif n := after_the_end(path.read_bytes(), picture.format or ""):
        yield f"{n} bytes after the picture"


def _beyond(data: bytes, n_more: int) -> Iterator[str]:
    """What follows a JPEG's picture, and what the further pictures tell that its index names."""
    n = after_the_end(data)
    rest = data[len(data) - n :] if n else b""
    begin = rest.find(b"\xff\xd8\xff")
    if n_more and 0 <= begin == len(rest) - len(rest.lstrip(b"\0")):
        with PillowImage.open(io.BytesIO(rest)) as further:
            yield from _exif(further)
        yield from _beyond(rest[begin:], n_more - 1)
    elif n:
        yield f"{n} bytes after the picture"


def _exif(picture: PillowImage.Image) -> Iterator[str]:
    exif = picture.getexif()
    tags = {*exif, *exif.get_ifd(ExifTags.IFD.Exif)} if exif else set()
    names = {ExifTags.TAGS.get(tag, f"0x{tag:04x}") for tag in tags} - _HARMLESS
    if names:
        yield f"EXIF: {', '.join(sorted(names))}"
    if exif and _THUMBNAIL in exif.get_ifd(ExifTags.IFD.IFD1):
        yield "EXIF thumbnail"
