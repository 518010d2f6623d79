"""The command `deid dataset`: real models, exit codes, and what is told."""

import tarfile
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from PIL import ImageCms
from typer.testing import Result

from deid.core.types import Image
from tests.cli.commands import deid, shown


def _dataset(*arguments: object) -> Result:
    return deid("dataset", *arguments, "--method", "solid", "--seed", "1", "--device", "cpu")


@pytest.fixture
def photos(hopper: Image, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    PillowImage.fromarray(hopper[:200]).save(folder / "hopper.jpg", quality=95)
    PillowImage.new("RGB", (64, 48), (90, 120, 90)).save(folder / "meadow.png")
    (folder / "labels.txt").write_text("hopper 1\n")
    return folder


def test_run_failure_resume_and_verify(photos: Path, tmp_path: Path) -> None:
    (photos / "bad [1].png").write_text("no picture")
    result = _dataset(photos, "-o", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 1
    output = shown(result)
    assert "failed: 'bad [1].png': cannot read bad [1].png: not an image of a known format" in output
    assert (
        "2 pictures written, 1 label files carried over, 0 files left out, 1 faces: 1 as requested, 0 covered by fallback; 1 files failed"
        in output
    )

    result = _dataset(photos, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "pass --resume" in shown(result)

    (photos / "bad [1].png").write_bytes((photos / "meadow.png").read_bytes())
    result = _dataset(photos, "-o", tmp_path / "out", "--resume", "--verify", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "verified: every file is there, whole, and passed" in shown(result)

    (tmp_path / "out" / "hopper.jpg").unlink()
    result = _dataset(photos, "-o", tmp_path / "out", "--verify")
    assert result.exit_code == 1
    assert "'hopper.jpg': is missing" in shown(result)


def test_what_is_left_out_of_a_picture_is_named(photos: Path, tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    PillowImage.new("RGB", (64, 48), (90, 120, 90)).save(photos / "lab.png", icc_profile=lab)
    result = _dataset(photos, "-o", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 3, result.output
    assert "note: 'lab.png': colour profile of another colour model left out" in shown(result)


def test_nothing_to_do_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    result = _dataset(tmp_path / "in", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "no picture was written" in shown(result)
    result = _dataset(tmp_path / "nowhere", "-o", tmp_path / "new")
    assert result.exit_code == 2
    assert "which is not there" in shown(result)
    assert not (tmp_path / "new").exists()


def test_what_is_left_out_is_named_and_has_an_exit_code(photos: Path, tmp_path: Path) -> None:
    (photos / "raw [1].dng").write_bytes(b"II*")
    (photos / "fer.csv").write_text("emotion,pixels\n0," + " ".join(str(50 + i % 150) for i in range(900)) + "\n")
    (photos / "secret.txt").symlink_to("/etc/passwd")
    (photos / "hopper.jpg").unlink()
    result = _dataset(photos, "-o", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 3
    output = shown(result)
    assert "left out: 'raw [1].dng': a camera's raw photo is not read" in output
    assert "left out: 'secret.txt': a link that leads out of the data set" in output
    assert "'fer.csv': the label file holds what may be a picture" in output
    assert "3 files left out" in output
    assert output.index("0 files failed; left out: fer.csv, raw [1].dng, secret.txt") > 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["labels.txt", "meadow.png"]

    result = _dataset(photos, "-o", tmp_path / "out", "--verify")
    assert result.exit_code == 3
    assert "whole, and passed; left out: fer.csv, raw [1].dng, secret.txt" in shown(result)


def test_damage_of_a_shard_is_named_in_the_run_itself(photos: Path, tmp_path: Path) -> None:
    shard = tmp_path / "in.tar"
    with tarfile.open(shard, "w") as tar:
        for name in ("a.png", "b.png", "c.png"):
            tar.add(photos / "meadow.png", name)
    data = bytearray(shard.read_bytes())
    data[data.index(b"b.png") + 1] ^= 0x40
    shard.write_bytes(data)
    result = _dataset(shard, "-o", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 1
    assert "the shard is damaged at byte" in shown(result)
