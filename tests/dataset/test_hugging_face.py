"""Splits, rows and columns stay; only the pictures are new."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.dataset.run import Plan, check
from deid.dataset.sources import open_source

MESSAGES = {
    "base64": "'copy' holds what may be a picture: what looks like a picture in base64",
    "no picture": "expected a column of pictures",
}
datasets = pytest.importorskip("datasets", reason="a Hugging Face data set needs datasets: pip install 'deid-face[dataset]'")


def _png(value: int) -> bytes:
    buffer = io.BytesIO()
    PillowImage.new("RGB", (20, 20), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def _rows(values: list[bytes | None], **columns: Any) -> Any:
    features = datasets.Features({
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["no", "yes"]),
        "boxes": datasets.Sequence(datasets.Sequence(datasets.Value("float32"))),
        "name": datasets.Value("string"),
    } | {name: feature for name, (feature, _) in columns.items()})  # fmt: skip
    data: dict[str, Any] = {
        "image": [None if v is None else {"bytes": v, "path": f"/somewhere/{i}.png"} for i, v in enumerate(values)],
        "label": [i % 2 for i in range(len(values))],
        "boxes": [[[1.0, 2.0, 3.0, 4.0]]] * len(values),
        "name": [f"row {i}" for i in range(len(values))],
    } | {name: data for name, (_, data) in columns.items()}
    return datasets.Dataset.from_dict(data, features=features)


def test_splits(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    train = _rows([_png(10), _png(20), None, _png(30), b"bad"])
    # A data set that was shuffled has an index over its table.
    test = _rows([_png(40), _png(50), _png(60)]).select([2, 0])
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(tmp_path / "in")
    totals = run_here(tmp_path / "in")
    assert (totals.done, totals.failed) == (5, 1)
    new = datasets.load_from_disk(tmp_path / "out")
    assert new["train"].features == train.features
    assert new["train"].remove_columns("image").to_dict() == train.remove_columns("image").to_dict()
    values = [None if p is None else np.asarray(p)[0, 0, 0] for p in new["train"]["image"]]
    assert values == [245, 235, None, 225, None]
    assert [np.asarray(p)[0, 0, 0] for p in new["test"]["image"]] == [195, 215]
    assert new["test"]["name"][:] == ["row 2", "row 0"]
    paths = new["train"].cast_column("image", datasets.Image(decode=False))["image"]
    assert paths[0]["path"] == "0.png"
    assert [p.name for p in check(make_plan(tmp_path / "in", tmp_path / "out"))] == ["train/image/4"]
    assert not (tmp_path / ".out.part").exists()


def test_single_split(run_here: Callable[..., Any], make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    _rows([_png(10), _png(20)]).save_to_disk(tmp_path / "in")
    assert run_here(tmp_path / "in").done == 2
    assert len(datasets.load_from_disk(tmp_path / "out")) == 2
    assert list(check(make_plan(tmp_path / "in", tmp_path / "out"))) == []
    assert not (tmp_path / "out.deid" / "parts").exists()


_HELD = {
    "base64 in a list": (lambda text: [["a", text]], lambda: datasets.Sequence(datasets.Sequence(datasets.Value("string")))),
    "base64 in an object": (lambda text: {"a": {"b": text}}, lambda: {"a": {"b": datasets.Value("string")}}),
    "samples": (lambda _: np.random.default_rng(1).integers(0, 256, (48, 48)).tolist(),
                lambda: datasets.Sequence(datasets.Sequence(datasets.Value("uint8")))),
    "samples as an array": (lambda _: np.zeros((4, 4), np.uint8), lambda: datasets.Array2D((4, 4), "uint8")),
    "a picture in an object": (lambda _: {"a": {"bytes": _png(1), "path": None}}, lambda: {"a": datasets.Image()}),
    "bytes in a list": (lambda _: [_png(1)], lambda: datasets.Sequence(datasets.Value("binary"))),
}  # fmt: skip


@pytest.mark.parametrize(("cell", "feature"), _HELD.values(), ids=_HELD.keys())
def test_nested_columns_that_may_hold_faces_are_refused(cell: Any, feature: Any, tmp_path: Path) -> None:
    held = cell(base64.b64encode(_png(2)).decode())
    _rows([_png(1)], copy=(feature(), [held])).save_to_disk(tmp_path / "in")
    with pytest.raises(DataError, match=r"column 'copy' .* leave it out with remove_columns"):
        list(open_source(str(tmp_path / "in"), tmp_path / "out").items())


@pytest.mark.parametrize("kind", ["binary", "base64", "list of pictures", "no picture"])
def test_columns_that_may_hold_faces_are_refused(kind: str, tmp_path: Path) -> None:
    rows = _rows([_png(1)])
    if kind == "binary":
        rows = _rows([_png(1)], thumbnail=(datasets.Value("binary"), [_png(1)]))
    elif kind == "base64":
        rows = _rows([_png(1), _png(2)], copy=(datasets.Value("string"), [None, base64.b64encode(_png(2)).decode()]))
    elif kind == "list of pictures":
        rows = _rows([_png(1)], views=(datasets.Sequence(datasets.Image()), [[{"bytes": _png(1), "path": None}]]))
    else:
        rows = rows.remove_columns("image")
    rows.save_to_disk(tmp_path / "in")
    with pytest.raises(DataError, match=MESSAGES.get(kind, "may hold pictures; leave it out")):
        list(open_source(str(tmp_path / "in"), tmp_path / "out").items())
