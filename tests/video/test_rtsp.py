"""Live over real connections: RTSP in and out, cameras that go and come back, peers that say nothing, and no device."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deid.anonymizer.engine import Anonymizer
from deid.core.errors import VideoReadError, VideoWriteError
from deid.core.options import Options
from deid.core.types import Image
from deid.video import live as live_module
from deid.video import sinks
from deid.video.library import without_login
from deid.video.live import live
from deid.video.search import Search
from tests.video import rtsp_server
from tests.video.conftest import Nowhere, ScriptedDetector, moving, times
from tests.video.rtsp_server import RtspServer, Stream, h264
from tests.video.test_live import Gathered, _no_square

_SIZE_HW = (96, 128)
#: Frames per second: the clock of these cameras is fast.
_RATE = 200


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Anonymizer:
    monkeypatch.setattr("deid.video.live.build_search", lambda options: Search([ScriptedDetector()]))
    monkeypatch.setattr(live_module, "FaceRefiner", lambda **_: Nowhere())
    monkeypatch.setattr(live_module, "_FIRST_WAIT_S", 0.05)
    return Anonymizer(Options(method="solid", solid_rgb=(0, 0, 0), detect_every=1, seed=1))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_SILENCE_S", 0.8)
    monkeypatch.setattr(sinks, "_STALL_S", 0.8)


@pytest.fixture(scope="module")
def long() -> Stream:
    """Longer than any test looks at it, and joined in the middle of a group of pictures. Nothing moves: whether a face is
    followed is tested with the finder."""
    return h264(moving(1, _SIZE_HW) * 1000, _RATE, skip=4)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def other_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its URL: while PyAV connects to it no thread of ours runs."""
    with subprocess.Popen([sys.executable, rtsp_server.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, f"rtsp://127.0.0.1:{int(process.stdout.readline())}/out"
        process.kill()


def _covered(images: list[Image]) -> bool:
    """Whether the pictures are those of `moving` with something black over the square."""
    there = moving(1, _SIZE_HW)[0]
    return _no_square(images) and all(
        image.shape == there.shape and image.max(axis=2).min() < 30 and np.abs(image[:20].astype(int) - there[:20]).max() < 24
        for image in images
    )


def _push(to: str, images: Iterable[Image], begun: Callable[[], None] = lambda: None) -> None:
    with sinks.sink(to) as sink:
        for n, image in enumerate(images):
            sink.show(image, n / 25)
            if n == 0:
                begun()


def _noise(n: int, size_hw: tuple[int, int]) -> Iterator[Image]:
    noise = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    return (np.roll(noise, i, axis=0) for i in range(n))


def test_a_camera_is_shown_covered(engine: Anonymizer, long: Stream) -> None:
    shown = Gathered()
    with RtspServer({"/cam": long}) as server:
        result = live(server.url(), shown, engine, wanted=lambda: len(shown.images) < 12)
    assert result.n_lost == 0
    assert result.n_shown == len(shown.images) >= 12
    assert result.latency_s < 1.0
    assert _covered(shown.images)
    assert server.requests[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert server.requests[-1] == "TEARDOWN"


def test_a_camera_that_comes_back_is_shown_again(engine: Anonymizer, long: Stream) -> None:
    shown = Gathered()
    lines: list[str] = []
    dropped, n_before = [False], [0]

    def wanted() -> bool:
        if len(shown.images) >= 6 and not dropped[0]:
            dropped[0] = server.away = True
            server.drop()
        # What was on its way is shown first, however much that is.
        return len(lines) < 3 or len(shown.images) < n_before[0] + 12

    def tell(line: str) -> None:
        lines.append(line)
        server.away, n_before[0] = len(lines) < 3, len(shown.images)

    with RtspServer({"/cam": long}) as server:
        result = live(server.url(), shown, engine, notify=tell, wanted=wanted)
        assert result.n_lost == len(lines) == 3
        assert server.url() in lines[1]
    assert server.requests.count("PLAY") == 2
    assert _covered(shown.images)


def test_a_camera_that_falls_silent_is_connected_to_again(engine: Anonymizer, impatient: None) -> None:
    shown = Gathered()
    lines: list[str] = []
    with RtspServer({"/cam": h264(moving(1, _SIZE_HW) * 40, _RATE, stay=30.0)}) as server:
        result = live(server.url(), shown, engine, notify=lines.append, wanted=lambda: server.requests.count("PLAY") < 2)
    assert result.n_lost == 1
    assert lines[0].startswith(f"cannot read {server.url()}: it said nothing for 0.8 s")
    assert _covered(shown.images)


def test_a_bad_network_ends_no_connection(engine: Anonymizer) -> None:
    rng, stream = np.random.default_rng(1), h264(moving(160, _SIZE_HW), _RATE)
    for n, (due, channel, packet) in enumerate(stream.packets):
        if channel == 0 and len(packet) > 40 and rng.random() < 0.2:
            stream.packets[n] = (due, channel, packet[:16] + rng.integers(0, 256, 20, np.uint8).tobytes() + packet[36:])
    lines: list[str] = []
    with RtspServer({"/cam": stream}) as server:
        result = live(server.url(), Gathered(), engine, notify=lines.append, wanted=lambda: server.requests.count("PLAY") < 2)
    assert lines[0].startswith("the source ended")
    assert 0 < result.n_read < 160


def test_damaged_pictures_are_left_out() -> None:
    whole, damaged = (av.VideoFrame.from_ndarray(image, format="rgb24") for image in moving(2))

    class Picture:
        is_corrupt, to_ndarray = True, damaged.to_ndarray

    class Packet:
        def decode(self) -> list[Any]:
            return [whole, Picture()]

    (left,) = live_module._whole_pictures(Packet())
    assert (left == moving(1)[0]).all()


def test_a_stream_of_damaged_pictures_ends_in_time(engine: Anonymizer, impatient: None, long: Stream) -> None:
    broken = Stream(packets=[(due, channel, packet[:20].ljust(len(packet), b"\0")) for due, channel, packet in long.packets])
    with RtspServer({"/cam": broken}) as server, pytest.raises(VideoReadError, match=f"cannot read {server.url()}"):
        live(server.url(), Gathered(), engine)


def test_a_camera_that_is_not_there_is_told(engine: Anonymizer, impatient: None, nobody: int) -> None:
    began_s = time.monotonic()
    with RtspServer() as empty, RtspServer(silent=True) as silent:
        for url, reason in (
            (f"rtsp://127.0.0.1:{nobody}/cam", "Connection refused"),
            (empty.url("/none"), "404 Not Found"),
            (silent.url(), "it said nothing for 0.8 s"),
        ):
            with pytest.raises(VideoReadError, match=f"cannot read {url}: .*{reason}"):
                live(url, Gathered(), engine)
    assert time.monotonic() - began_s < 5.0


def test_logins_are_not_told(engine: Anonymizer, nobody: int) -> None:
    for url, shown in (
        ("rtsp://admin:secret@cam:554/1", "rtsp://cam:554/1"),
        ("rtsp://admin:a@b@cam/1", "rtsp://cam/1"),
        ("rtsp://admin:a/secret@cam/1", "rtsp://..."),
        ("rtsp://admin:a#secret@cam/1", "rtsp://..."),
        ("rtsp://admin:a?secret@cam/1", "rtsp://..."),
        ("rtsp://cam/1?user=a@b&password=secret", "rtsp://..."),
        ("http://cam/1?password=secret", "http://cam/1"),
        ("rtsp://cam/user=admin&password=secret&channel=1", "rtsp://cam"),
        ("rtmp://live/app/secret", "rtmp://live"),
        ("RTMPS://live/app/secret", "RTMPS://live"),
        ("/dev/video0", "/dev/video0"),
    ):
        assert without_login(url) == shown
    url = f"rtsp://admin:secret@127.0.0.1:{nobody}/cam"
    with pytest.raises(VideoReadError, match=f"cannot read rtsp://127.0.0.1:{nobody}/cam") as read:
        live(url, Gathered(), engine)
    with pytest.raises(VideoWriteError, match=f"cannot stream to rtsp://127.0.0.1:{nobody}/cam") as write:
        _push(url, moving(1))
    assert "secret" not in str(read.value) + str(write.value)


def test_what_is_pushed_is_covered(engine: Anonymizer, long: Stream, other_process: tuple[subprocess.Popen[str], str]) -> None:
    n_shown, (_, url) = [0], other_process

    class Counted(sinks.StreamSink):
        def show(self, image: Image, time_s: float) -> None:
            super().show(image, time_s)
            n_shown[0] += 1

    with RtspServer({"/cam": long}) as server:
        result = live(server.url(), Counted(url), engine, wanted=lambda: n_shown[0] < 40)
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=5.0) as container:
        images = [np.asarray(picture.to_ndarray(format="rgb24"), np.uint8) for picture in container.decode(video=0)]
    assert len(images) == result.n_shown
    assert _covered(images)


def test_a_server_that_goes_away_is_told(other_process: tuple[subprocess.Popen[str], str]) -> None:
    process, url = other_process

    def end() -> None:
        process.kill()
        process.wait()

    with pytest.raises(VideoWriteError, match=f"cannot stream to {url}"):
        _push(url, moving(2000, _SIZE_HW), end)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be halted here")
def test_a_server_that_takes_no_more_is_told(impatient: None, other_process: tuple[subprocess.Popen[str], str]) -> None:
    process, url = other_process
    # FFmpeg waits for each packet of a frame, and the kernel takes some megabytes on its own: frames of a few packets are quickest.
    with pytest.raises(VideoWriteError, match=f"cannot stream to {url}: it took nothing for 0.8 s"):
        _push(url, _noise(5000, (64, 96)), lambda: process.send_signal(signal.SIGSTOP))


@pytest.mark.parametrize("url", ["rtsp://127.0.0.1:{}/out", "tcp://127.0.0.1:{}"])
def test_a_silent_server_is_told(impatient: None, url: str) -> None:
    """The kernel takes the connection, and nobody reads from it."""
    began_s = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        to = url.format(deaf.getsockname()[1])
        with pytest.raises(VideoWriteError, match=f"cannot stream to {to}: it took nothing for 0.8 s"):
            _push(to, _noise(500, (480, 640)))
    assert time.monotonic() - began_s < 8.0


@pytest.mark.parametrize("name", ["97", "/dev/video97", "/dev/v4l/by-id/none"])
def test_no_device_is_told(engine: Anonymizer, name: str) -> None:
    with pytest.raises(VideoReadError, match=f"cannot open camera {name}"):
        live(name, Gathered(), engine)


def test_a_device_that_comes_back_is_shown_again(engine: Anonymizer, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    class Capture:
        def __init__(self, name: int | str) -> None:
            self.frames = iter(moving(8, _SIZE_HW) if len(opened) != 1 else ())
            opened.append(name)

        def isOpened(self) -> bool:  # noqa: N802
            return len(opened) != 2

        def read(self) -> tuple[bool, Image | None]:
            time.sleep(0.01)
            image = next(self.frames, None)
            return image is not None, None if image is None else np.ascontiguousarray(image[..., ::-1])

        def release(self) -> None:
            """Nothing is held."""

    monkeypatch.setattr("cv2.VideoCapture", Capture)
    shown = Gathered()
    lines: list[str] = []
    result = live("0", shown, engine, delay=0, notify=lines.append, wanted=lambda: len(opened) < 3 or len(shown.images) < 6)
    assert opened[:3] == [0, 0, 0]
    assert "camera 0 gives no more frames" in lines[0]
    assert "cannot open camera 0" in lines[1]
    assert result.n_lost >= 2
    assert _covered(shown.images)


def test_file_of_a_camera_is_whole(engine: Anonymizer, long: Stream, tmp_path: Path) -> None:
    """A reconnection leaves one video, whose times go on."""
    n_shown = [0]
    lost_at: list[int] = []

    class Counted(sinks.FileSink):
        def show(self, image: Image, time_s: float) -> None:
            super().show(image, time_s)
            n_shown[0] += 1
            if n_shown[0] == 5:
                server.drop()

    with RtspServer({"/cam": long}) as server:
        result = live(
            server.url(),
            Counted(tmp_path / "a.mp4"),
            engine,
            notify=lambda line: lost_at.append(n_shown[0]),
            wanted=lambda: not lost_at or n_shown[0] < lost_at[0] + 12,
        )
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = [np.asarray(picture.to_ndarray(format="rgb24"), np.uint8) for picture in container.decode(video=0)]
    assert result.n_lost == 1
    assert len(shown) == result.n_shown
    assert times(tmp_path / "a.mp4") == sorted(set(times(tmp_path / "a.mp4")))
    assert _covered(shown)
