"""Files of boxes in and out, in every format."""

import json
from collections.abc import Sequence
from pathlib import Path

from deid.boxes import coco, cvat, plain, yolo
from deid.boxes.types import BoxedFile
from deid.core.errors import ConfigError, DataError
from deid.imaging import atomic

FORMATS = ("json", "coco", "cvat", "yolo")


def format_of(path: Path, given: str | None = None) -> str:
    """The format to write: the given one, or by name: XML is CVAT's, JSON is deid's own, a folder YOLO's.

    Raises:
        ConfigError: there is no such format, or the name is of none.
    """
    if given is not None:
        if given not in FORMATS:
            raise ConfigError(f"expected a format of {', '.join(FORMATS)}, got {given!r}")
        return given
    suffix = path.suffix.lower()
    by_suffix = {".json": "json", ".xml": "cvat", "": "yolo"}
    if suffix not in by_suffix:
        raise ConfigError(f"cannot tell the format of {path}: expected .json, .xml, a folder, or --format {', '.join(FORMATS)}")
    return by_suffix[suffix]


def write(files: Sequence[BoxedFile], path: Path, file_format: str, overwrite: bool = False) -> None:
    """Write boxes: to a file, or for YOLO into a folder.

    Raises:
        ImageWriteError: it exists, or cannot be written.
    """
    if file_format == "yolo":
        for place, text in yolo.write(files).items():
            atomic.write(text.encode(), path / place, overwrite)
        return
    text = {"json": plain.write, "coco": _coco, "cvat": cvat.write}[file_format](files)
    atomic.write(text.encode(), path, overwrite)


def _coco(files: Sequence[BoxedFile]) -> str:
    return json.dumps(coco.write(files)) + "\n"


def read(path: Path) -> dict[str, BoxedFile]:
    """Boxes by the names of their files, from any of the formats: what is in a file says which one it is.

    Raises:
        DataError: it cannot be read, or something in it makes no sense.
    """
    try:
        files = yolo.read(path) if path.is_dir() else _read(path)
    except DataError as error:
        raise DataError(f"cannot use the boxes {path}: {error}") from error
    found = {file.name: file for file in files}
    if len(found) < len(files):
        twice = next(file.name for file in files if sum(file.name == other.name for other in files) > 1)
        raise DataError(f"cannot use the boxes {path}: {twice} is listed twice")
    return found


def _read(path: Path) -> list[BoxedFile]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("expected JSON or XML in UTF-8, or a folder of YOLO's labels") from error
    except OSError as error:
        raise DataError(str(error.strerror)) from error
    if text.lstrip().startswith("<"):
        return cvat.read(text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected JSON: {error}") from error
    if isinstance(data, dict) and data.get("format") == plain.KIND:
        return plain.read(data)
    if isinstance(data, dict) and "annotations" in data:
        return coco.read(data)
    raise DataError("expected deid's own JSON, COCO's, CVAT for images 1.1, or a folder of YOLO's labels")
