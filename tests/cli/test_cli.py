"""The command: exit code 0 only when every input was handled, and a message for what was not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from safetensors.numpy import save_file

from deid import __version__, weights
from deid.anonymizer.engine import Anonymizer
from deid.cli import flags
from deid.cli.results import closing_line
from deid.core.errors import DependencyError
from deid.core.options import Options
from deid.core.seeds import seed_of
from deid.core.types import Image
from deid.detection import DETECTORS
from deid.editing.portraits import Portraits
from tests.cli.commands import deid, shown

FAST = ["--method", "solid", "--seed", "1"]


@pytest.fixture
def photo(hopper: Image, tmp_path: Path) -> Path:
    path = tmp_path / "in" / "hopper.jpg"
    path.parent.mkdir()
    PillowImage.fromarray(hopper[:200]).save(path, quality=95, comment=b"MARKER")
    return path


@pytest.fixture
def bad(photo: Path) -> Path:
    """The folder with the good photo and what may lie beside it."""
    folder = photo.parent
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    (folder / "half.jpg").write_bytes(photo.read_bytes()[:3000])
    (folder / "loop").symlink_to(folder)
    PillowImage.new("RGB", (64, 48), (90, 120, 90)).save(folder / "meadow.png")
    (folder / "notes.txt").write_text("left alone")
    return folder


def test_one_photo(photo: Path, tmp_path: Path) -> None:
    result = deid("run", photo, "-o", tmp_path / "out.jpg", *FAST)
    assert result.exit_code == 0, result.output
    assert "1 files written (0 without a face), 1 faces: 1 as requested, 0 covered by fallback; 0 files failed" in shown(result)
    data = (tmp_path / "out.jpg").read_bytes()
    assert b"MARKER" not in data
    with PillowImage.open(tmp_path / "out.jpg") as out:
        assert (out.format, out.size) == ("JPEG", (256, 200))


def test_good_files_are_done_although_others_are_bad(bad: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = deid("run", bad, bad / "missing.jpg", "-o", out, "--report", tmp_path / "run.json", *FAST)
    assert result.exit_code == 1
    output = shown(result)
    for name, reason in {
        "empty.jpg": "the file is empty",
        "text.png": "not an image of a known format",
        "half.jpg": "truncated",
        "loop": "leads back",
        "missing.jpg": "No such file",
    }.items():
        assert name in output
        assert reason.lower() in output.lower()
    assert (
        "2 files written (1 without a face), 1 faces: 1 as requested, 0 covered by fallback; 5 files failed; 1 files left out: notes.txt"
        in output
    )
    assert sorted(p.name for p in out.rglob("*")) == ["hopper.jpg", "meadow.png"]

    report = json.loads((tmp_path / "run.json").read_text())
    assert report["deid"] == __version__
    assert report["totals"] == {"files": 8, "failed": 5, "left_out": 1, "faces": 1, "edited": 1, "fallback": 0, "kept": 0}
    assert report["options"]["method"] == "solid"
    assert report["weights"]["attgan"] == weights.entry("attgan").sha256
    files = {Path(f["input"]).name: f for f in report["files"]}
    assert files["empty.jpg"]["status"] == "failed"
    assert "the file is empty" in files["empty.jpg"]["error"]
    assert files["meadow.png"]["frames"][0]["faces"] == []
    (face,) = files["hopper.jpg"]["frames"][0]["faces"]
    assert (face["method"], face["status"]) == ("solid", "passed")
    assert face["distances"][0]["embedder"] == "dlib_resnet"
    assert set(face) >= {"box_xyxy", "landmarks", "score", "seed", "redetected", "iou", "gender_before", "gender_after", "realism", "why"}


def test_report_names_the_fallback(photo: Path, tmp_path: Path) -> None:
    """Methods that leave one colour at last: whatever happened is told in numbers that agree."""
    result = deid("run", photo, "-o", tmp_path / "out", "--method", "pixelate", "--seed", "3", "--report", tmp_path / "run.json")
    assert result.exit_code == 0
    report = json.loads((tmp_path / "run.json").read_text())
    faces = [face for file in report["files"] for frame in file["frames"] for face in frame["faces"]]
    assert report["totals"]["fallback"] == sum(f["status"] == "fallback" for f in faces)
    assert f"{report['totals']['edited']} as requested, {report['totals']['fallback']} covered by fallback" in shown(result)


@pytest.mark.parametrize(
    ("edited", "where", "expected"),
    [
        (1, "--report FILE", "3 faces: 1 as requested, 2 covered by fallback (why: --report FILE); 0 files failed"),
        (3, "--report FILE", "3 faces: 3 as requested, 0 covered by fallback; 0 files failed"),
        (1, "", "3 faces: 1 as requested, 2 covered by fallback; 0 files failed"),
    ],
)
def test_the_last_line_says_where_the_reasons_are(edited: int, where: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = SimpleNamespace(source=Path("a.jpg"), error="", n_faces=3, n_edited=edited, n_kept=0, failed=False, left_out=False)
    closing_line([file], where)
    assert expected in " ".join("".join(capsys.readouterr()).split())


def test_nothing_is_replaced_without_overwrite(photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    in_place = deid("run", photo.parent, "-o", photo.parent, *FAST)
    assert in_place.exit_code == 2
    assert "is an input; pass --overwrite" in shown(in_place)
    assert photo.read_bytes() == before
    replaced = deid("run", photo.parent, "-o", photo.parent, "--overwrite", *FAST)
    assert replaced.exit_code == 0, replaced.output
    assert photo.read_bytes() != before
    assert [p.name for p in photo.parent.iterdir()] == ["hopper.jpg"]


def test_same_seed_same_files(photo: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        assert deid("run", photo, "-o", tmp_path / name, "--method", "blur", "--seed", "5").exit_code == 0
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()


def test_portraits_of_ones_own_stand_in_and_are_named_for_debugging_only(
    photo: Path, tmp_path: Path, bank: Portraits, bank_of: Callable[..., dict[str, Any]]
) -> None:
    own = np.flatnonzero((bank.male == 0) & ~bank.child)[:6].tolist()
    save_file(bank_of(own), tmp_path / "own.safetensors")
    seen = {}
    for flag in ((), ("--debug",)):
        line = ["--portraits", tmp_path / "own.safetensors", "--seed", 1, "--quality", "fast", "--overwrite", *flag]
        result = deid("run", photo, "-o", tmp_path / "o.jpg", "--report", tmp_path / "r.json", *line)
        assert result.exit_code == 0, result.output
        report = json.loads((tmp_path / "r.json").read_text())
        assert report["options"]["portraits"] == str(tmp_path / "own.safetensors")
        (seen[flag],) = report["files"][0]["frames"][0]["faces"]
        assert [path.name for path in (tmp_path / "r.faces").glob("*")] == ["o.jpg.png"] * len(flag)
    assert "portraits" not in seen[()]
    assert seen[()] | {"portraits": seen[("--debug",)]["portraits"]} == seen[("--debug",)]
    numbers = seen[("--debug",)]["portraits"]
    assert bool(numbers) == (seen[()]["method"] == "attgan")
    assert all(0 <= i < 12 for i in numbers)


def test_debug_without_a_report_is_wrong_use(photo: Path, tmp_path: Path) -> None:
    result = deid("run", photo, "-o", tmp_path / "o.jpg", "--method", "blur", "--debug")
    assert result.exit_code == 2
    assert "--report" in result.output
    assert not (tmp_path / "o.jpg").exists()


def test_the_seed_of_the_report_repeats_a_file(hopper: Image, tmp_path: Path) -> None:
    PillowImage.fromarray(hopper[:200]).save(tmp_path / "in.png")
    result = deid("run", tmp_path / "in.png", "-o", tmp_path / "o.png", "--quality", "fast", "--seed", 7, "--report", tmp_path / "r.json")
    assert result.exit_code == 0, result.output
    seed = json.loads((tmp_path / "r.json").read_text())["files"][0]["frames"][0]["seed"]
    assert seed == seed_of(7, 0) != 7
    again = Anonymizer(Options(quality="fast", seed=seed)).process(np.ascontiguousarray(hopper[:200]))
    with PillowImage.open(tmp_path / "o.png") as written:
        np.testing.assert_array_equal(again.image, np.asarray(written))


def test_options_of_the_line_reach_the_run(photo: Path, tmp_path: Path) -> None:
    result = deid("run", photo, "-o", tmp_path / "o.jpg", "--reach", "head", "--stand-in", "none", "--report", tmp_path / "r.json", *FAST)
    assert result.exit_code == 0, result.output
    options = json.loads((tmp_path / "r.json").read_text())["options"]
    assert (options["reach"], options["stand_in"], options["portraits"]) == ("head", "none", None)


def test_banks_have_a_command(tmp_path: Path) -> None:
    assert "Make a bank of portraits" in shown(deid("portraits", "--help"))
    (tmp_path / "none").mkdir()
    result = deid("portraits", "build", tmp_path / "none", "-o", tmp_path / "bank.safetensors")
    assert result.exit_code == 1
    assert "expected pictures with exactly one usable face, got none" in shown(result)


def test_options_from_a_file_and_from_the_line(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text('method = "solid"\nsolid_rgb = [9, 200, 9]\nseed = 4\n')
    result = deid(
        "run", photo, "-o", tmp_path / "o.png", "--config", tmp_path / "options.toml", "--report", tmp_path / "r.json", "--seed", 8
    )
    assert result.exit_code == 0, result.output
    with PillowImage.open(tmp_path / "o.png") as out:
        assert out.format == "PNG"
        assert (np.asarray(out) == (9, 200, 9)).all(axis=2).mean() > 0.1
    options = json.loads((tmp_path / "r.json").read_text())["options"]
    assert (options["method"], options["seed"], options["solid_rgb"]) == ("solid", 8, [9, 200, 9])


def test_output_that_cannot_be_written(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = deid("run", photo, "-o", tmp_path / "file", *FAST)
    assert result.exit_code == 2
    assert "Not a directory" in shown(result)
    assert (tmp_path / "file").read_text() == "in the way"


def test_report_that_cannot_be_written(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = deid("run", photo, "-o", tmp_path / "out", "--report", tmp_path / "file" / "run.json", *FAST)
    assert result.exit_code == 2
    assert "run.json: Not a directory" in shown(result)


def test_files_that_are_left_out_have_an_exit_code_and_are_named(photo: Path, tmp_path: Path) -> None:
    (photo.parent / "IMG [1].dng").write_bytes(b"II*\0")
    (photo.parent / "clip.mts").write_bytes(b"x")
    result = deid("run", photo.parent, "-o", tmp_path / "out", "--report", tmp_path / "run.json", *FAST)
    assert result.exit_code == 3
    output = shown(result)
    assert "IMG [1].dng: a camera's raw photo is not read" in output
    assert "0 files failed; 2 files left out: IMG [1].dng, clip.mts" in output
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["totals"]["left_out"] == 2
    assert [(Path(f["input"]).name, f["status"]) for f in report["files"] if f["error"]] == [
        ("IMG [1].dng", "left out"),
        ("clip.mts", "left out"),
    ]
    # The seed of a file does not change with what is left out beside it.
    seeds = [f["frames"][0]["seed"] for f in report["files"] if f.get("frames")]
    assert seeds == [seed_of(1, 0)]


def test_part_of_a_picture_that_is_left_out_has_an_exit_code_and_is_named(photo: Path, tmp_path: Path) -> None:
    """A photo of a phone with its preview behind it."""
    meadow = PillowImage.new("RGB", (64, 48), (90, 120, 90))
    meadow.save(photo.parent / "phone.mpo", save_all=True, append_images=[meadow.resize((32, 24))])
    result = deid("run", photo.parent, "-o", tmp_path / "out", "--report", tmp_path / "run.json", *FAST)
    assert result.exit_code == 3
    assert "phone.mpo: 1 further pictures in the file left out" in shown(result)
    assert "2 files written" in shown(result)
    notes = {Path(f["input"]).name: f["notes"] for f in json.loads((tmp_path / "run.json").read_text())["files"]}
    assert notes == {"hopper.jpg": [], "phone.mpo": ["1 further pictures in the file left out"]}


@pytest.mark.parametrize(("streams", "code"), [(2, 3), (1, 0)])
def test_stream_of_a_video_that_is_left_out_has_an_exit_code(streams: int, code: int, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="videos need PyAV: pip install 'deid-face[video]'")
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        made = [out.add_stream("libx264", rate=25) for _ in range(streams)]
        for stream in made:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream in made:
            for value in (60, 90, None):
                picture = None if value is None else av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8), format="rgb24")
                out.mux(stream.encode(picture))
    result = deid("run", tmp_path / "a.mkv", "-o", tmp_path / "b.mkv", *FAST)
    assert result.exit_code == code, shown(result)
    assert ("left out stream 1: video" in shown(result)) == (streams == 2)


def test_nothing_but_files_that_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mts").write_bytes(b"x")
    (tmp_path / "in" / "a.cr3").write_bytes(b"x")
    result = deid("run", tmp_path / "in", "-o", tmp_path / "out", *FAST)
    assert result.exit_code == 3
    assert "a.cr3: a camera's raw photo" in shown(result)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test when a model is about to be loaded."""
    monkeypatch.setattr("deid.anonymizer.engine.Anonymizer.preload", lambda self: pytest.fail("a model was loaded"))


