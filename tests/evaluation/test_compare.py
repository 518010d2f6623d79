"""The commands on a few real people; skipped where the data is absent."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from deid.check.judges import mtcnn
from deid.detection.scrfd import ScrfdDetector
from evaluation import datasets, methods
from evaluation.cli import app
from evaluation.detectors import SCRFD_FILE
from evaluation.results import Measure, from_json

N = 12


@pytest.fixture
def originals(lfw_data: Path, tmp_path: Path) -> Path:
    datasets.export(datasets.people(datasets.lfw(), N, 2), tmp_path / "originals")
    return tmp_path / "originals"


def _write(originals: Path, outputs: Path, method: methods.Method) -> None:
    detector = mtcnn()
    for path in originals.rglob("*.jpg"):
        image = np.asarray(Image.open(path).convert("RGB"))
        target = (outputs / path.relative_to(originals)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(method(image, detector.detect(image))).save(target)


def _compare(originals: Path, outputs: Path, folder: Path) -> dict[str, list[Measure]]:
    answer = CliRunner().invoke(app, ["compare", str(originals), str(outputs), "-o", str(folder)])
    assert answer.exit_code == 0, answer.output
    assert (folder / "report.html").stat().st_size > 20_000
    lines: dict[str, list[Measure]] = {}
    for m in from_json((folder / "results.json").read_text()).measures:
        lines.setdefault(m.name, []).append(m)
    return lines


def test_the_originals_fail_every_line(originals: Path, tmp_path: Path) -> None:
    lines = _compare(originals, originals, tmp_path / "out")
    judged = [m for rows in lines.values() for m in rows if m.passed is not None]
    assert len(judged) > 20
    assert [m.name for m in judged if m.passed] == []
    assert [m.value for m in lines["recall"]] == [1.0, 1.0]
    assert min(m.value for m in lines["rank 1, another photo"] if m.group == "all") > 0.8
    assert lines["FID"][0].value == pytest.approx(0.0, abs=1e-6)


def test_damaged_outputs_of_a_cover_are_listed_and_counted(originals: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    _write(originals, outputs, methods.solid())
    missing, cut, small = sorted(outputs.rglob("*.png"))[:3]
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:200])
    Image.open(small).resize((100, 100)).save(small)
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(outputs / "extra.png")
    lines = _compare(originals, outputs, tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert sorted(p["kind"] for p in results["problems"]) == ["extra", "missing", "size", "unreadable"]
    assert lines["missing"][0].n == lines["exposed"][0].n == len(results["faces"])
    assert lines["missing"][0].value > 0
    assert max(m.value for m in lines["recall"]) < 0.2
    # One of twelve is the least that a rank 1 over chance can be.
    assert max(m.low for m in lines["rank 1, another photo"]) <= 1 / N


def test_scrfd_agrees_with_mtcnn(lfw_data: Path) -> None:
    scrfd, cascade = ScrfdDetector(lfw_data / SCRFD_FILE), mtcnn()
    for photo in datasets.people(datasets.lfw(), 3, 1):
        image = photo.image()
        a, b = (max(d.detect(image), key=lambda f: f.size) for d in (scrfd, cascade))
        assert a.landmarks is not None
        assert b.landmarks is not None
        assert np.abs(a.landmarks - b.landmarks).max() < 8
    assert scrfd.detect(np.zeros((40, 30, 3), np.uint8)) == []


def test_an_unusable_folder_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    answer = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "a"), "-o", str(tmp_path / "out")])
    assert answer.exit_code == 1
    assert "expected photos" in answer.output
    assert not (tmp_path / "out").exists()


def test_attacks_run_from_the_command_line(originals: Path, tmp_path: Path) -> None:
    names = ("naive", "parrot", "reconstruction", "context")
    only = [word for name in names for word in ("--attack", name)]
    answer = CliRunner().invoke(app, ["attack", str(originals), str(originals), "-o", str(tmp_path / "out"), "--steps", "1", *only])
    assert answer.exit_code == 0, answer.output
    results = from_json((tmp_path / "out" / "results.json").read_text())
    assert tuple(dict.fromkeys(m.section for m in results.measures)) == names
    assert results.find("rank 1, another photo", "dlib_resnet", section="naive").value > 0.6
    assert {m.passed for m in results.measures if m.section == "context"} == {None}
    judged = [m for m in results.measures if m.limit and m.group == "all"]
    assert answer.output.count("; limit: ") == len(judged)
    assert answer.output.count("undecided  ") == sum(m.passed is None for m in judged) > 0
