"""Each job has a result, and one bad file costs no other."""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer.engine import Anonymizer
from deid.batch import files
from deid.batch.jobs import Job
from deid.batch.results import FileResult
from deid.core.errors import DetectionError, ImageWriteError
from deid.core.options import Options
from deid.core.seeds import seed_of
from deid.core.types import Image, ImageResult
from deid.imaging import formats
from deid.video.results import VideoResult


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_output_that_is_gone_at_the_end_is_no_success(tmp_path: Path) -> None:
    _touch(tmp_path / "out/a.jpg")
    result = files.FileResult(tmp_path / "a.jpg", tmp_path / "out/a.jpg")
    assert files.still_there(result) is result
    (tmp_path / "out/a.jpg").unlink()
    gone = files.still_there(result)
    assert (gone.target, gone.status) == (None, "failed")
    assert "is gone" in gone.error


@dataclass
class _Inverter:
    """An engine that inverts every picture and keeps its seeds and knows whether its pixels are still there, or raises."""

    error: BaseException | None = None
    options: Options = field(default_factory=Options)
    seeds: list[int | None] = field(default_factory=list)
    pixels: list[weakref.ref[Image]] = field(default_factory=list)

    def process(self, image: Image, detections: object = None, seed: int | None = None) -> ImageResult:
        if self.error:
            raise self.error
        self.seeds.append(seed)
        out = np.asarray(255 - image)
        self.pixels += [weakref.ref(image), weakref.ref(out)]
        return ImageResult(out, (), 99 if seed is None else seed)


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


def test_no_pixels_are_kept_of_what_is_done(photo: Path, animation: Path, tmp_path: Path) -> None:
    """A run keeps the result of every file until its report is written."""
    inverter, drawn = _Inverter(), list[tuple[Path, int]]()
    jobs = [Job(photo, tmp_path / "out/b.png"), Job(animation, tmp_path / "out/b.gif")]
    results = [files.run_job(job, _as_engine(inverter), 1, draw=lambda path, frames: drawn.append((path, len(frames)))) for job in jobs]
    assert [frame.size_hw for result in results for frame in result.frames] == [(10, 10), (8, 8), (8, 8), (8, 8)]
    assert drawn == [(tmp_path / "out/b.png", 1), (tmp_path / "out/b.gif", 3)]
    assert len(inverter.pixels) == 8
    assert [pixels() for pixels in inverter.pixels] == [None] * 8


def test_a_picture_that_cannot_be_drawn_upon_is_written_and_told(photo: Path, tmp_path: Path) -> None:
    def full(path: Path, frames: object) -> None:
        raise ImageWriteError("no space left")

    result = files.run_job(Job(photo, tmp_path / "b.png"), _as_engine(_Inverter()), 1, draw=full)
    assert (result.target, result.status, result.failed) == (tmp_path / "b.png", "partial", True)
    assert "--debug: no space left" in result.error
    assert (tmp_path / "b.png").exists()


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
    seeds = [seed_of(7, i) for i in range(50)]
    assert seeds == [seed_of(7, i) for i in range(50)]
    assert len({*seeds, *(seed_of(8, i) for i in range(50))}) == 100
    assert all(s is not None and 0 <= s < 2**64 for s in seeds)
    assert seed_of(None, 3) is None


@pytest.mark.parametrize(
    ("note", "incomplete"),
    [
        ("left out stream 1: subtitle (srt)", True),
        ("map of light or depth beside the picture left out", True),
        ("16 bits a channel became 8", False),
    ],
)
def test_what_is_left_out_of_a_file_is_no_mere_change(note: str, incomplete: bool) -> None:
    video = VideoResult(1, 0, (), 0, notes=(note,))
    for result in (FileResult(Path("a"), Path("b"), changes=(note,)), FileResult(Path("a"), Path("b"), video=video)):
        assert result.incomplete == incomplete
        assert result.notes == (note,)
        assert result.status == "done"


def test_known_suffixes() -> None:
    suffixes = formats.known_suffixes()
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"} <= suffixes
    assert not {".mp4", ".txt", ".part", "", ".svg"} & suffixes
