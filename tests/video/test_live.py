"""Live: frames are dropped before faces are, a lost source is found again, and every sink gets covered frames."""

import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from deid.__main__ import app
from deid.anonymizer.engine import Anonymizer
from deid.core.errors import ConfigError, DependencyError, DetectionError, VideoReadError, VideoWriteError
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.video import live as live_module
from deid.video import sinks
from deid.video.live import live, method_for
from deid.video.search import Search
from tests.video.conftest import Nowhere, ScriptedDetector, moving, times, write_video


class Gathered:
    """A sink that keeps what it is shown."""

    closed = False

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.left = False

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True

    def show(self, image: Image, time_s: float) -> None:
        self.images.append(image)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Anonymizer:
    monkeypatch.setattr("deid.video.live.build_search", lambda options: Search([ScriptedDetector()]))
    monkeypatch.setattr(live_module, "FaceRefiner", lambda **_: Nowhere())
    return Anonymizer(Options(method="solid", solid_rgb=(0, 0, 0), detect_every=1, seed=1))


def _no_square(images: list[Image]) -> bool:
    return not any(ScriptedDetector().detect(image) for image in images)


def test_a_file_is_shown_at_its_own_speed(video: Path, engine: Anonymizer) -> None:
    shown, began = Gathered(), time.monotonic()
    result = live(str(video), shown, engine)
    assert time.monotonic() - began > 0.7
    assert result.n_shown == len(shown.images) == result.n_read - result.n_dropped
    assert _no_square(shown.images)
    assert shown.left


def test_a_lost_source_is_connected_to_again(engine: Anonymizer) -> None:
    images, n_calls = moving(4), [0]

    def camera() -> Iterator[Image]:
        n_calls[0] += 1
        if n_calls[0] == 2:
            raise VideoReadError("unplugged")
        for image in images:
            time.sleep(0.01)
            yield image

    shown, lines = Gathered(), []
    result = live(camera, shown, engine, delay=0, notify=lines.append, wanted=lambda: len(shown.images) < 6)
    assert result.n_lost >= 2
    assert "unplugged" in lines[1]
    assert _no_square(shown.images)


def test_a_source_that_never_was_is_an_error(engine: Anonymizer, tmp_path: Path) -> None:
    def nothing() -> Iterator[Image]:
        raise VideoReadError("no such camera")
        yield

    for source in (nothing, str(tmp_path / "none.mp4")):
        with pytest.raises(VideoReadError):
            live(source, Gathered(), engine)
    assert "capture" not in {t.name for t in threading.enumerate()}


def test_a_silent_source_can_be_left(engine: Anonymizer) -> None:
    """A camera that was unplugged gives no frame to ask after: it is ended all the same."""
    began, shown = time.monotonic(), Gathered()

    def camera() -> Iterator[Image]:
        if shown.images:
            raise VideoReadError("unplugged")
        yield from moving(2)

    live(camera, shown, engine, delay=0, notify=lambda line: None, wanted=lambda: time.monotonic() - began < 1.5)
    assert len(shown.images) >= 1


