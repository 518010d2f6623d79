"""`deid check`: a line, a JSON and an exit code."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import Result

from deid.core.types import Detection, Image
from tests.cli.commands import deid, shown


def _check(*arguments: object) -> Result:
    result = deid("check", *arguments)
    assert shown(result)
    return result


@pytest.fixture
def folders(hopper: Image, officer: Detection, astronaut: Image, woman: Detection, tmp_path: Path) -> Path:
    """Two photos, untouched copies, and solid covers."""
    for name, image, face in (("hopper.png", hopper, officer), ("astronaut.png", astronaut, woman)):
        x0, y0, x1, y1 = (round(v) for v in face.box_xyxy)
        covered = image.copy()
        covered[max(0, y0 - 12) : y1 + 12, max(0, x0 - 12) : x1 + 12] = 90
        for folder, pixels in (("before", image), ("copies", image), ("solid", covered)):
            (tmp_path / folder).mkdir(exist_ok=True)
            PillowImage.fromarray(pixels).save(tmp_path / folder / name)
    return tmp_path


def test_untouched_copies_fail(folders: Path) -> None:
    result = _check(folders / "before", folders / "copies", "-o", folders / "r.json")
    assert result.exit_code == 1
    assert "FAILS: 2 photos, 2 faces: 2 exposed, 2 of 2 recognised, 2 found again (recall 100.0%)" in result.output
    report = json.loads((folders / "r.json").read_text())
    assert (report["passed"], report["totals"]["exposed_share"], len(report["reasons"])) == (False, 1.0, 2)
    assert {face["state"] for file in report["files"] for face in file["faces"]} == {"unchanged"}


def test_solid_covers_pass_until_recall_is_asked_for(folders: Path) -> None:
    assert _check(folders / "before", folders / "solid").exit_code == 0
    assert _check(folders / "before", folders / "solid", "--min-recall", 0.9).exit_code == 1


def test_files_that_were_left_out_give_3_and_unreadable_ones_1(folders: Path) -> None:
    extra = folders / "solid" / "extra.png"
    PillowImage.fromarray(np.zeros((40, 40, 3), np.uint8)).save(extra)
    result = _check(folders / "before", folders / "solid", "--detector", "mtcnn")
    assert (result.exit_code, "extra.png" in result.output) == (3, True)
    extra.unlink()
    (folders / "solid" / "hopper.png").write_bytes(b"no picture")
    result = _check(folders / "before", folders / "solid", "--detector", "mtcnn")
    assert (result.exit_code, "hopper.png" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["before", "nowhere"], "nowhere"),
        (["before", "before/hopper.png"], "two files or two folders"),
        (["before", "copies", "--detector", "nobody"], "unknown detector"),
        (["before", "copies", "--recogniser", "nowhere.onnx"], "nowhere.onnx"),
    ],
)
def test_wrong_use_gives_2(arguments: list[str], said: str, folders: Path) -> None:
    result = _check(*(folders / a if a in {"before", "copies", "nowhere", "before/hopper.png"} else a for a in arguments))
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
