"""A video in, the same video out: covered in every frame, or no video at all."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from deid.__main__ import app
from deid.anonymizer.engine import Anonymizer
from deid.batch import files
from deid.batch.jobs import Job
from deid.core.errors import ConfigError, DetectionError, EditError, VideoReadError
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.video.decode import Reader
from deid.video.pipeline import anonymize_frames, anonymize_video
from deid.video.results import Span
from deid.video.search import Search
from tests.video.conftest import ScriptedDetector, moving, packets, times, write_video


def _left_bare(source: Path, target: Path) -> list[int]:
    """Frames in which the square shows as it did."""
    truth, bare = ScriptedDetector(), []
    with Reader(source) as before, Reader(target) as after:
        for a, b in zip(before, after, strict=True):
            for d in truth.detect(a.rgb()):
                x0, y0, x1, y1 = d.box_xyxy.astype(int)
                if np.abs(a.rgb()[y0:y1, x0:x1].astype(int) - b.rgb()[y0:y1, x0:x1]).mean() < 20:
                    bare.append(a.index)
    return bare


@pytest.fixture
def engine(every_frame: Options) -> Anonymizer:
    return Anonymizer(replace(every_frame, solid_rgb=(0, 0, 0)))


def test_every_frame_is_covered_and_the_rest_is_as_before(
    video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    target = tmp_path / "out.mp4"
    result = anonymize_video(video, target, engine, progress=lambda done, of: steps.append((done, of)))
    assert _left_bare(video, target) == []
    assert times(target) == times(video)
    assert packets(target, "audio") == packets(video, "audio")
    assert (result.n_frames, len(result.tracks), result.problem) == (20, 1, "")
    assert result.tracks[0].to_dict() | {"score": 0} == {
        "track": 0,
        "person": 0,
        "frames": [0, 19],
        "states": {"seen": 20},
        "methods": {"solid": 20},
        "score": 0,
        "status": "passed",
        "least_distance_in_thresholds": None,
    }
    assert steps == [(i, 20) for i in range(1, 21)]


@pytest.mark.parametrize("every", [1, 4])
def test_every_third_detection_dropped_leaves_nothing_bare(every: int, video: Path, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    no_networks.blind = lambda n: n % 3 == 2
    engine = Anonymizer(Options(method="solid", solid_rgb=(0, 0, 0), detect_every=every, seed=1))
    anonymize_video(video, tmp_path / "out.mp4", engine)
    assert _left_bare(video, tmp_path / "out.mp4") == []


def test_the_check_itself_sees_a_bare_face(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    no_networks.blind = lambda n: True
    anonymize_video(video, tmp_path / "out.mp4", engine)
    assert _left_bare(video, tmp_path / "out.mp4") == list(range(20))


def test_span_and_dropped_sound(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    result = anonymize_video(video, target, engine, span=Span(0.2, 0.6, "drop"))
    assert result.n_frames == 10
    assert [float(t) for t in times(target)] == pytest.approx([i / 25 for i in range(10)])
    assert packets(target, "audio") == []
    with pytest.raises(ConfigError, match="start < end"):
        Span(2.0, 1.0)


def test_sound_of_a_span_begins_with_it(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    anonymize_video(video, target, engine, span=Span(0.2, 0.6))
    sound, whole = packets(target, "audio"), packets(video, "audio")
    assert 0 < len(sound) < len(whole)
    at = whole.index(sound[0])
    assert whole[at : at + len(sound)] == sound


@pytest.mark.parametrize("error", [DetectionError("detector"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_stage_that_raises_ends_all_and_leaves_nothing(
    error: BaseException, video: Path, engine: Anonymizer, monkeypatch: pytest.MonkeyPatch, no_networks: ScriptedDetector, tmp_path: Path
) -> None:
    class Failing(ScriptedDetector):
        def detect(self, image: Image) -> list[Detection]:
            if self.n_seen == 7:
                raise error
            return super().detect(image)

    monkeypatch.setattr("deid.video.pipeline.build_search", lambda options: Search([Failing()]))
    with pytest.raises(type(error)):
        anonymize_video(video, tmp_path / "out.mp4", engine)
    assert list(tmp_path.iterdir()) == []
    assert not {"read", "find", "edit"} & {t.name for t in threading.enumerate()}


def test_progress_that_raises_leaves_nothing(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    def steps(done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        anonymize_video(video, tmp_path / "out.mp4", engine, progress=steps)
    assert list(tmp_path.iterdir()) == []
    assert not {"read", "find", "edit"} & {t.name for t in threading.enumerate()}


def test_truncated_video_is_written_and_told(engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 120, (48, 64, 3), dtype=np.uint8) for i in range(30)]
    whole = write_video(tmp_path / "whole.mp4", noise, options={"movflags": "faststart"})
    cut, target = tmp_path / "cut.mp4", tmp_path / "out.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result = files.run_job(Job(cut, target), engine, 1)
    assert "written as far as it could be read" in result.error
    assert result.target == target
    assert result.video is not None
    assert len(times(target)) == result.video.n_frames > 5
    assert result.to_dict()["status"] == "partial"


def test_what_is_no_video_is_an_error_of_the_file(engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    result = files.run_job(Job(tmp_path / "a.mp4", tmp_path / "b.mp4"), engine, 1)
    assert "cannot read" in result.error
    assert not (tmp_path / "b.mp4").exists()
    with pytest.raises(VideoReadError):
        anonymize_video(tmp_path / "a.mp4", tmp_path / "b.mp4", engine)


def test_command_handles_videos_and_folders(video: Path, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.MP4").write_bytes(video.read_bytes())
    (folder / "broken.mp4").write_bytes(b"x")
    out = CliRunner().invoke(app, ["run", str(folder), "-o", str(tmp_path / "out"), "--method", "solid", "--memory", "3", "--end", "0.4"])
    assert out.exit_code == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.MP4"]
    assert len(times(tmp_path / "out" / "a.MP4")) == 10


WRITER = """
import sys
from pathlib import Path
from deid.video.decode import Reader
from deid.video.encode import Writer
with Reader(sys.argv[1]) as video, Writer(Path(sys.argv[2]), video.info) as writer:
    frames = list(video)
    for n in range(10**6):
        writer.put(type(frames[0])(n, n * 512, 512, frames[n % len(frames)].picture))
        print(n, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_stopped_in_the_middle_leaves_nothing(how: signal.Signals, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", WRITER, str(video), str(out / "b.mp4")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=_heed_interrupts)
    assert run.stdout is not None
    with run.stdout as stream:
        while stream.readline() not in (b"200\n", b""):
            pass
        assert run.poll() is None
        run.send_signal(how)
        run.wait()
    assert run.returncode != 0
    assert list(out.iterdir()) == []


def _heed_interrupts() -> None:
    """A run that is started in the background inherits an ignored Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_generator_takes_frames_from_anywhere(engine: Anonymizer, no_networks: ScriptedDetector) -> None:
    images = moving(24)
    out = list(anonymize_frames(iter(images), engine))
    assert len(out) == 24
    for before, after in zip(images, out, strict=True):
        (square,) = ScriptedDetector().detect(before)
        x0, y0, x1, y1 = square.box_xyxy.astype(int)
        assert (after[y0:y1, x0:x1] == 0).all()
    assert list(anonymize_frames(iter([]), engine)) == []
    with pytest.raises(ValueError, match="uint8 RGB"):
        list(anonymize_frames([np.zeros((4, 4))], engine))


def test_generator_closes_with_its_consumer(engine: Anonymizer, no_networks: ScriptedDetector) -> None:
    closed: list[bool] = []

    def source() -> Iterator[Image]:
        try:
            yield from moving(100)
        finally:
            closed.append(True)

    frames = source()
    out = anonymize_frames(frames, engine)
    next(out)
    out.close()  # type: ignore[attr-defined]
    frames.close()  # type: ignore[attr-defined]
    assert closed == [True]


def _portrait_video(path: Path, photo: Image, n: int = 6) -> Path:
    """A photo that drifts by a pixel a frame."""
    return write_video(path, [np.ascontiguousarray(np.roll(photo, i, axis=1)[:256, :256]) for i in range(n)])


def test_one_person_keeps_one_new_face(astronaut: Image, attgan_engine: Anonymizer, tmp_path: Path) -> None:
    source = _portrait_video(tmp_path / "a.mp4", astronaut[:, 20:], 4)
    result = anonymize_video(source, tmp_path / "b.mp4", attgan_engine, seed=3)
    (track,) = [t for t in result.tracks if t.score > 0.9]
    assert track.states["seen"] == 4
    assert track.asked, track.to_dict()
    assert track.distance is not None
    assert track.distance > 1
    assert result.n_people <= len(result.tracks)


def test_editor_that_does_nothing_is_caught(hopper: Image, fake_editor: type, tmp_path: Path) -> None:
    """The gate sees it in every portrait: the person is covered, in all frames."""
    engine = Anonymizer(Options(quality="fast"), editor=fake_editor(lambda face, a: face.crop))
    result = anonymize_video(_portrait_video(tmp_path / "a.mp4", hopper, 4), tmp_path / "b.mp4", engine, seed=1)
    (track,) = [t for t in result.tracks if t.score > 0.9]
    assert set(track.methods) <= {"blur", "solid"}
    assert not track.asked
    assert track.methods.total() == 4


def test_editor_that_gives_up_later_is_caught_in_that_frame(hopper: Image, fake_editor: type, tmp_path: Path) -> None:
    """Chosen in good faith, then a no-op: the next keyframe, after 0.96 seconds at most, gets a cover and never the exposed face."""
    calls = {"n": 0}
    other = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)

    def change(face: object, attributes: object) -> Image:
        calls["n"] += 1
        return other if calls["n"] <= 3 else face.crop  # type: ignore[attr-defined,no-any-return]

    engine = Anonymizer(Options(quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0), editor=fake_editor(change))
    result = anonymize_video(_portrait_video(tmp_path / "a.mp4", hopper, 30), tmp_path / "b.mp4", engine, seed=1)
    (track,) = [t for t in result.tracks if t.score > 0.9]
    assert calls["n"] > 3
    assert track.methods["blur"] + track.methods["solid"] >= 3


def test_editor_that_fails_writes_nothing(hopper: Image, fake_editor: type, tmp_path: Path) -> None:
    def broken(face: object, attributes: object) -> Image:
        raise RuntimeError("no face today")

    engine = Anonymizer(Options(quality="fast"), editor=fake_editor(broken))
    with pytest.raises(EditError, match="no face today"):
        anonymize_video(_portrait_video(tmp_path / "a.mp4", hopper, 3), tmp_path / "b.mp4", engine, seed=1)
    assert not (tmp_path / "b.mp4").exists()


def test_subtitles_do_not_come_along(video: Path, engine: Anonymizer, no_networks: ScriptedDetector, tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    text = tmp_path / "a.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:00,500\nMy name is Ada\n")
    with av.open(str(source), "w") as out, av.open(str(video)) as pictures, av.open(str(text)) as words:
        video = out.add_stream_from_template(pictures.streams.video[0])
        said = out.add_stream_from_template(words.streams.subtitles[0])
        for packet in pictures.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        for packet in words.demux():
            if packet.dts is not None:
                packet.stream = said
                out.mux(packet)
    anonymize_video(source, tmp_path / "b.mkv", engine)
    with av.open(str(source)) as before, av.open(str(tmp_path / "b.mkv")) as after:
        assert [s.type for s in before.streams] == ["video", "subtitle"]
        assert [s.type for s in after.streams] == ["video"]
