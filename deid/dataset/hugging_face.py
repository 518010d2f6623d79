"""Data sets saved to disk by the `datasets` package: the same splits, rows and columns, with new pictures."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deid.core.errors import DataError, DependencyError, ImageReadError
from deid.dataset.folders import private_folder, read_file
from deid.dataset.items import Item
from deid.dataset.labels import why_not_text

#: The name of the only split of a data set that has none.
_ONLY = "all"
#: Text that is too short to hold a picture of somebody, a data URI's beginning included.
_SHORT = 24


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """A folder that `save_to_disk` wrote.

    An item is a cell, called ``split/column/row``. A cell whose picture failed is empty in the output.
    """

    path: Path

    packed = True

    def items(self) -> Iterator[Item]:
        for split, rows in _splits(self.path).items():
            _check_text(rows)
            for column in _image_columns(rows):
                nulls = rows.data.column(column).is_null().to_pylist()
                yield from (Item(f"{split}/{column}/{row}", str(self.path)) for row, null in enumerate(_in_order(nulls, rows)) if not null)

    def read(self, item: Item) -> bytes:
        return _cell(*_parsed(item.name), self.path)

    def pack(self, part: Callable[[str], bytes | None], out: Path) -> None:
        hidden = private_folder(out) / "packing"
        shutil.rmtree(hidden, ignore_errors=True)
        new = {split: _replaced(split, rows, part, hidden) for split, rows in _splits(self.path).items()}
        datasets = _package()
        whole = new[_ONLY] if list(new) == [_ONLY] else datasets.DatasetDict(new)
        whole.save_to_disk(hidden / "new")
        if out.exists():
            shutil.rmtree(out)
        os.replace(hidden / "new", out)
        shutil.rmtree(hidden)

    def outputs(self, out: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for item in HuggingFace(out).items():
            yield item.name, lambda item=item: HuggingFace(out).read(item)  # type: ignore[misc]


def _package() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DependencyError("a Hugging Face data set needs datasets: pip install 'deid-face[dataset]'") from error
    return datasets


@cache
def _splits(path: Path) -> dict[str, Any]:
    """The splits of a data set by name, their pictures not decoded; opened once per process."""
    datasets = _package()
    try:
        whole = datasets.load_from_disk(path)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"cannot read the data set {path}: {error}") from error
    splits = dict(whole) if isinstance(whole, datasets.DatasetDict) else {_ONLY: whole}
    for rows in splits.values():
        _check_columns(rows.features)
    return {split: _undecoded(rows) for split, rows in splits.items()}


def _undecoded(rows: Any) -> Any:
    for column in _image_columns(rows):
        rows = rows.cast_column(column, _package().Image(decode=False))
    return rows


def _image_columns(rows: Any) -> list[str]:
    return [name for name, feature in rows.features.items() if isinstance(feature, _package().Image)]


def _check_columns(features: Any) -> None:
    """Refuse columns that may show a face in a way that is not known here."""
    datasets = _package()
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    if not images:
        raise DataError(f"expected a column of pictures, got {', '.join(features)}")
    for name, feature in features.items():
        if name not in images and not _is_plain(feature):
            raise DataError(f"column {name!r} is {feature}, which may hold pictures; leave it out with remove_columns({name!r})")


def _check_text(rows: Any) -> None:
    """Refuse columns whose cells hold pictures in text or in numbers, however deep."""
    images = _image_columns(rows)
    for name in rows.features:
        if name in images:
            continue
        for chunk in rows.data.column(name).chunks:
            for cell in chunk.to_pylist():
                if why := _why_not_cell(cell):
                    raise DataError(f"column {name!r} holds what may be a picture: {why}; leave it out with remove_columns({name!r})")


def _why_not_cell(cell: Any) -> str:
    """What in a cell may be a picture: most are short and are not looked at."""
    if cell is None or isinstance(cell, int | float | bool):
        return ""
    text = cell if isinstance(cell, str) else json.dumps(cell, default=str, ensure_ascii=False)
    return why_not_text(text) if len(text) >= _SHORT else ""


def _is_plain(feature: Any) -> bool:
    datasets = _package()
    if isinstance(feature, datasets.Value):
        return "binary" not in feature.dtype
    if isinstance(feature, dict):
        return all(_is_plain(f) for f in feature.values())
    if isinstance(feature, list):
        return all(_is_plain(f) for f in feature)
    inner = getattr(feature, "feature", None)
    return isinstance(feature, datasets.ClassLabel) or (inner is not None and _is_plain(inner))


def _in_order(cells: list[bool], rows: Any) -> list[bool]:
    """A column of the table as the rows go: a data set that was shuffled or filtered has an index over its table."""
    index = rows._indices
    return cells if index is None else [cells[i] for i in index.column(0).to_pylist()]


def _parsed(name: str) -> tuple[str, str, int]:
    split, rest = name.split("/", 1)
    column, row = rest.rsplit("/", 1)
    return split, column, int(row)


def _cell(split: str, column: str, row: int, path: Path) -> bytes:
    value = _splits(path)[split][row][column]
    if value["bytes"] is not None:
        return bytes(value["bytes"])
    if value["path"] is None:
        raise ImageReadError(f"cannot read row {row} of {column}: it has neither bytes nor a path")
    return read_file(value["path"])


def _replaced(split: str, rows: Any, part: Callable[[str], bytes | None], folder: Path) -> Any:
    """The rows with the new pictures; every other column as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = _image_columns(rows)

    def change(row: dict[str, Any], index: int) -> dict[str, Any]:
        return {column: _new_cell(row[column], part(f"{split}/{column}/{index}")) for column in columns}

    new = rows.map(
        change,
        with_indices=True,
        features=rows.features,
        cache_file_name=str(folder / f"{split}.arrow"),
        load_from_cache_file=False,
        new_fingerprint=f"deid-{split}",
    )
    for column in columns:
        new = new.cast_column(column, _package().Image())
    return new


def _new_cell(old: dict[str, Any] | None, data: bytes | None) -> dict[str, Any] | None:
    if old is None or data is None:
        return None
    return {"bytes": data, "path": None if old["path"] is None else os.path.basename(old["path"])}
