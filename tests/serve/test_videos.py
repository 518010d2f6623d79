"""A video that is corrected: searched once, edited again as a person decides."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.core.errors import VideoReadError
from deid.core.seeds import seed_of
from deid.core.types import Image
from deid.serve.corrections import Correction, CorrectionError
from deid.serve.limits import Limits
from deid.serve.uploads import Upload
from deid.serve.videos import VideoWork
from deid.video.pipeline import anonymize_video
from tests.video.conftest import look_alike

av = pytest.importorskip("av", reason="videos need PyAV")

N, SHIFT, SEED = 10, 3, 5
#: What nobody takes for a face: a part of the suit, at frame 4.
SUIT = (134.0, 165.0, 184.0, 225.0)


def silent(step: str, done: int, total: int) -> None:
    """Nobody watches."""


def pan(photo: Image) -> Iterator[Image]:
    """A view that moves over a photo."""
    for i in range(N):
        yield np.ascontiguousarray(photo[:240, i * SHIFT : i * SHIFT + 240])


def write_video(path: Path, photo: Image) -> None:
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=Fraction(10), options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 240, 240, "yuv420p"
        for image in pan(photo):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        video.mux(stream.encode(None))


def frames(path: Path) -> list[Image]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, blur_engine: Anonymizer, astronaut: Image) -> tuple[VideoWork, Path]:
    """A video of one woman, blurred; each test puts it back as it was."""
    folder = tmp_path_factory.mktemp("film")
    write_video(folder / "upload.mp4", astronaut)
    work = VideoWork(Upload(folder / "upload.mp4", "pan.mp4", folder, SEED), blur_engine, Limits())
    work.process(silent)
    return work, folder


def face_part(image: Image, index: int, view: dict[str, Any], track: int) -> Image:
    """The middle of a track's box in a frame."""
    (box,) = (b for b in view["boxes"][str(index)] if b[0] == track)
    x0, y0, x1, y1 = (int(v) for v in box[1:5])
    dx, dy = (x1 - x0) // 4, (y1 - y0) // 4
    return image[max(0, y0 + dy) : y1 - dy, max(0, x0 + dx) : x1 - dx]


def test_the_first_result_is_what_the_command_writes(processed: tuple[VideoWork, Path], blur_engine: Anonymizer, tmp_path: Path) -> None:
    work, folder = processed
    anonymize_video(folder / "upload.mp4", tmp_path / "out.mp4", blur_engine, seed=seed_of(SEED, 0))
    assert look_alike(folder / "candidate.mp4", tmp_path / "out.mp4")
    assert (work.view["frames"], len(work.view["stills"])) == (N, N)
    assert all((folder / f"{side}-{i}.jpg").is_file() for side in ("before", "after") for i in range(N))


def test_leaving_covering_and_undoing_a_track(processed: tuple[VideoWork, Path], tmp_path: Path) -> None:
    work, folder = processed
    first, before = tmp_path / "first.mp4", frames(folder / "upload.mp4")
    first.write_bytes((folder / "candidate.mp4").read_bytes())
    (track,) = (face["face"] for face in work.faces if face["shown"])
    work.correct([Correction("keep", track)], silent)
    for i, image in enumerate(frames(folder / "candidate.mp4")):
        assert np.abs(face_part(image, i, work.view, track).astype(int) - face_part(before[i], i, work.view, track)).mean() < 4
    assert [kept["face"] for kept in work.report()["kept"]] == [track]
    work.correct([Correction("cover", track, "solid")], silent)
    for i, image in enumerate(frames(folder / "candidate.mp4")):
        assert face_part(image, i, work.view, track).std(axis=(0, 1)).max() < 4
    work.correct([Correction("restore", track)], silent)
    assert look_alike(folder / "candidate.mp4", first)


def test_a_drawn_face_is_followed_both_ways_covered_and_saved(processed: tuple[VideoWork, Path]) -> None:
    work, folder = processed
    before = frames(folder / "upload.mp4")
    work.correct([Correction("draw", box_xyxy=SUIT, frame=4)], silent)
    (drawn,) = (face for face in work.faces if face["origin"] == "drawn")
    boxes = {int(i): b[1:5] for i, here in work.view["boxes"].items() for b in here if b[0] == drawn["face"]}
    assert sorted(boxes) == list(range(N))
    for i, found in boxes.items():
        assert abs((found[0] + found[2]) / 2 - (159 - (i - 4) * SHIFT)) < 5
    for i, image in enumerate(frames(folder / "candidate.mp4")):
        now, then = (face_part(frame, i, work.view, drawn["face"]) for frame in (image, before[i]))
        assert np.abs(np.diff(now.astype(int), axis=1)).mean() < 0.6 * np.abs(np.diff(then.astype(int), axis=1)).mean()
    work.save(silent)
    assert (folder / "result.mp4").is_file()
    work.correct([Correction("not_a_face", drawn["face"])], silent)


def test_a_box_over_a_known_face_is_told_and_adds_nothing(processed: tuple[VideoWork, Path]) -> None:
    work, _ = processed
    (track,) = (face["face"] for face in work.faces if face["shown"] and face["origin"] == "detector")
    (known,) = (b for b in work.view["boxes"]["4"] if b[0] == track)
    n = len(work.faces)
    work.correct([Correction("draw", box_xyxy=tuple(known[1:5]), frame=4)], silent)
    assert len(work.faces) == n
    assert "decide on its card" in work.view["messages"][0]


def test_wrong_corrections_are_refused(processed: tuple[VideoWork, Path]) -> None:
    work, _ = processed
    for correction, said in (
        (Correction("keep", 99), "there is no face 99"),
        (Correction("again", 0), "method attgan"),
        (Correction("draw", box_xyxy=SUIT, frame=N), f"no frame {N}"),
        (Correction("draw", box_xyxy=(900.0, 0.0, 999.0, 99.0)), "beyond the picture"),
    ):
        with pytest.raises(CorrectionError, match=said):
            work.check([correction])


@pytest.mark.parametrize(
    ("limits", "said"), [(Limits(duration_s=0.5), "longer than"), (Limits(film_pixels=1000), "240 x 240 is more than")]
)
def test_videos_over_a_limit_are_refused(
    limits: Limits, said: str, processed: tuple[VideoWork, Path], blur_engine: Anonymizer, tmp_path: Path
) -> None:
    upload = Upload(processed[1] / "upload.mp4", "pan.mp4", tmp_path, SEED)
    with pytest.raises(VideoReadError, match=f"pan.mp4.*{said}"):
        VideoWork(upload, blur_engine, limits).process(silent)
    assert not list(tmp_path.iterdir())


def test_a_video_that_nobody_waits_for_is_ended_and_leaves_no_file(
    processed: tuple[VideoWork, Path], blur_engine: Anonymizer, tmp_path: Path
) -> None:
    class GoneError(Exception):
        pass

    def gone(step: str, done: int, total: int) -> None:
        if done > 1:
            raise GoneError

    with pytest.raises(GoneError):
        VideoWork(Upload(processed[1] / "upload.mp4", "pan.mp4", tmp_path, SEED), blur_engine, Limits()).process(gone)
    assert not list(tmp_path.glob("candidate*"))
