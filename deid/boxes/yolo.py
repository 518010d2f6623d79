"""YOLO's text files: a folder of labels, one file a frame, with scores and tracks as ultralytics writes predictions.

A row is ``class x y w h score track``: centre and size as shares of the frame; the score and, in videos, the track may be absent.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from deid.boxes.types import Box, BoxedFile, BoxedFrame, frame_name, joined, of_frames
from deid.core.errors import DataError
from deid.core.types import LABELS, Detection

_FOLDER, _FILES, _NAMES = "labels", "files.txt", "data.yaml"


def write(files: Sequence[BoxedFile]) -> dict[str, str]:
    """Texts by path within the folder.

    Raises:
        DataError: two files would have one file of labels.
    """
    texts = {_NAMES: f"path: .\nnames:\n{''.join(f'  {i}: {name}' + chr(10) for i, name in enumerate(LABELS))}"}
    listed = []
    for file in files:
        for index, frame in enumerate(file.frames):
            name = frame_name(file.name, index, len(file.frames), file.video)
            place = _place(name)
            if place in texts:
                raise DataError(f"{name} and another file would both have the labels {place}: YOLO's names have no suffix")
            texts[place] = "".join(_row(box, file) for box in frame.boxes)
            listed.append(name)
    texts[_FILES] = "".join(f"{name}\n" for name in listed)
    return texts


def _place(name: str) -> str:
    file, index = joined(name)
    path = PurePosixPath(name) if index is not None else PurePosixPath(file).with_suffix("")
    return f"{_FOLDER}/{path}.txt"


def _row(box: Box, file: BoxedFile) -> str:
    size = np.array(file.size_wh or (1, 1), np.float64)
    low, high = box.detection.box_xyxy[:2] / size, box.detection.box_xyxy[2:] / size
    values = [LABELS.index(box.label), *(float(v) for v in (*((low + high) / 2), *(high - low))), box.detection.score]
    return " ".join(repr(v) for v in values) + (f" {box.track}" if box.track is not None else "") + "\n"


def read(folder: Path) -> list[BoxedFile]:
    """Files of a folder of labels; ``files.txt`` names the pictures, for labels have no suffix.

    Raises:
        DataError: there is no list, or a row makes no sense.
    """
    try:
        names = [line for line in (folder / _FILES).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"expected {_FILES}, a name a line, in the folder of labels {folder}: {error}") from error
    for name in names:
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise DataError(f"expected names below the folder in {_FILES}, got {name}")
    return of_frames([(name, None, BoxedFrame(tuple(_boxes(folder / _place(name))))) for name in names])


def _boxes(path: Path) -> Iterator[Box]:
    if not path.exists():
        # As in YOLO's data sets: a picture without labels has no face.
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the labels {path}: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _box(line.split())
            except (ValueError, IndexError) as error:
                raise DataError(f"{path}, line {number}: expected class, x, y, w, h, score and track, got {line[:80]!r}") from error


def _box(cells: list[str]) -> Box:
    if not 5 <= len(cells) <= 7:
        raise ValueError(f"{len(cells)} cells")
    x, y, w, h = (float(v) for v in cells[1:5])
    score = float(cells[5]) if len(cells) > 5 else 1.0
    if int(cells[0]) < 0 or max(abs(x), abs(y), w, h) > 2:
        raise ValueError("not shares of the frame")
    detection = Detection(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]), score, label=LABELS[int(cells[0])])
    return Box(detection, int(cells[6]) if len(cells) > 6 else None)