EARLY: dict[str, tuple[list[str], str]] = {
    "wrong path": (["missing.jpg", "-o", "out"], "No such file"),
    "existing output": (["in/hopper.jpg", "-o", "old.jpg"], "exists; pass --overwrite"),
    "output inside input": (["in", "-o", "in/out"], "lies inside the input"),
    "report below a file": (["in", "-o", "out", "--report", "old.jpg/r.json"], "Not a directory"),
    "unknown suffix": (["in/hopper.jpg", "-o", "a.xyz"], "no suffix of a picture"),
    "picture to video": (["in/hopper.jpg", "-o", "a.mp4"], "is a picture"),
    "root": (["in/hopper.jpg", "-o", "/"], "it is the root of the file system"),
    "zero byte": (["in/hopper.jpg", "-o", "out", "--cover-image", "a\0b", "--method", "image"], "cover_image"),
    "config of brackets": (["in/hopper.jpg", "-o", "out", "--config", "deep.toml"], "cannot read options"),
    "config is a pipe": (["in/hopper.jpg", "-o", "out", "--config", "pipe"], "no regular file"),
    "portraits are a pipe": (["in/hopper.jpg", "-o", "out", "--portraits", "pipe"], "no regular file"),
    "cover is a pipe": (["in/hopper.jpg", "-o", "out", "--cover-image", "pipe", "--method", "image"], "no regular file"),
}


