"""What is listed, under which name, and what is never carried over."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from deid.dataset.sources import Folder, Glob, Item, Table, check_label, kind_of, open_source, read_file
from deid.exceptions import DataError, ImageReadError


def _names(items: Any) -> dict[str, str]:
    return {item.name: item.kind for item in items}


def test_folder(folder: Path) -> None:
    (folder / "clip.mp4").write_bytes(b"x")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "out").mkdir()
    (folder / "out" / "old.png").write_bytes(b"x")
    (folder / "out.deid" / "parts").mkdir(parents=True)
    (folder / "out.deid" / "parts" / "old.png").write_bytes(b"x")
    (folder / "loop").symlink_to(folder)
    source = open_source(str(folder), folder / "out")
    assert isinstance(source, Folder)
    found = _names(source.items())
    assert found == {
        ".hidden.png": "other", "a.png": "picture", "annotations.json": "label", "b/1.png": "picture", "b/1.xml": "label",
        "b/2.jpg": "picture", "b/2.txt": "label", "b/deep/3.png": "picture", "c d/4\n5.png": "picture", "clip.mp4": "other",
        "loop": "broken", "ж/ü.png": "picture",
    }  # fmt: skip
    assert list(found) == sorted(found, key=lambda n: n.split("/"))
    assert [i.why for i in source.items() if i.kind != "picture" and i.kind != "label"] == [
        "a hidden file",
        "neither a picture nor a label file that is known",
        "the link leads back to a folder that holds it",
    ]


def test_glob_keeps_the_tree_below_its_fixed_part(folder: Path) -> None:
    source = open_source(f"{folder}/b/**/*.png", folder / "out")
    assert isinstance(source, Glob)
    assert list(_names(source.items())) == ["1.png", "deep/3.png"]
    (folder / "b.deid").mkdir()
    (folder / "b.deid" / "old.png").write_bytes(b"x")
    assert list(_names(open_source(f"{folder}/*/*.*", folder / "b").items())) == ["c d/4\n5.png", "ж/ü.png"]


@pytest.mark.parametrize("given", ["nothing", "nothing.csv", "photo.png", "shard.tar.gz"])
def test_what_is_no_data_set_is_refused(given: str, tmp_path: Path) -> None:
    if not given.startswith("nothing"):
        (tmp_path / given).write_bytes(b"x")
    with pytest.raises(DataError, match="expected a"):
        open_source(str(tmp_path / given), tmp_path / "out")


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
    assert [item.name for item in items] == ["a.jpg", "y/b.jpg"]


def test_table_without_paths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a column path"):
        _table(tmp_path / "t.csv", "photo\na.jpg\n")


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="a Parquet table needs pyarrow: pip install 'deid-face[dataset]'")
    from pyarrow import parquet

    rows = {"path": ["b.jpg", "a.jpg"], "boxes": [[[1.0, 2.0, 3.0, 4.0]], None], "identity": [7, None]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "t.parquet")
    a, b = open_source(str(tmp_path / "t.parquet"), tmp_path / "out").items()
    assert (a.name, a.boxes, a.identity) == ("a.jpg", (), "")
    assert (b.name, b.boxes, b.identity) == ("b.jpg", ((1.0, 2.0, 3.0, 4.0),), "7")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot read the table"):
        list(open_source(str(tmp_path / "t.parquet"), tmp_path / "out").items())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.JPG", "picture"), ("a.webp", "picture"), ("a.xml", "label"), ("a.npy", "other"), ("a", "other"), ("a/.b.jpg", "other")],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name)[0] == kind


@pytest.mark.parametrize(
    "text",
    ["", "0 0.5 0.5 0.1 0.1\n", '{"segmentation": {"counts": "' + "0`^f1;>" * 300 + '"}}', "ж\n", "/9j/x", ",".join(["12345"] * 500)],
    ids=["empty", "yolo", "coco rle", "non-ascii", "a path", "numbers"],
)
def test_labels_that_are_carried(text: str) -> None:
    assert check_label(text.encode()) == ""


@pytest.mark.parametrize("wrap", [False, True])
def test_labels_that_hold_pictures_are_not_carried(wrap: bool, folder: Path) -> None:
    """As LabelMe writes them."""
    for name in ("a.png", "b/2.jpg"):
        data = (folder / name).read_bytes()
        text = base64.encodebytes(data) if wrap else base64.b64encode(data)
        assert "base64" in check_label(b'{"imageData": "' + text + b'"}')
        assert "UTF-8" in check_label(data)
    assert "zero bytes" in check_label(b"P6\n\0\0")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageReadError, match="no regular file"):
        read_file(tmp_path / "pipe.jpg")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(ImageReadError, match="3000000000 bytes are more than"):
        read_file(tmp_path / "huge.jpg")
