"""What is listed, under which name, and what is never carried over."""

import os
from pathlib import Path
from typing import Any

import pytest

from deid.core.errors import DataError, ImageReadError
from deid.dataset.folders import Folder, Glob, kind_of, read_file
from deid.dataset.sources import open_source


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
    with pytest.raises(DataError, match="lies inside the input"):
        open_source(str(folder), folder / "out")
    source = Folder(folder, folder / "out")
    found = _names(source.items())
    assert found == {
        ".hidden.png": "other", "a.png": "picture", "annotations.json": "label", "b/1.png": "picture", "b/1.xml": "label",
        "b/2.jpg": "picture", "b/2.txt": "label", "b/deep/3.png": "picture", "c d/4\n5.png": "picture", "clip.mp4": "other",
        "loop": "broken", "ж/ü.png": "picture",
    }  # fmt: skip
    assert list(found) == sorted(found, key=lambda n: n.split("/"))
    assert [i.why for i in source.items() if i.kind != "picture" and i.kind != "label"] == [
        "a hidden file",
        "a video; videos are for `deid run`",
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


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", "picture"),
        ("a.mpo", "picture"),
        ("a.mpg", "other"),
        ("a.dng", "other"),
        ("._a.jpg", "other"),
        ("a.webp", "picture"),
        ("a.xml", "label"),
        ("a.npy", "other"),
        ("a", "other"),
        ("a/.b.jpg", "other"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name)[0] == kind


def test_links_of_labels_stay_inside(folder: Path, tmp_path: Path) -> None:
    """A label is copied as it is: a link must not lead to what does not belong to the data set. Pictures are edited, wherever they lie."""
    (tmp_path / "passwd").write_text("root:x:0:0\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "5.txt").write_text("root:x:0:0\n")
    (tmp_path / "p.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "outside.txt").symlink_to(tmp_path / "passwd")
    (folder / "inside.txt").symlink_to(folder / "annotations.json")
    (folder / "more").symlink_to(tmp_path / "more")
    (folder / "p.png").symlink_to(tmp_path / "p.png")
    for source in (open_source(str(folder), tmp_path / "out"), open_source(f"{folder}/**/*.*", tmp_path / "out")):
        items = {item.name: (item.kind, item.why) for item in source.items()}
        assert items["outside.txt"] == ("other", "a link that leads out of the data set")
        assert items["more/5.txt"][0] == "other"
        assert (items["inside.txt"][0], items["p.png"][0]) == ("label", "picture")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageReadError, match="no regular file"):
        read_file(tmp_path / "pipe.jpg")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(ImageReadError, match="3000000000 bytes are more than"):
        read_file(tmp_path / "huge.jpg")
