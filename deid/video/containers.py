"""Which films are read and written, by their suffixes."""

from pathlib import Path

from deid.imaging.formats import suffix_of

#: Suffixes of the films that are read and written, with FFmpeg's name of the container.
CONTAINERS = {
    ".avi": "avi",
    ".flv": "flv",
    ".m4v": "mp4",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mp4",
    ".mpeg": "mpeg",
    ".mpg": "mpeg",
    ".ts": "mpegts",
    ".webm": "webm",
    ".wmv": "asf",
}


def is_film(path: Path) -> bool:
    """Whether a suffix is that of a film."""
    return suffix_of(path) in CONTAINERS
