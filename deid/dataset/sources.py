"""Opening a data set by its kind: a folder, a pattern, a table, a shard, or what the `datasets` package saved."""

import glob
from pathlib import Path

from deid.core.errors import DataError
from deid.dataset.folders import Folder, Glob, fixed_folder
from deid.dataset.hugging_face import HuggingFace
from deid.dataset.items import Source
from deid.dataset.shards import Shards
from deid.dataset.table import Table


def open_source(given: str, out: Path) -> Source:
    """The data set that a path or a pattern names.

    Raises:
        DataError: there is none.
    """
    path = Path(given)
    if path.is_dir():
        if out != path and out.resolve().is_relative_to(path.resolve()):
            raise DataError(f"the output {out} lies inside the input {given}; choose a folder beside it")
        if (path / "dataset_dict.json").is_file() or ((path / "state.json").is_file() and (path / "dataset_info.json").is_file()):
            return HuggingFace(path)
        return Folder(path, out)
    if path.is_file():
        return _of_file(path)
    if path.exists():
        raise DataError(f"cannot read {given}: it is no regular file")
    if glob.has_magic(given):
        found = sorted(glob.glob(given, recursive=True))
        if found and all(f.lower().endswith(".tar") for f in found):
            return Shards(tuple(Path(f) for f in found), fixed_folder(given))
        return Glob(given, out)
    raise DataError(f"expected a folder, a pattern, a table, a shard or a Hugging Face data set, got {given!r}, which is not there")


def _of_file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv", ".parquet"}:
        return Table(path)
    if suffix == ".tar":
        return Shards((path,), path.parent)
    raise DataError(
        f"expected a table (.csv, .tsv, .parquet) or an uncompressed shard (.tar), got {path}; for single pictures there is `deid run`"
    )
