"""Boxes come back from every format as they went in, and what other tools write is understood or refused."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from deid.boxes import coco, cvat, files
from deid.boxes.types import Box, BoxedFile, BoxedFrame, View
from deid.core.errors import ConfigError, DataError
from deid.core.types import Detection

SIZE = (401, 299)


def _detection(rng: np.random.Generator, label: str = "face") -> Detection:
    low = rng.uniform(0, 200, 2)
    high = low + rng.uniform(10, 80, 2)
    return Detection(np.concatenate([low, high]), float(rng.uniform()), rng.uniform(low, high, (5, 2)), "mtcnn", label)


@pytest.fixture
def boxed() -> list[BoxedFile]:
    """A picture, one without a face, an animation and a video."""
    rng = np.random.default_rng(0)
    still = BoxedFrame((Box(_detection(rng)), Box(_detection(rng, "license_plate"), keep=True)))
    moving = [BoxedFrame((Box(_detection(rng), 3, "filled"),), i / 25, {3: (View(i, _detection(rng)),)}) for i in range(4)]
    return [
        BoxedFile("a/b.jpg", SIZE, (still,)),
        BoxedFile("empty.png", SIZE, (BoxedFrame(),)),
        BoxedFile("c.gif", SIZE, (BoxedFrame((Box(_detection(rng)),)), BoxedFrame())),
        BoxedFile("d.mp4", SIZE, tuple(moving), True),
    ]


def _same(a: Box, b: Box, exact: bool) -> bool:
    close = np.array_equal if exact else np.allclose
    points = not exact or np.array_equal(a.detection.landmarks, b.detection.landmarks)  # type: ignore[arg-type]
    facts = [(x.detection.score, x.label, x.track) for x in (a, b)]
    return bool(close(a.detection.box_xyxy, b.detection.box_xyxy)) and points and facts[0] == facts[1]


@pytest.mark.parametrize(
    ("name", "file_format", "exact"), [("x.json", "json", True), ("x.json", "coco", True), ("x.xml", "cvat", True), ("x", "yolo", False)]
)
def test_round_trip(name: str, file_format: str, exact: bool, boxed: list[BoxedFile], tmp_path: Path) -> None:
    files.write(boxed, tmp_path / name, file_format)
    back = files.read(tmp_path / name)
    assert list(back) == [file.name for file in boxed]
    for file in boxed:
        again = back[file.name].sized(SIZE)
        assert again.video == file.video
        for before, after in zip(file.frames, again.frames, strict=True):
            assert all(_same(a, b, exact) for a, b in zip(before.boxes, after.boxes, strict=True))
            assert not exact or [(a.state, a.keep) for a in before.boxes] == [(b.state, b.keep) for b in after.boxes]


def test_views_and_times_come_back_from_json(boxed: list[BoxedFile], tmp_path: Path) -> None:
    files.write(boxed, tmp_path / "x.json", "json")
    frame = files.read(tmp_path / "x.json")["d.mp4"].frames[2]
    assert frame.time_s == 2 / 25
    assert frame.views is not None
    assert [v.frame for v in frame.views[3]] == [2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_coco_is_what_its_own_tools_read(boxed: list[BoxedFile], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api = pytest.importorskip("pycocotools.coco", reason="pycocotools comes with the extra dev")
    from pycocotools.cocoeval import COCOeval

    files.write(boxed, tmp_path / "x.json", "coco")
    truth = api.COCO(str(tmp_path / "x.json"))
    assert sorted(c["name"] for c in truth.loadCats(truth.getCatIds())) == ["face", "license_plate"]
    assert len(truth.getImgIds()) == 8
    for annotation in truth.loadAnns(truth.getAnnIds()):
        assert truth.annToMask(annotation).sum() == pytest.approx(annotation["area"], rel=0.15)
    # As detections, measured against themselves, they are all found.
    results = [{k: a[k] for k in ("image_id", "category_id", "bbox", "score")} for a in truth.loadAnns(truth.getAnnIds())]
    judge = COCOeval(truth, truth.loadRes(results), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1.0)
    capsys.readouterr()


def test_cvat_has_the_fields_of_its_format(boxed: list[BoxedFile], tmp_path: Path) -> None:
    files.write(boxed, tmp_path / "x.xml", "cvat")
    root = ET.parse(tmp_path / "x.xml").getroot()
    assert root.tag == "annotations"
    assert [child.tag for child in root][:2] == ["version", "meta"]
    assert root.findtext("version") == "1.1"
    task = root.find("meta/task")
    assert task is not None
    assert {child.tag for child in task} >= {
        "id",
        "name",
        "size",
        "mode",
        "overlap",
        "bugtracker",
        "created",
        "updated",
        "start_frame",
        "stop_frame",
        "labels",
    }
    declared = {a.findtext("name"): a.findtext("input_type") for a in task.findall("labels/label/attributes/attribute")}
    assert set(declared.values()) <= {"text", "number", "select", "radio", "checkbox"}
    names = {label.findtext("name") for label in task.findall("labels/label")}
    images = root.findall("image")
    assert [image.get("id") for image in images] == [str(i) for i in range(8)]
    for image in images:
        assert set(image.attrib) == {"id", "name", "width", "height"}
        for box in image.findall("box"):
            assert set(box.attrib) == {"label", "source", "occluded", "xtl", "ytl", "xbr", "ybr", "z_order"}
            assert box.get("label") in names
            assert {a.get("name") for a in box.findall("attribute")} == set(declared)


def _cvat(inside: str) -> str:
    return f'<annotations><version>1.1</version><image id="0" name="a.jpg" width="100" height="80">{inside}</image></annotations>'


@pytest.mark.parametrize(
    ("inside", "box"),
    [
        ('<box label="face" xtl="10" ytl="20" xbr="30" ybr="40"/>', [10, 20, 30, 40]),
        ('<box label="face" xtl="10" ytl="20" xbr="30" ybr="40" rotation="90"/>', [10, 20, 30, 40]),
        ('<box label="face" xtl="10" ytl="20" xbr="30" ybr="40" rotation="45"/>', [5.858, 15.858, 34.142, 44.142]),
        ('<polygon label="face" points="10,20;30,25;15,40"/>', [10, 20, 30, 40]),
        ('<ellipse label="face" cx="20" cy="30" rx="10" ry="5"/>', [10, 25, 30, 35]),
        ('<mask label="face" rle="1" left="10" top="20" width="20" height="20"/>', [10, 20, 30, 40]),
    ],
)
def test_whatever_is_drawn_in_cvat_is_a_box(inside: str, box: list[float]) -> None:
    (file,) = cvat.read(_cvat(inside))
    assert file.frames[0].boxes[0].detection.box_xyxy == pytest.approx(box, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_cvat('<box label="car" xtl="1" ytl="2" xbr="3" ybr="4"/>'), "a.jpg: expected the label face or license_plate, got 'car'"),
        (_cvat('<box label="face" xtl="9" ytl="2" xbr="9" ybr="4"/>'), "a.jpg: expected a finite, non-empty box"),
        (_cvat('<skeleton label="face"/>'), "a.jpg: expected a box, polygon"),
        ("<annotations><track/></annotations>", "export it as 'CVAT for images 1.1'"),
        ("<annotations><image", "expected XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>", "without entities"),
    ],
)
def test_what_cvat_cannot_mean_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(DataError, match=r"x\.xml") as error:
        files.read(tmp_path / "x.xml")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"annotations": [{"id": 7, "image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "annotation 7 is of the image 9"),
        ({"annotations": [{"id": 7, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4]}]}, "annotation 7 of a.jpg is of a category"),
        ({"annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, -3, 4]}]}, "annotation 7 of a.jpg: expected a finite"),
        ({"annotations": [{"id": 7}]}, "image_id"),
        ({"images": []}, "image 1"),
    ],
)
def test_what_coco_cannot_mean_is_refused(change: dict[str, object], said: str) -> None:
    whole = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "Face"}, {"id": 5, "name": "car"}],
    }
    assert coco.read(whole)[0].n_boxes == 1
    with pytest.raises(DataError) as error:
        coco.read(whole | change)
    assert said in str(error.value)


def test_coco_boxes_come_back_to_the_last_bit_unless_somebody_moved_them() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(-10, 4000, (2000, 2, 2)), axis=1).reshape(-1, 4)
    written = coco.write([BoxedFile("a.jpg", (4000, 4000), (BoxedFrame(tuple(Box(Detection(c)) for c in corners)),))])
    written["annotations"][0]["bbox"][0] += 5
    back = coco.read(written)[0].frames[0].boxes
    assert np.array_equal([b.detection.box_xyxy for b in back[1:]], corners[1:])
    assert back[0].detection.box_xyxy == pytest.approx(corners[0] + [5, 0, 5, 0])


def test_boxes_of_another_size_are_refused(boxed: list[BoxedFile]) -> None:
    with pytest.raises(DataError, match=r"boxes of a/b.jpg are of 401 x 299 pixels, the file has 299 x 401"):
        boxed[0].sized((299, 401))
    beyond = BoxedFile("a.jpg", (100, 80), (BoxedFrame((Box(Detection(np.array([200.0, 10, 220, 30]))),)),))
    with pytest.raises(DataError, match=r"\[200, 10, 220, 30\] of a.jpg lies beyond"):
        beyond.sized((100, 80))


@pytest.mark.parametrize(
    "content", ["", "hello", "{}", "[1]", '{"format": "deid boxes", "version": 9}', '{"format": "deid boxes", "version": 1}']
)
def test_files_of_no_format_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match=r"x\.json"):
        files.read(tmp_path / "x.json")


def test_a_video_without_tracks_in_json_is_refused(boxed: list[BoxedFile], tmp_path: Path) -> None:
    files.write(boxed, tmp_path / "x.json", "json")
    data = json.loads((tmp_path / "x.json").read_text())
    del data["files"][3]["frames"][1]["boxes"][0]["track"]
    (tmp_path / "x.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"d.mp4, frame 1: expected a track"):
        files.read(tmp_path / "x.json")


def test_yolo_rows_without_score_and_track(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "files.txt").write_text("a.jpg\nb.jpg\n")
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.1 0.1 0.7\n")
    found = files.read(tmp_path)
    a = found["a.jpg"].sized((100, 50))
    assert a.frames[0].boxes[0].detection.box_xyxy == pytest.approx([40, 15, 60, 35])
    assert [(b.label, b.detection.score) for b in a.frames[0].boxes] == [("face", 1.0), ("license_plate", 0.7)]
    assert found["b.jpg"].n_boxes == 0
    (tmp_path / "labels" / "a.txt").write_text("0 40 15 20 20\n")
    with pytest.raises(DataError, match=r"a.txt, line 1"):
        files.read(tmp_path)


def test_yolo_labels_of_two_files_must_differ(tmp_path: Path) -> None:
    twins = [BoxedFile(name, SIZE, (BoxedFrame(),)) for name in ("a.jpg", "a.png")]
    with pytest.raises(DataError, match=r"a.png and another file"):
        files.write(twins, tmp_path / "x", "yolo")


@pytest.mark.parametrize(
    ("name", "given", "chosen"), [("x.json", None, "json"), ("x.xml", None, "cvat"), ("x", None, "yolo"), ("x.json", "coco", "coco")]
)
def test_formats_by_name(name: str, given: str | None, chosen: str) -> None:
    assert files.format_of(Path(name), given) == chosen


@pytest.mark.parametrize(("name", "given"), [("x.txt", None), ("x.json", "voc")])
def test_formats_that_are_none(name: str, given: str | None) -> None:
    with pytest.raises(ConfigError, match="format"):
        files.format_of(Path(name), given)
