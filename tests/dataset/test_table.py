"""What a table says of its files, and what it must not say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.dataset.items import Item
from deid.dataset.sources import open_source
from deid.dataset.table import Table


def _table(path: Path, text: str) -> list[Item]:
    path.write_text(text, encoding="utf-8-sig")
    source = open_source(str(path), path.parent / "out")
    assert isinstance(source, Table)
    return list(source.items())


def test_csv_with_a_row_per_face(tmp_path: Path) -> None:
    table, two, one = _table(tmp_path / "t.csv", "path,xmin,ymin,xmax,ymax,person\nb.jpg,1,2,3,4,Ann\nsub/a.jpg,,,,,\nb.jpg,5,6,7.5,8,\n")
    assert (table.name, table.kind) == ("t.csv", "label")
    assert (two.name, two.boxes, two.identity) == ("b.jpg", ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.5, 8.0)), "Ann")
    assert (one.name, one.boxes) == ("sub/a.jpg", ())
    assert one.place == str(tmp_path / "sub" / "a.jpg")


def test_tsv_with_boxes_as_json(tmp_path: Path) -> None:
    _, item = _table(tmp_path / "t.tsv", "file_name\tboxes\na b.jpg\t[[1, 2, 3, 4]]\n")
    assert (item.name, item.boxes) == ("a b.jpg", ((1.0, 2.0, 3.0, 4.0),))


@pytest.mark.parametrize("boxes", ['"[[1,2,3]]"', '"[[3,2,1,4]]"', '"[[1,2,nan,4]]"', "here", '"{""a"": 1}"', "7"])
def test_row_whose_boxes_cannot_be_read_is_broken(boxes: str, tmp_path: Path) -> None:
    """Its known face must not be lost."""
    _, item = _table(tmp_path / "t.csv", f"path,boxes\na.jpg,{boxes}\na.jpg,\n")
    assert item.kind == "broken"
    assert "row 1 of the table" in item.why


def test_table_of_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    items = _table(tmp_path / "lists" / "t.csv", f"path\n{tmp_path}/x/a.jpg\n../x/y/b.jpg\n")
    assert [(item.name, item.kind) for item in items] == [("t.csv", "other"), ("a.jpg", "picture"), ("y/b.jpg", "picture")]


def test_table_without_paths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a column path.*columns 'photo;x0'"):
        _table(tmp_path / "t.csv", "photo;x0\na.jpg;1\n")


@pytest.mark.parametrize("row", ["x0,y0,x1,y1\na.jpg,30%,20%,70%,60%", "boxes,width,height\na.jpg,,half,3"])
def test_what_is_no_number_is_shown(row: str, tmp_path: Path) -> None:
    _, item = _table(tmp_path / "t.csv", f"path,{row}\n")
    assert item.kind == "broken"
    assert "row 1 of the table: expected a number, got '" in item.why


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="a Parquet table needs pyarrow: pip install 'deid-face[dataset]'")
    from pyarrow import parquet

    rows = {"path": ["b.jpg", "a.jpg"], "boxes": [[[1.0, 2.0, 3.0, 4.0]], None], "identity": [7, None]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "t.parquet")
    table, a, b = open_source(str(tmp_path / "t.parquet"), tmp_path / "out").items()
    assert (table.name, table.kind) == ("t.parquet", "other")
    assert (a.name, a.boxes, a.identity) == ("a.jpg", (), "")
    assert (b.name, b.boxes, b.identity) == ("b.jpg", ((1.0, 2.0, 3.0, 4.0),), "7")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot read the table"):
        list(open_source(str(tmp_path / "t.parquet"), tmp_path / "out").items())


@pytest.mark.parametrize("header", ["X0,Y0,X1,Y1", "x1,y1,x2,y2", "left,top,right,bottom"])
def test_other_names_of_corners(header: str, tmp_path: Path) -> None:
    _, item = _table(tmp_path / "t.csv", f"Path,{header}\na.jpg,1,2,3,4\n")
    assert (item.boxes, item.rows) == (((1.0, 2.0, 3.0, 4.0),), (1,))


UNKNOWN = {
    "width and height of a box": "path,x,y,w,h\na.jpg,1,2,3,4\n",
    "centre": "path,cx,cy,width,height\na.jpg,1,2,3,4\n",
    "three corners": "path,x0,y0,x1\na.jpg,1,2,3\n",
    "another name": 'path,face_rect\na.jpg,"1 2 3 4"\n',
    "four numbers under any name": 'path,where\na.jpg,"[1, 2, 3, 4]"\n',
    "lists under any name": 'path,people\na.jpg,"[[1, 2, 3, 4]]"\n',
    "more cells than columns": "path,x0,y0,x1,y1\na.jpg,1,2,3,4,5,6,7,8\n",
    "fewer cells than columns": "path,x0,y0,x1,y1\na.jpg,1,2\n",
    "brackets": f"path,boxes\na.jpg,{'[' * 5000}\n",
    "a number": "path,boxes\na.jpg,0\n",
    "too large": f'path,boxes\na.jpg,"[[0,0,1,{10**400}]]"\n',
    "infinite": 'path,boxes\na.jpg,"[[0,0,1,1e999]]"\n',
}


@pytest.mark.parametrize("text", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_row_whose_box_may_be_missed_is_broken(text: str, tmp_path: Path) -> None:
    _, item = _table(tmp_path / "t.csv", text)
    assert item.kind == "broken"
    assert "row 1 of the table" in item.why


def test_columns_that_say_nothing_of_boxes_are_left_alone(tmp_path: Path) -> None:
    _, item = _table(tmp_path / "t.csv", "path,age,split,region,note,width,height\na.jpg,31,train,Europe,x,640,480\n")
    assert (item.kind, item.size) == ("picture", (640, 480))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'boxes' twice"):
        _table(tmp_path / "t.csv", "path,boxes,boxes\na.jpg,,\n")


def test_table_that_is_not_carried_over_is_named(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    first, *_ = _table(tmp_path / "lists" / "t.csv", "path\n../x/a.jpg\n../x/b.jpg\n")
    assert (first.kind, first.why) == ("other", "the table lies outside the folder that its files share")


def _photo(path: Path, size: tuple[int, int], orientation: int = 1) -> None:
    path.parent.mkdir(exist_ok=True)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    PillowImage.fromarray(pixels).save(path, exif=exif.tobytes())


WRONG = {
    "normalised": [0.2, 0.1, 0.4, 0.5],
    "beyond": [110, 5, 150, 45],
    "huge": [0, 0, 1e308, 1e308],
    "for a larger picture": [300, 200, 340, 240],
    "mostly beyond": [-50, 0, 20, 30],
    "a line": [5, 5, 40, 5.5],
}


@pytest.mark.parametrize("box", WRONG.values(), ids=WRONG.keys())
def test_box_that_is_not_of_this_picture_costs_it(box: list[float], run_here: Callable[..., Any], rows_of: Any, tmp_path: Path) -> None:
    _photo(tmp_path / "in" / "a.png", (100, 60))
    _photo(tmp_path / "in" / "b.png", (100, 60))
    cell = json.dumps([[10, 10, 40, 40], box]).replace('"', '""')
    (tmp_path / "in" / "t.csv").write_text(f'path,boxes\nb.png,\na.png,"{cell}"\n')
    totals = run_here(tmp_path / "in" / "t.csv")
    assert (totals.done, totals.failed) == (1, 1)
    ((name, why),) = rows_of("SELECT name, why FROM files WHERE status = 'failed'")
    assert name == "a.png"
    assert "row 2 of the table: the box" in why
    assert not (tmp_path / "out" / "a.png").exists()


def test_box_at_the_border_is_one(run_here: Callable[..., Any], tmp_path: Path) -> None:
    _photo(tmp_path / "in" / "a.png", (100, 60))
    (tmp_path / "in" / "t.csv").write_text('path,boxes\na.png,"[[-10, -4, 40, 40], [70, 30, 110, 70]]"\n')
    assert run_here(tmp_path / "in" / "t.csv").done == 1


@pytest.mark.parametrize(
    ("size", "box", "wanted"),
    [
        ("60,100", "10,20,30,50", [10.0, 20.0, 30.0, 50.0]),  # of the upright picture
        ("100,60", "10,20,30,50", [10.0, 10.0, 40.0, 30.0]),  # of the file's own pixels, which EXIF turns clockwise
        ("640,480", "10,20,30,50", None),
    ],
)
def test_size_of_the_picture_that_boxes_are_of(
    size: str, box: str, wanted: list[float] | None, run_here: Callable[..., Any], rows_of: Any, tmp_path: Path
) -> None:
    _photo(tmp_path / "in" / "a.jpg", (100, 60), orientation=6)
    (tmp_path / "in" / "t.csv").write_text(f"path,width,height,x0,y0,x1,y1\na.jpg,{size},{box}\n")
    totals = run_here(tmp_path / "in" / "t.csv")
    if wanted is None:
        assert totals.failed == 1
        assert (
            "row 1 of the table: its boxes are of a picture of (640, 480)" in rows_of("SELECT why FROM files WHERE status = 'failed'")[0][0]
        )
    else:
        assert wanted in [json.loads(box) for (box,) in rows_of("SELECT box FROM faces")]