def test_slow_work_drops_frames_and_no_faces(engine: Anonymizer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(ScriptedDetector):
        def detect(self, image: Image) -> list[Detection]:
            time.sleep(0.05)
            return super().detect(image)

    monkeypatch.setattr("deid.video.live.build_search", lambda options: Search([Slow()]))

    def camera() -> Iterator[Image]:
        for image in moving(400):
            time.sleep(0.004)
            yield image

    shown = Gathered()
    result = live(camera, shown, engine, delay=2, wanted=lambda: len(shown.images) < 8)
    assert result.n_dropped > 8
    assert _no_square(shown.images)
    assert result.latency_s < 2.0


def test_a_failing_detector_ends_it_and_shows_nothing_more(engine: Anonymizer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(ScriptedDetector):
        def detect(self, image: Image) -> list[Detection]:
            raise DetectionError("broken")

    monkeypatch.setattr("deid.video.live.build_search", lambda options: Search([Failing()]))
    shown = Gathered()
    with pytest.raises(DetectionError):
        live(lambda: iter(moving(50)), shown, engine)  # type: ignore[arg-type,return-value]
    assert shown.images == []
    assert shown.left


def test_file_sink(video: Path, engine: Anonymizer, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    result = live(str(video), sinks.sink(str(target)), engine)
    shown = times(target)
    assert len(shown) == result.n_shown
    assert shown == sorted(set(shown))
    with av.open(str(target)) as container:
        assert _no_square([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    with pytest.raises(VideoWriteError, match="--overwrite"):
        live(str(video), sinks.sink(str(target)), engine)


def test_mjpeg_sink_serves_covered_frames(engine: Anonymizer) -> None:
    over = threading.Event()

    def camera() -> Iterator[Image]:
        while not over.is_set():
            yield from moving(4)
            time.sleep(0.02)

    sink = sinks.MjpegSink("http://127.0.0.1:0")
    got: list[bytes] = []

    def browse() -> None:
        while not hasattr(sink, "_server"):
            time.sleep(0.01)
        with urllib.request.urlopen(sink.url, timeout=20) as page:
            assert "multipart/x-mixed-replace" in page.headers["Content-Type"]
            for _ in range(2):
                assert page.readline().startswith(b"--frame")
                length = int([page.readline() for _ in range(2)][1].split(b":")[1])
                page.readline()
                got.append(page.read(length))
                page.readline()
        over.set()

    reader = threading.Thread(target=browse)
    reader.start()
    live(camera, sink, engine, delay=1, notify=lambda line: None, wanted=lambda: not over.is_set())
    reader.join()
    assert len(got) == 2
    assert all(data[:2] == b"\xff\xd8" for data in got)


def test_stream_sink_writes_mpeg_ts(video: Path, engine: Anonymizer, tmp_path: Path) -> None:
    target = tmp_path / "a.ts"
    result = live(str(video), sinks.StreamSink(f"file:{target}"), engine)
    assert len(times(target)) == result.n_shown


def test_stream_that_nobody_takes_is_an_error(video: Path, engine: Anonymizer) -> None:
    with pytest.raises(VideoWriteError, match="cannot stream to tcp"):
        live(str(video), sinks.sink("tcp://127.0.0.1:9"), engine)


def test_unknown_sink_is_told() -> None:
    with pytest.raises(ConfigError, match="expected window"):
        sinks.sink("somewhere")


def test_window_without_windows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_windows(*_: Any) -> None:
        raise sinks.cv2.error("not implemented")

    monkeypatch.setattr(sinks.cv2, "namedWindow", no_windows)
    with pytest.raises(DependencyError, match="opencv-python"), sinks.sink("window"):
        pass


def test_virtual_camera_gets_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    sent: list[Image] = []

    class Camera:
        def __init__(self, width: int, height: int, fps: float) -> None:
            self.size = (height, width)

        def send(self, image: Image) -> None:
            assert image.shape[:2] == self.size
            sent.append(image)

        def close(self) -> None:
            sent.append(np.zeros(0, np.uint8))

    monkeypatch.setitem(sys.modules, "pyvirtualcam", types.SimpleNamespace(Camera=Camera))
    with sinks.sink("camera") as camera:
        camera.show(moving(1)[0], 0.0)
    assert len(sent) == 2


def test_command(video: Path, engine: Anonymizer, tmp_path: Path) -> None:
    out = CliRunner().invoke(app, ["live", str(video), "--to", str(tmp_path / "b.mp4"), "--method", "solid"])
    assert out.exit_code == 0, out.output
    assert len(times(tmp_path / "b.mp4")) >= 1
    assert CliRunner().invoke(app, ["live", str(tmp_path / "none.mp4"), "--to", "nowhere", "--method", "solid"]).exit_code == 2


def test_sigterm_closes_the_video(engine: Anonymizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "long.mp4", moving(500))
    target, shown = tmp_path / "b.mp4", threading.Event()
    show = sinks.FileSink.show

    def noted(self: sinks.FileSink, image: Image, time_s: float) -> None:
        show(self, image, time_s)
        shown.set()

    def end() -> None:
        if shown.wait(60):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(sinks.FileSink, "show", noted)
    ender = threading.Thread(target=end)
    ender.start()
    out = CliRunner().invoke(app, ["live", str(source), "--to", str(target), "--method", "solid"])
    ender.join()
    assert out.exit_code == 0, out.output
    assert 1 <= len(times(target)) < 500


def test_wrong_places_are_told_before_a_model_is_loaded(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anonymizer, "preload", lambda self: pytest.fail("models were loaded"))
    there = tmp_path / "there.mp4"
    there.write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    for source, to in [
        (tmp_path / "none.mp4", tmp_path / "b.mp4"),
        (video, there),
        (video, there / "b.mp4"),
        (video, tmp_path / "folder.mp4"),
        (video, "rtsp:/admin:secret@cam/b.mp4"),
        ("admin:secret@cam/1", tmp_path / "b.mp4"),
        ("rtsp://admin:se/#?secret@cam:99999/1", tmp_path / "b.mp4"),
        ("http://admin:secret@[::1/video", tmp_path / "b.mp4"),
    ]:
        out = CliRunner().invoke(app, ["live", str(source), "--to", str(to), "--method", "blur"])
        assert out.exit_code == 2, out.output
        assert "error:" in out.output
        assert "secret" not in out.output


@pytest.mark.parametrize("url", ["rtsp:/admin:secret@cam/1", "rtsp:admin:secret@cam", "rtsp://admin:se/secret@127.0.0.1:9/x"])
def test_no_password_is_told(url: str, engine: Anonymizer) -> None:
    with pytest.raises(VideoReadError) as read:
        live(url, Gathered(), engine)
    assert "secret" not in str(read.value)
    assert read.value.__cause__ is None
    with pytest.raises(ConfigError) as to:
        sinks.sink("nowhere:admin:secret@cam") if "://" not in url else sinks.sink("http://admin:secret@cam:99999")
    assert "secret" not in str(to.value)


def test_method_follows_the_speed_of_this_machine() -> None:
    """As fast as any, and as slow as any."""
    assert [method_for(Anonymizer(Options()), rate) for rate in (1e-6, 1e9)] == ["attgan", "blur"]
