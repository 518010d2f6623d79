"""`deid find`, and `deid run` with what it wrote: the same output as one run, and clear words for boxes that do not fit."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer import selection
from deid.core.types import Image
from tests.cli.commands import deid, shown


@pytest.fixture
def photos(couple: Image, astronaut: Image, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    PillowImage.fromarray(couple).save(folder / "couple.png")
    PillowImage.fromarray(astronaut[:200]).save(folder / "one.png")
    PillowImage.new("RGB", (64, 48), (90, 120, 90)).save(folder / "meadow.png")
    return folder


METHOD = ["--method", "blur", "--seed", "3"]


@pytest.mark.parametrize(("name", "extra"), [("x.json", []), ("x.json", ["--format", "coco"]), ("x.xml", [])], ids=["json", "coco", "cvat"])
def test_find_and_boxes_are_one_run_byte_for_byte(name: str, extra: list[str], photos: Path, tmp_path: Path) -> None:
    assert deid("find", photos, "-o", tmp_path / name, *extra).exit_code == 0
    assert deid("run", photos, "-o", tmp_path / "once", *METHOD).exit_code == 0
    given = deid("run", photos, "-o", tmp_path / "twice", "--boxes", tmp_path / name, *METHOD)
    assert given.exit_code == 0, shown(given)
    for path in sorted((tmp_path / "once").iterdir()):
        assert path.read_bytes() == (tmp_path / "twice" / path.name).read_bytes(), path.name


def test_find_and_boxes_are_one_run_with_new_faces(photos: Path, tmp_path: Path) -> None:
    method = ["--quality", "fast", "--seed", "3"]
    assert deid("find", photos / "one.png", "-o", tmp_path / "x.json").exit_code == 0
    assert deid("run", photos / "one.png", "-o", tmp_path / "once.png", *method).exit_code == 0
    assert deid("run", photos / "one.png", "-o", tmp_path / "twice.png", "--boxes", tmp_path / "x.json", *method).exit_code == 0
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "twice.png").read_bytes()


def _boxes(path: Path) -> dict[str, list[dict[str, object]]]:
    return {file["file"]: file["frames"][0]["boxes"] for file in json.loads(path.read_text())["files"]}


def test_a_box_that_is_marked_stays_and_one_that_is_drawn_is_covered(photos: Path, tmp_path: Path) -> None:
    assert deid("find", photos, "-o", tmp_path / "x.json").exit_code == 0
    data = json.loads((tmp_path / "x.json").read_text())
    couple = next(file for file in data["files"] if file["file"] == "couple.png")["frames"][0]
    left, right = sorted(couple["boxes"], key=lambda box: box["box_xyxy"][0])[0], [300, 200, 340, 240]
    left["keep"] = True
    couple["boxes"] = [left, *(b for b in couple["boxes"] if b is not left), {"box_xyxy": right}]
    (tmp_path / "x.json").write_text(json.dumps(data))
    done = deid(
        "run",
        photos,
        "-o",
        tmp_path / "out",
        "--boxes",
        tmp_path / "x.json",
        "--report",
        tmp_path / "r.json",
        "--coco",
        tmp_path / "c.json",
        *METHOD,
    )
    assert done.exit_code == 0, shown(done)
    before, after = (np.asarray(PillowImage.open(folder / "couple.png")).astype(int) for folder in (photos, tmp_path / "out"))
    x0, y0, x1, y1 = (round(v) for v in left["box_xyxy"])
    assert np.array_equal(before[y0:y1, x0:x1], after[y0:y1, x0:x1])
    assert np.abs(before[205:235, 305:335] - after[205:235, 305:335]).mean() > 0.5
    report = json.loads((tmp_path / "r.json").read_text())
    faces = [face for file in report["files"] for frame in file["frames"] for face in frame["faces"]]
    assert [face["why"] for face in faces if face["status"] == "kept"] == [["marked to be kept"]]
    assert report["totals"]["kept"] == 1
    assert "1 kept as they are" in shown(done)
    coco = json.loads((tmp_path / "c.json").read_text())
    assert sorted(a["attributes"]["status"] for a in coco["annotations"]).count("kept") == 1
    assert len(coco["annotations"]) == len(faces)


def test_boxes_alone_leave_what_was_deleted_and_say_so(photos: Path, tmp_path: Path) -> None:
    assert deid("find", photos / "one.png", "-o", tmp_path / "x.json").exit_code == 0
    data = json.loads((tmp_path / "x.json").read_text())
    data["files"][0]["frames"][0]["boxes"] = []
    (tmp_path / "x.json").write_text(json.dumps(data))
    # Whoever deletes a box has it covered all the same, where the search of the result finds the face again.
    deid("run", photos / "one.png", "-o", tmp_path / "a.png", "--boxes", tmp_path / "x.json", *METHOD)
    assert (tmp_path / "a.png").read_bytes() != (photos / "one.png").read_bytes()
    told = ["--boxes-only", "--report", tmp_path / "r.json"]
    assert deid("run", photos / "one.png", "-o", tmp_path / "b.png", "--boxes", tmp_path / "x.json", *told, *METHOD).exit_code == 0
    a, b = (np.asarray(PillowImage.open(p)) for p in (photos / "one.png", tmp_path / "b.png"))
    assert np.array_equal(a, b)
    (face,) = json.loads((tmp_path / "r.json").read_text())["files"][0]["frames"][0]["faces"]
    assert (face["status"], face["why"]) == ("kept", ["detected in the result, and none of the given boxes"])


def test_boxes_that_do_not_fit_are_told(photos: Path, tmp_path: Path) -> None:
    assert deid("find", photos, "-o", tmp_path / "x.json").exit_code == 0
    data = json.loads((tmp_path / "x.json").read_text())
    data["files"][0]["size_wh"] = [10, 10]
    (tmp_path / "size.json").write_text(json.dumps(data))
    wrong = data["files"][0]["file"]
    done = deid("run", photos, "-o", tmp_path / "size", "--boxes", tmp_path / "size.json", *METHOD)
    assert done.exit_code == 1
    assert f"the boxes of {wrong} are of 10 x 10 pixels" in shown(done)
    assert len(list((tmp_path / "size").iterdir())) == 2, "one file must not cost the others"
    done = deid("run", photos / "one.png", "-o", tmp_path / "one.png", "--boxes", tmp_path / "x.json", *METHOD)
    assert done.exit_code == 3
    assert "couple.png has boxes in" in shown(done)
    done = deid("run", photos / "one.png", "-o", tmp_path / "two.png", "--boxes-only", *METHOD)
    assert (done.exit_code, "expected --boxes FILE" in shown(done)) == (2, True)
    for file in data["files"]:
        file["file"] = "other/" + file["file"]
    (tmp_path / "other.json").write_text(json.dumps(data))
    done = deid("run", photos, "-o", tmp_path / "none", "--boxes", tmp_path / "other.json", *METHOD)
    assert (done.exit_code, "none of its files is an input" in shown(done)) == (2, True)
    assert not (tmp_path / "none").exists()


def test_find_says_what_it_could_not_read(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_text("no picture")
    (photos / "notes.txt").write_text("left alone")
    done = deid("find", photos, "-o", tmp_path / "x.json")
    assert done.exit_code == 1
    assert "bad.png" in shown(done)
    assert set(_boxes(tmp_path / "x.json")) == {"couple.png", "meadow.png", "one.png"}
    (photos / "bad.png").unlink()
    again = deid("find", photos, "-o", tmp_path / "x.json")
    assert (again.exit_code, "pass --overwrite" in shown(again)) == (2, True)
    assert deid("find", photos, "-o", tmp_path / "x.json", "--overwrite").exit_code == 3
    assert deid("find", photos / "nowhere.png", "-o", tmp_path / "y.json").exit_code == 2
    assert deid("find", photos, "-o", tmp_path / "y.txt").exit_code == 2


def test_keep_only_and_ignore(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The two women are not as far apart as is asked of somebody who surely is another person.
    monkeypatch.setattr(selection, "LOOSE", 1.2)
    (tmp_path / "who").mkdir()
    PillowImage.open(photos / "one.png").save(tmp_path / "who" / "eileen.png")
    couple = photos / "couple.png"
    before = np.asarray(PillowImage.open(couple)).astype(int)
    cases = {
        "keep": (tmp_path / "who", (0, 300), (300, 556)),
        "only": (tmp_path / "who", (300, 556), (0, 300)),
        "ignore": ("0,0,300,300", (0, 300), (300, 556)),
    }
    for option, (value, same, changed) in cases.items():
        out = tmp_path / f"{option}.png"
        done = deid("run", couple, "-o", out, f"--{option}", value, "--report", tmp_path / "r.json", *METHOD)
        assert done.exit_code == 0, shown(done)
        after = np.asarray(PillowImage.open(out)).astype(int)
        assert np.array_equal(before[:, slice(*same)], after[:, slice(*same)]), option
        assert np.abs(before - after)[:, slice(*changed)].sum() > 1000, option
        assert json.loads((tmp_path / "r.json").read_text())["totals"]["kept"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keep", "{}/nowhere"], "expected a folder of reference photos"),
        (["--keep", "{}/in", "--only", "{}/in"], "keep or only, got both"),
        (["--only", "{}/empty"], "found none"),
        (["--keep", "{}/in"], "couple.png: expected one face, it shows 2 faces"),
        (["--ignore", "1,2,3"], "expected a zone"),
        (["--also", "plates"], "plate_model together"),
        (["--also", "cars", "--plate-model", "x.onnx"], "plates"),
        (["--also", "plates", "--plate-model", "{}/nowhere.onnx"], "nowhere.onnx"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], said: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = deid("run", photos, "-o", tmp_path / "out", *[a.format(tmp_path) for a in arguments], *METHOD)
    assert done.exit_code == 2, shown(done)
    assert said in shown(done)
    assert not (tmp_path / "out").exists()


def test_a_detector_that_is_not_there_is_told_once(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with OpenCV 5, for all files and before the first."""
    monkeypatch.delattr(cv2, "CascadeClassifier")
    result = deid("find", photos, "-o", tmp_path / "x.json", "--detector", "mtcnn+haar")
    assert result.exit_code == 2
    assert shown(result).count("pip install 'opencv-python-headless<5'") == 1
    assert not (tmp_path / "x.json").exists()