@pytest.mark.parametrize(("arguments", "message"), EARLY.values(), ids=EARLY.keys())
@pytest.mark.usefixtures("no_models")
def test_wrong_use_is_told_before_a_model_is_loaded(
    arguments: list[str], message: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.jpg").write_bytes(b"old")
    (tmp_path / "deep.toml").write_text("method = " + "[" * 5000)
    os.mkfifo(tmp_path / "pipe")
    result = deid("run", *arguments)
    assert result.exit_code == 2
    assert message in shown(result)
    assert (tmp_path / "old.jpg").read_bytes() == b"old"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["http://[::1", "http://127.0.0.1:99999", "http://u:pass/word@h:8080"])
def test_addresses_that_are_none(to: str, photo: Path) -> None:
    result = deid("live", photo, "--to", to)
    assert result.exit_code == 2
    assert "expected --to http://HOST:PORT" in shown(result)
    assert "pass" not in shown(result)


def test_errors_that_are_not_ours_have_no_traceback(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deid.batch.jobs.plan", lambda *_: 1 / 0)
    result = deid("run", photo, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "error: ZeroDivisionError: division by zero" in shown(result)


def test_names_are_data(photo: Path, tmp_path: Path) -> None:
    """Square brackets, new lines and a terminal's commands are shown and not obeyed."""
    (photo.parent / "x[").mkdir()
    for name in ("[red]x.jpg", "x[/bold].png", "two\nlines.jpg", "\x1b[31mred.jpg"):
        (photo.parent / name).write_bytes(b"no picture")
    result = deid("run", photo.parent, "-o", tmp_path / "out", *FAST)
    assert result.exit_code == 1
    for line in ("[red]x.jpg: not an image", "x[/bold].png: not an image", "two\\nlines.jpg", "\\x1b[31mred.jpg"):
        assert line in shown(result)
    assert "\x1b[31mred" not in result.output


def test_the_name_of_an_extra_is_shown(photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(*_: object) -> Any:
        raise DependencyError("videos need PyAV: pip install 'deid-face[video]'")

    monkeypatch.setattr("deid.batch.jobs.plan", missing)
    assert "pip install 'deid-face[video]'" in shown(deid("run", photo, "-o", tmp_path / "out"))


@pytest.mark.parametrize("command", ["run", "dataset"])
def test_exit_codes_are_in_the_help(command: str) -> None:
    said = shown(deid(command, "--help"))
    assert "0 when every input was processed, 1 when something failed, 2 for wrong use. It is 3 when files" in said


def test_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    result = deid("run", tmp_path / "in", "-o", tmp_path / "out", *FAST)
    assert result.exit_code == 1
    assert "no pictures found" in shown(result)


WRONG: dict[str, tuple[list[str], str]] = {
    "method": (["--method", "magic"], "expected method to be one of attgan, blur, pixelate, solid, image, got 'magic'"),
    "detector": (["--detector", "nope"], "unknown detector 'nope'; valid are centerface, dlib_hog"),
    "union of detectors": (["--detector", "mtcnn+nope"], "unknown detector 'nope'"),
    "quality": (["--quality", "best"], "expected quality to be one of fast, balanced, thorough, got 'best'"),
    "seed": (["--seed", "-1"], "expected seed to be"),
    "seed that is no number": (["--seed", "x"], "Invalid value for '--seed'"),
    "option": (["--magic"], "No such option"),
    "config file": (["--config", "missing.toml"], "missing.toml"),
    "image without a picture": (["--method", "image"], "expected cover_image"),
    "image with a missing picture": (["--method", "image", "--cover-image", "missing.png"], "missing.png"),
    "device": (["--device", "nonsense"], "nonsense"),
    "reach": (["--reach", "body"], "expected reach to be one of face, head, got 'body'"),
    "stand-in": (["--stand-in", "mask"], "expected stand_in to be one of portrait, none, got 'mask'"),
    "portraits": (["--portraits", "missing.safetensors"], "cannot read missing.safetensors: No such file"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments_end_with_a_message_and_write_nothing(
    arguments: list[str], message: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    result = deid("run", photo, "-o", tmp_path / "out", *arguments)
    assert result.exit_code in {1, 2}
    assert message in shown(result)
    assert not (tmp_path / "out").exists()


def test_output_is_asked_for(photo: Path) -> None:
    assert deid("run", photo).exit_code == 2


def test_the_help_names_every_detector() -> None:
    assert tuple(DETECTORS) == flags.DETECTORS
    assert all(name in shown(deid("run", "--help")) for name in DETECTORS)


@pytest.mark.parametrize(("command", "old", "new"), [("run", "--memory", "--max-missed"), ("serve", "--max-film-mb", "--max-video-mb")])
def test_old_names_of_options_work(command: str, old: str, new: str) -> None:
    for name in (old, new):
        assert "as an integer" in shown(deid(command, name, "many"))


def test_version_and_help() -> None:
    assert shown(deid("--version")) == f"deid {__version__}"
    assert "run" in shown(deid("--help"))
    assert deid("no-such-command").exit_code == 2


@pytest.fixture
def own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the weights that may be spoilt."""
    folder = tmp_path / "weights"
    shutil.copytree(weights.folder(), folder)
    monkeypatch.setattr(weights, "folder", lambda: folder)
    monkeypatch.setenv("DEID_CACHE", str(tmp_path / "cache"))
    return folder


def _alter(folder: Path) -> None:
    path = folder / "attgan.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def _remove(folder: Path) -> None:
    (folder / "attgan.safetensors").unlink()


SPOILT = {"altered": (_alter, "altered or cut short"), "missing": (_remove, "No such file")}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT.keys())
def test_spoilt_weights_are_refused_before_the_first_photo(
    spoil: Callable[[Path], None], message: str, photo: Path, own_weights: Path, tmp_path: Path
) -> None:
    spoil(own_weights)
    result = deid("run", photo, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "attgan.safetensors" in shown(result)
    assert message in shown(result)
    assert "install deid-face again" in shown(result)
    assert not (tmp_path / "out").exists()


def test_weights_verify(own_weights: Path) -> None:
    good = deid("weights", "verify")
    assert good.exit_code == 0
    assert "attgan: ok" in good.output
    _alter(own_weights)
    (own_weights / "realism.safetensors").unlink()
    bad = deid("weights", "verify")
    assert bad.exit_code == 1
    assert "attgan: altered" in bad.output
    assert "attributes: ok" in bad.output
    assert "realism: missing" in bad.output


def test_weights_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    result = deid("weights", "list")
    assert result.exit_code == 0
    for name, item in weights.manifest().items():
        assert name in result.output
        assert item.sha256[:12] in result.output


def test_weights_fetch(own_weights: Path, tmp_path: Path) -> None:
    shipped = deid("weights", "fetch", "attgan")
    assert shipped.exit_code == 2
    assert "shipped with the package" in shown(shipped)
    assert "unknown weights 'nope'" in shown(deid("weights", "fetch", "nope"))
    source = own_weights / "realism.safetensors"
    entry = weights.entry("realism")
    (own_weights / "manifest.toml").write_text(f'[far]\nfile = "far.safetensors"\nsha256 = "{entry.sha256}"\nurl = "{source.as_uri()}"\n')
    assert "far: not fetched" in shown(deid("weights", "verify"))
    fetched = deid("weights", "fetch", "far")
    assert fetched.exit_code == 0
    assert (tmp_path / "cache" / "far.safetensors").exists()
    assert "far: ok" in shown(deid("weights", "verify"))


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hopper: Image) -> None:
    """On a small photo: the real ones would take long here."""
    PillowImage.fromarray(hopper[:160]).save(tmp_path / "small.png")
    monkeypatch.setattr("deid.cli.demo.demo_photos", lambda: {"small.png": tmp_path / "small.png"})
    result = deid("demo", "-o", tmp_path / "demo", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == ["small-before-after.png", "small.png"]
    with PillowImage.open(tmp_path / "demo/small-before-after.png") as sheet:
        assert sheet.size == (512, 160)
        left, right = np.asarray(sheet)[:, :256], np.asarray(sheet)[:, 256:]
    np.testing.assert_array_equal(left, hopper[:160])
    assert (left != right).any()


def test_demo_without_its_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise DependencyError("expected matplotlib")

    monkeypatch.setattr("deid.cli.demo.demo_photos", none)
    result = deid("demo", "-o", tmp_path / "demo")
    assert result.exit_code == 2
    assert "expected matplotlib" in shown(result)


def test_demo_photos_are_there() -> None:
    from deid.cli.demo import demo_photos

    assert all(path.is_file() for path in demo_photos().values())


def _process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deid", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})


def test_python_m_deid_runs_the_main_job(bad: Path, tmp_path: Path) -> None:
    done = _process("run", bad / "meadow.png", bad / "hopper.jpg", bad / "empty.jpg", "-o", tmp_path / "out", "--seed", 2)
    assert done.returncode == 1
    assert "empty.jpg: the file is empty" in " ".join(done.stderr.split())
    assert "2 files written (1 without a face), 1 faces:" in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["hopper.jpg", "meadow.png"]


def test_python_m_deid_version() -> None:
    done = _process("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"deid {__version__}")
