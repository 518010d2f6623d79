"""Which input goes where, and that one bad file costs no other."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer.engine import Anonymizer
from deid.batch import files, jobs, pictures, places
from deid.batch.files import FileResult
from deid.batch.jobs import Job
from deid.core.errors import ConfigError, DetectionError
from deid.core.options import Options
from deid.core.types import Image, ImageResult
from deid.imaging import formats
from deid.video.pipeline import VideoResult


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _plan(inputs: list[Path], out: Path, overwrite: bool = False) -> dict[str, str]:
    """Source to target or error, relative to the folder that holds all."""
    base = Path(os.path.commonpath([*inputs, out]))
    return {
        os.path.relpath(job.source, base): job.error or os.path.relpath(job.target or "", base) for job in jobs.plan(inputs, out, overwrite)
    }


def test_single_file_goes_to_a_file(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    assert _plan([tmp_path / "a.jpg"], tmp_path / "b.jpg") == {"a.jpg": "b.jpg"}


@pytest.mark.parametrize("out", ["out", "out.d", "out.txt"], ids=["no suffix", "unknown suffix", "no picture's suffix"])
def test_single_file_goes_into_a_folder(out: str, tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    assert _plan([tmp_path / "a.jpg"], tmp_path / out) == {"a.jpg": f"{out}/a.jpg"}


def test_folder_with_a_pictures_suffix_is_a_folder(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    (tmp_path / "out.jpg").mkdir()
    assert _plan([tmp_path / "a.jpg"], tmp_path / "out.jpg") == {"a.jpg": "out.jpg/a.jpg"}


def test_several_files_go_into_a_folder(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg", tmp_path / "b.png")
    assert _plan([tmp_path / "a.jpg", tmp_path / "b.png"], tmp_path / "o.jpg") == {"a.jpg": "o.jpg/a.jpg", "b.png": "o.jpg/b.png"}


def test_tree_of_a_folder_is_kept_and_other_files_are_left_out(tmp_path: Path) -> None:
    names = ["b.PNG", "a.jpg", "deep/er/c.webp", "deep/notes.txt", "deep/d.tiff", ".hidden.part", "clip.MP4"]
    _touch(*(tmp_path / "in" / n for n in names))
    done = {f"in/{n}": f"out/{n}" for n in ["a.jpg", "b.PNG", "clip.MP4", "deep/d.tiff", "deep/er/c.webp"]}
    left_out = {"in/.hidden.part": "a hidden file", "in/deep/notes.txt": "neither a picture nor a film that is known"}
    assert _plan([tmp_path / "in"], tmp_path / "out") == done | left_out
    order = [job.source.name for job in jobs.plan([tmp_path / "in"], tmp_path / "out") if job.target]
    assert order == ["a.jpg", "b.PNG", "clip.MP4", "d.tiff", "c.webp"]


def test_file_that_was_named_is_tried_whatever_its_suffix(tmp_path: Path) -> None:
    _touch(tmp_path / "photo", tmp_path / "a.dng")
    photo, missing, raw = jobs.plan([tmp_path / "photo", tmp_path / "missing.jpg", tmp_path / "a.dng"], tmp_path / "out")
    assert (photo.target, photo.refused) == (tmp_path / "out/photo", "")
    assert (missing.target, missing.refused) == (None, "wrong use")
    assert "missing.jpg: No such file" in missing.error
    assert (raw.target, raw.refused, raw.error) == (None, "left out", "a camera's raw photo is not read; export it as TIFF or JPEG")


KINDS = {
    "a.dng": "raw photo", "a.NEF": "raw photo", "a.mts": "ffmpeg -i FILE", "a.3gp": "ffmpeg -i FILE", "a.pdf": "a document",
    "a.zip": "an archive", "a.npy": "arrays", "._a.jpg": "macOS's notes", "a.psd": "cannot be written", ".a": "hidden", "a.xyz": "neither",
    "._a.mp4": "macOS's notes",
}  # fmt: skip


@pytest.mark.parametrize(("name", "why"), KINDS.items())
def test_what_a_folder_holds_besides_is_left_out_by_name(name: str, why: str, tmp_path: Path) -> None:
    _touch(tmp_path / "in" / name, tmp_path / "in" / "stereo.mpo")
    left_out, done = sorted(jobs.plan([tmp_path / "in"], tmp_path / "out"), key=lambda job: job.target is not None)
    assert (left_out.source.name, left_out.refused) == (name, "left out")
    assert why in left_out.error
    assert done.target == tmp_path / "out" / "stereo.mpo"


@pytest.mark.parametrize("named", [True, False])
def test_a_pipe_is_never_opened(named: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    (job,) = jobs.plan([tmp_path / "in" / "pipe.jpg" if named else tmp_path / "in"], tmp_path / "out")
    assert (job.target, job.refused) == (None, "failed")
    assert "no regular file" in job.error


WRONG_USE: dict[str, tuple[list[str], str, str | None, str]] = {
    "target of an unknown kind": (["a.gif"], "a.xyz", None, "no suffix of a picture or a film"),
    "text": (["a.gif"], "a.txt", None, "no suffix of a picture or a film"),
    "picture to film": (["a.gif"], "a.mp4", None, "a.gif is a picture and a.mp4 is a film"),
    "film to picture": (["a.mp4"], "a.gif", None, "a.mp4 is a film and a.gif is a picture"),
    "picture that is only read": (["a.gif"], "a.psd", None, "cannot be written"),
    "several to one": (["a.gif", "a.mp4"], "o.png", None, "expected a folder for several files"),
    "folder to one": (["in"], "o.png", None, "expected a folder for several files"),
    "inside": (["in"], "in/sub/out", None, "lies inside the input"),
    "inside through a link": (["in"], "link/out", None, "lies inside the input"),
    "below a file": (["a.gif"], "a.mp4/out", None, "Not a directory"),
    "report is a folder": (["a.gif"], "out", "in", "a folder"),
    "report below a file": (["a.gif"], "out", "a.mp4/r.json", "Not a directory"),
    "report over an input": (["a.gif"], "out", "a.gif", "it is an input"),
    "report to a device": (["a.gif"], "out", "/dev/full", "no regular file"),
}


@pytest.mark.parametrize(("inputs", "out", "report", "message"), WRONG_USE.values(), ids=WRONG_USE.keys())
def test_wrong_use_is_told(inputs: list[str], out: str, report: str | None, message: str, tmp_path: Path) -> None:
    _touch(tmp_path / "in/x.jpg", tmp_path / "a.gif", tmp_path / "a.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError, match=message):
        places.check_use([tmp_path / i for i in inputs], tmp_path / out, report and tmp_path / report)  # type: ignore[arg-type]


@pytest.mark.parametrize("out", ["out", "out.d", "results.2026", "there.xyz", "in", "b.webp", "/"])
def test_right_use_is_let_through(out: str, tmp_path: Path) -> None:
    _touch(tmp_path / "in/x.jpg")
    (tmp_path / "there.xyz").mkdir()
    places.check_use([tmp_path / "in/x.jpg"], tmp_path / out, tmp_path / "new" / "r.json")


def test_output_that_is_gone_at_the_end_is_no_success(tmp_path: Path) -> None:
    _touch(tmp_path / "out/a.jpg")
    result = files.FileResult(tmp_path / "a.jpg", tmp_path / "out/a.jpg")
    assert files.still_there(result) is result
    (tmp_path / "out/a.jpg").unlink()
    gone = files.still_there(result)
    assert (gone.target, gone.status) == (None, "failed")
    assert "is gone" in gone.error


def test_two_inputs_never_share_an_output(tmp_path: Path) -> None:
    one, two, three = (tmp_path / d / "a.jpg" for d in ("one", "two", "three"))
    _touch(one, two, three)
    planned = _plan([one, two, tmp_path / "three"], tmp_path / "out", overwrite=True)
    assert planned["one/a.jpg"] == "out/a.jpg"
    for other in ("two/a.jpg", "three/a.jpg"):
        assert str(one) in planned[other]
        assert "too" in planned[other]


def test_the_same_input_twice_is_handled_once(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg")
    planned = jobs.plan([tmp_path / "a.jpg", tmp_path / "." / "a.jpg"], tmp_path / "out")
    assert [bool(job.error) for job in planned] == [False, True]


def test_outputs_that_meet_through_a_link_collide(tmp_path: Path) -> None:
    _touch(tmp_path / "in/x/a.jpg", tmp_path / "in/y/a.jpg")
    (tmp_path / "out/x").mkdir(parents=True)
    (tmp_path / "out/y").symlink_to(tmp_path / "out/x")
    planned = jobs.plan([tmp_path / "in"], tmp_path / "out", overwrite=True)
    assert [bool(job.error) for job in planned] == [False, True]


def test_in_place_needs_overwrite(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg")
    refused = "is an input; pass --overwrite"
    assert refused in _plan([tmp_path / "in"], tmp_path / "in")["a.jpg"]
    assert refused in _plan([tmp_path / "in/a.jpg"], tmp_path / "in")["a.jpg"]
    assert refused in _plan([tmp_path / "in/a.jpg"], tmp_path / "in/a.jpg")["."]
    assert _plan([tmp_path / "in"], tmp_path / "in", overwrite=True) == {"a.jpg": "a.jpg"}


def test_input_through_a_link_is_still_the_input(tmp_path: Path) -> None:
    _touch(tmp_path / "real/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (job,) = jobs.plan([tmp_path / "link"], tmp_path / "real")
    assert "is an input" in job.error


def test_existing_output_needs_overwrite(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg", tmp_path / "out/a.jpg")
    assert "exists; pass --overwrite" in _plan([tmp_path / "a.jpg"], tmp_path / "out")["a.jpg"]
    assert _plan([tmp_path / "a.jpg"], tmp_path / "out", overwrite=True) == {"a.jpg": "out/a.jpg"}


def test_output_folder_inside_the_input_is_left_out(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg", tmp_path / "in/sub/out/old.jpg", tmp_path / "in/sub/b.jpg")
    assert _plan([tmp_path / "in"], tmp_path / "in/sub/out") == {"a.jpg": "sub/out/a.jpg", "sub/b.jpg": "sub/out/sub/b.jpg"}


def test_link_back_to_a_folder_above_is_told_and_not_followed(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg", tmp_path / "in/deep/b.jpg")
    (tmp_path / "in/deep/loop").symlink_to(tmp_path / "in")
    planned = _plan([tmp_path / "in"], tmp_path / "out")
    assert planned.pop("in/deep/loop") == "the link leads back to a folder that holds it"
    assert planned == {"in/a.jpg": "out/a.jpg", "in/deep/b.jpg": "out/deep/b.jpg"}


def test_link_to_itself_is_told(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg")
    (tmp_path / "in/self.jpg").symlink_to(tmp_path / "in/self.jpg")
    planned = _plan([tmp_path / "in"], tmp_path / "out")
    assert planned["in/a.jpg"] == "out/a.jpg"
    assert "in/self.jpg" in planned


def test_link_to_another_folder_is_followed(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg", tmp_path / "else/b.jpg")
    (tmp_path / "in/more").symlink_to(tmp_path / "else")
    assert _plan([tmp_path / "in"], tmp_path / "out") == {"in/a.jpg": "out/a.jpg", "in/more/b.jpg": "out/more/b.jpg"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_folder_without_permission_is_told(tmp_path: Path) -> None:
    _touch(tmp_path / "in/a.jpg")
    (tmp_path / "in/locked").mkdir(mode=0)
    planned = _plan([tmp_path / "in"], tmp_path / "out")
    assert planned == {"in/a.jpg": "out/a.jpg", "in/locked": "cannot read the folder: Permission denied"}


def test_empty_folder_gives_no_job(tmp_path: Path) -> None:
    assert jobs.plan([tmp_path], tmp_path / "out") == []


@dataclass
class _Inverter:
    """An engine that inverts every picture and keeps its seeds, or raises."""

    error: BaseException | None = None
    options: Options = field(default_factory=Options)
    seeds: list[int | None] = field(default_factory=list)

    def process(self, image: Image, detections: object = None, seed: int | None = None) -> ImageResult:
        if self.error:
            raise self.error
        self.seeds.append(seed)
        return ImageResult(255 - image, (), 99 if seed is None else seed)


def _as_engine(inverter: _Inverter) -> Anonymizer:
    return inverter  # type: ignore[return-value]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    PillowImage.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
    return path


@pytest.fixture
def animation(tmp_path: Path) -> Path:
    frames = [PillowImage.new("RGB", (8, 8), (40 * i, 9, 9)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[50, 60, 70])
    return tmp_path / "a.gif"


def test_job_is_done(photo: Path, tmp_path: Path) -> None:
    result = files.run_job(Job(photo, tmp_path / "out/b.png"), _as_engine(_Inverter()), 5)
    assert (result.error, result.target) == ("", tmp_path / "out/b.png")
    np.testing.assert_array_equal(np.asarray(PillowImage.open(tmp_path / "out/b.png")), 255 - np.asarray(PillowImage.open(photo)))
    assert result.to_dict()["status"] == "done"


def test_all_frames_are_edited_with_one_seed(animation: Path, tmp_path: Path) -> None:
    inverter = _Inverter()
    result = files.run_job(Job(animation, tmp_path / "b.gif"), _as_engine(inverter), None)
    assert len(result.frames) == 3
    # The first frame drew a fresh seed, and the others share it.
    assert inverter.seeds == [None, 99, 99]
    with PillowImage.open(tmp_path / "b.gif") as out:
        assert out.n_frames == 3  # type: ignore[attr-defined]


SUFFIXES = {"png to jpeg": (".jpg", "JPEG"), "png to webp": (".webp", "WEBP"), "png to bmp": (".bmp", "BMP"), "same": (".PNG", "PNG")}


@pytest.mark.parametrize(("suffix", "file_format"), SUFFIXES.values(), ids=SUFFIXES.keys())
def test_the_suffix_of_a_target_file_tells_the_truth(suffix: str, file_format: str, photo: Path, tmp_path: Path) -> None:
    target = tmp_path / f"b{suffix}"
    assert files.run_job(Job(photo, target), _as_engine(_Inverter()), 1).error == ""
    with PillowImage.open(target) as out:
        assert out.format == file_format


def test_a_wrong_suffix_of_the_input_is_kept(photo: Path, tmp_path: Path) -> None:
    """Same name, same format: a PNG that is called .jpg stays one."""
    wrong = photo.rename(tmp_path / "wrong.jpg")
    files.run_job(Job(wrong, tmp_path / "out/wrong.jpg"), _as_engine(_Inverter()), 1)
    with PillowImage.open(tmp_path / "out/wrong.jpg") as out:
        assert out.format == "PNG"


ERRORS: dict[str, Exception] = {
    "ours": DetectionError("the detector failed"),
    "value": ValueError("bad value"),
    "memory": MemoryError(),
    "type": TypeError("bad type"),
    "key": KeyError("key"),
    "index": IndexError("index"),
    "arithmetic": ZeroDivisionError("division by zero"),
    "assertion": AssertionError("impossible"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_whatever_goes_wrong_is_in_the_result(error: Exception, photo: Path, tmp_path: Path) -> None:
    result = files.run_job(Job(photo, tmp_path / "out/b.png"), _as_engine(_Inverter(error)), 1)
    assert type(error).__name__ in result.error
    assert result.target is None
    assert not (tmp_path / "out").exists()
    assert result.to_dict()["status"] == "failed"


def test_an_interrupt_is_no_result(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        files.run_job(Job(photo, tmp_path / "b.png"), _as_engine(_Inverter(KeyboardInterrupt())), 1)
    assert not (tmp_path / "b.png").exists()


def test_error_in_a_late_frame_writes_nothing(animation: Path, tmp_path: Path) -> None:
    class _Third(_Inverter):
        def process(self, image: Image, detections: object = None, seed: int | None = None) -> ImageResult:
            if len(self.seeds) == 2:
                raise DetectionError("third frame")
            return super().process(image, detections, seed)

    result = files.run_job(Job(animation, tmp_path / "out/b.gif"), _as_engine(_Third()), 1)
    assert "third frame" in result.error
    assert not (tmp_path / "out").exists()


def _unreadable(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    for name, content in {"empty.jpg": b"", "text.jpg": b"no picture", "half.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}.items():
        (tmp_path / name).write_bytes(content)
        yield name, tmp_path / name
    yield "missing.jpg", tmp_path / "missing.jpg"


def test_bad_file_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    for name, path in _unreadable(tmp_path):
        result = files.run_job(Job(path, tmp_path / "out" / name), _as_engine(_Inverter()), 1)
        assert name in result.error
        assert not (tmp_path / "out").exists()


def test_a_refused_job_is_not_begun(photo: Path) -> None:
    result = files.run_job(Job(photo, None, "refused"), _as_engine(_Inverter(DetectionError("must not run"))), 1)
    assert result.error == "refused"


def test_target_that_appeared_since_the_plan_is_not_replaced(photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.png"
    _touch(target)
    result = files.run_job(Job(photo, target), _as_engine(_Inverter()), 1)
    assert "it exists" in result.error
    assert target.read_bytes() == b"x"


def test_picture_over_the_limit_is_refused(photo: Path, tmp_path: Path) -> None:
    engine = _as_engine(_Inverter(options=Options(max_pixels=99)))
    assert "more than 99 pixels" in files.run_job(Job(photo, tmp_path / "b.png"), engine, 1).error


def test_seeds_of_files() -> None:
    seeds = [pictures.seed_of(7, i) for i in range(50)]
    assert seeds == [pictures.seed_of(7, i) for i in range(50)]
    assert len({*seeds, *(pictures.seed_of(8, i) for i in range(50))}) == 100
    assert all(s is not None and 0 <= s < 2**64 for s in seeds)
    assert pictures.seed_of(None, 3) is None


@pytest.mark.parametrize(
    ("note", "incomplete"),
    [
        ("left out stream 1: subtitle (srt)", True),
        ("map of light or depth beside the picture left out", True),
        ("16 bits a channel became 8", False),
    ],
)
def test_what_is_left_out_of_a_file_is_no_mere_change(note: str, incomplete: bool) -> None:
    film = VideoResult(1, 0, (), 0, notes=(note,))
    for result in (FileResult(Path("a"), Path("b"), changes=(note,)), FileResult(Path("a"), Path("b"), film=film)):
        assert result.incomplete == incomplete
        assert result.notes == (note,)
        assert result.status == "done"


def test_known_suffixes() -> None:
    suffixes = formats.known_suffixes()
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"} <= suffixes
    assert not {".mp4", ".txt", ".part", "", ".svg"} & suffixes
