"""File kinds by name: which files are pictures, and why others are left out."""

import os
from pathlib import Path

from PIL import Image as PillowImage

from deid.imaging import plugins

_RAW = ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f"
_VIDEOS = (
    ".3g2 .3gp .asf .dv .f4v .gifv .m1v .m2t .m2ts .m2v .mjpeg .mjpg .mod .mp2 .mp4v .mpe .mpv .mts .mxf .ogm .ogv .qt .rm .rmvb .tod "
    ".divx .vob .y4m"
)
_DOCUMENTS = ".ai .djvu .doc .docx .epub .indd .key .odp .ods .odt .pages .pdf .ppt .pptx .svg .svgz .xcf .xls .xlsx"
_ARCHIVES = ".7z .bz2 .gz .lzma .rar .tar .tbz .tbz2 .tgz .txz .xz .zip .zst"
_ARRAYS = ".arrow .db .feather .h5 .hdf5 .lmdb .mat .mdb .npy .npz .parquet .pickle .pkl .pt .pth .rec .safetensors .sqlite .tfrecord"
_SOUND = ".aac .aif .aiff .flac .m4a .mp3 .ogg .opus .wav .wma"
_WHY = {
    ".heic .heics .heif .heifs .hif": "a HEIC photo needs pillow-heif: pip install 'deid-face[heif]'",
    ".avif .avifs": "an AVIF photo needs a Pillow with AVIF, or pillow-heif: pip install 'deid-face[heif]'",
    _RAW: "a camera's raw photo is not read; export it as TIFF or JPEG",
    _VIDEOS: "a video in a container that is not written; put it into another one: ffmpeg -i FILE -c copy FILE.mkv",
    _DOCUMENTS: "a document, which may hold pictures, is not read",
    _ARCHIVES: "an archive is not opened; unpack it",
    _ARRAYS: "a file of arrays or records, which may hold pictures, is not read",
    _SOUND: "a recording of sound, not a picture",
}
_REASONS = {suffix: why for suffixes, why in _WHY.items() for suffix in suffixes.split()}


def suffix_of(name: str | Path) -> str:
    """The suffix in lower case, with the dot."""
    return os.path.splitext(os.path.basename(name))[1].lower()


def known_suffixes() -> set[str]:
    """Suffixes of the pictures that can be read, lower case, with the dot."""
    return plugins.suffixes()


def is_written(suffix: str) -> bool:
    """Whether pictures of a suffix can be written."""
    return suffix in known_suffixes() and PillowImage.registered_extensions().get(suffix, "") in PillowImage.SAVE


def is_foreign(name: str | Path) -> bool:
    """Whether a suffix is that of files which are known and not read, such as a camera's raw photos.

    Pillow takes some of them for what they are not: of a DNG it would read the thumbnail.
    """
    return suffix_of(name) in _REASONS and suffix_of(name) not in known_suffixes()


def why_not(name: str | Path) -> str:
    """Why a file of that name is not read as a picture, or nothing when it is."""
    base, suffix = os.path.basename(name), suffix_of(name)
    if base.startswith("._"):
        return "macOS's notes about another file, not a picture"
    if suffix in known_suffixes():
        return "" if is_written(suffix) else f"pictures of the kind {suffix} are read and cannot be written; convert it to PNG or TIFF"
    return _REASONS.get(suffix, "a hidden file" if base.startswith(".") else "neither a picture nor a video that is known")
