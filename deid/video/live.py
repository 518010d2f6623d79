"""Cameras and streams, anonymized while they run. Frames are dropped rather than shown without a search."""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from deid.anonymizer.parts import Engine
from deid.core.errors import ConfigError, VideoReadError
from deid.core.types import Detection, Image
from deid.detection.refine import FaceRefiner
from deid.editing.sampler import MIX, sample_sets, sample_shares, with_portraits
from deid.imaging.alignment import align
from deid.video.decode import Reader
from deid.video.edit import VideoEditor
from deid.video.find import FaceFinder
from deid.video.frames import Finds
from deid.video.library import pyav, reason, without_login
from deid.video.looks import build_search
from deid.video.pace import Meter
from deid.video.plates import WithPlates
from deid.video.search import Search
from deid.video.sinks import Sink

log = logging.getLogger(__name__)

#: First and longest wait before a lost source is tried again, in seconds; each wait is twice the one before.
_FIRST_WAIT_S, _LAST_WAIT_S = 0.5, 10.0
#: A stream that says nothing for so long, or nothing that can be shown, is gone.
_SILENCE_S = 10.0
#: How often it is asked whether a silent source is still wanted.
_POLL_S = 0.2
#: Frames per second that a method must reach with one face to be chosen for a camera.
_LIVE_RATE = 12.0


#: A URL with a slip of the pen: it is not repeated, for it may hold a password.
_ALMOST_URL = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|srt|rtp):", re.IGNORECASE)


class Camera(Protocol):
    """Where frames come from: each call connects anew and gives frames until the source ends or fails."""

    def __call__(self) -> Iterator[Image]: ...


def camera(source: str) -> Camera:
    """The frames of a source.

    Args:
        source: a camera's number, a v4l2 device such as `/dev/video0`, a URL that FFmpeg reads (`rtsp://`, `http://`,
            `udp://`, ...), or a file, which is played at its own speed.

    Raises:
        VideoReadError: it is none of these.
    """
    if _is_device(source):
        return lambda: _device(source)
    if "://" in source:
        return lambda: _stream(source)
    if not Path(source).exists():
        if _ALMOST_URL.match(source) or "@" in source:
            raise VideoReadError("cannot read the source: expected a URL with :// after its scheme, or a file that exists")
        raise VideoReadError(f"cannot read {source}: no such file")
    return lambda: _file(Path(source))


def _is_device(source: str) -> bool:
    """A camera's number, `/dev/video0`, or one of the names under `/dev/v4l` that outlast a restart."""
    return source.isdigit() or source.startswith("/dev/")


def _device(name: str) -> Iterator[Image]:
    capture = cv2.VideoCapture(int(name) if name.isdigit() else name)
    try:
        if not capture.isOpened():
            raise VideoReadError(f"cannot open camera {name}")
        while True:
            ok, picture = capture.read()
            if not ok:
                raise VideoReadError(f"camera {name} gives no more frames")
            yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        capture.release()


def _stream(url: str) -> Iterator[Image]:
    av, name = pyav(), without_login(url)
    options = {"rtsp_transport": "tcp"} if url.startswith("rtsp") else {}
    heard_s = time.monotonic()
    try:
        with av.open(url, options=options, timeout=_SILENCE_S) as container:
            if not container.streams.video:
                raise VideoReadError(f"cannot read {name}: expected a video stream, got none")
            heard_s = time.monotonic()
            for packet in container.demux(video=0):
                for image in _whole_pictures(packet):
                    yield image
                    heard_s = time.monotonic()
                if time.monotonic() - heard_s > _SILENCE_S:
                    raise VideoReadError(f"cannot read {name}: no undamaged picture for {_SILENCE_S:g} s")
    except (av.error.FFmpegError, OSError) as error:
        # FFmpeg has other words for a time limit: "Immediate exit requested", or "Invalid data found" while it connects.
        silent = time.monotonic() - heard_s >= _SILENCE_S
        said = f"it said nothing for {_SILENCE_S:g} s" if silent else reason(error)
        # What FFmpeg raised repeats the address, login and all: it is not chained.
        raise VideoReadError(f"cannot read {name}: {said}") from None


def _whole_pictures(packet: Any) -> Iterator[Image]:
    """The pictures of a packet but those known to be damaged: half a face is seen by people and by no detector."""
    try:
        pictures = packet.decode()
    except pyav().error.InvalidDataError:
        return  # A network loses packets; the stream goes on.
    for picture in pictures:
        if not picture.is_corrupt:
            yield np.ascontiguousarray(picture.to_ndarray(format="rgb24"))


def _file(path: Path) -> Iterator[Image]:
    with Reader(path) as video:
        began, first = time.monotonic(), None
        for frame in video:
            shown_s = float(frame.pts * video.info.time_base)
            first = shown_s if first is None else first
            time.sleep(max(0.0, began + shown_s - first - time.monotonic()))
            yield frame.rgb()


@dataclass(frozen=True, slots=True, eq=False)
class _Captured:
    """A frame and when it was taken, in seconds of the monotonic clock."""

    image: Image
    time_s: float

    def rgb(self) -> Image:
        return self.image


class _Newest:
    """Reads a source in a thread and keeps its newest frame; a source that is lost is connected to again.

    Args:
        connect: gives the frames.
        endless: whether a source that ends is lost rather than done.
        notify: called with a line for the user when the connection is lost or found.
    """

    def __init__(self, connect: Camera, endless: bool, notify: Callable[[str], None]) -> None:
        self._connect, self._endless, self._notify = connect, endless, notify
        self._change = threading.Condition()
        self._frame: _Captured | None = None
        self._done = self._unwanted = False
        self._error: BaseException | None = None
        self.n_read = self.n_dropped = self.n_lost = 0
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)

    def __enter__(self) -> "_Newest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._unwanted = True
            self._change.notify_all()
        # A dead network may block the reader for as long as its time limit: it is a daemon and holds nothing of ours.
        self._thread.join(1.0)

    def frames(self, wanted: Callable[[], bool]) -> Iterator[_Captured]:
        """The newest frame, again and again, until the source ends or nobody wants more: a lost source may stay silent."""
        while wanted():
            with self._change:
                self._change.wait_for(lambda: self._frame is not None or self._done, _POLL_S)
                frame, self._frame = self._frame, None
            if frame is None and not self._done:
                continue
            if frame is None:
                if self._error is not None:
                    raise self._error
                return
            yield frame

    def _work(self) -> None:
        wait_s = _FIRST_WAIT_S
        try:
            while not self._unwanted:
                n_before = self.n_read
                try:
                    self._read()
                    lost = "the source ended"
                except VideoReadError as error:
                    # A source that never gave a frame is a wrong name, not a lost camera.
                    if self.n_read == 0 or not self._endless:
                        raise
                    lost = str(error)
                if not self._endless or self._unwanted:
                    return
                wait_s = _FIRST_WAIT_S if self.n_read > n_before else min(2 * wait_s, _LAST_WAIT_S)
                self.n_lost += 1
                self._notify(f"{lost}; connecting again in {wait_s:g} s")
                with self._change:
                    self._change.wait_for(lambda: self._unwanted, wait_s)
        except BaseException as error:
            self._error = error
        finally:
            with self._change:
                self._done = True
                self._change.notify_all()

    def _read(self) -> None:
        with contextlib.closing(self._connect()) as frames:  # type: ignore[type-var]
            for image in frames:
                with self._change:
                    self.n_read += 1
                    self.n_dropped += self._frame is not None
                    self._frame = _Captured(image, time.monotonic())
                    self._change.notify_all()
                    if self._unwanted:
                        return


@dataclass(frozen=True, slots=True)
class LiveResult:
    """How it went.

    Args:
        n_read: frames that the source gave.
        n_shown: frames that went out.
        n_dropped: frames that were dropped for lack of time; none of them was shown.
        n_lost: how often the source was lost.
        latency_s: mean time from a frame's capture to its showing.
        n_tracks: faces.
    """

    n_read: int
    n_shown: int
    n_dropped: int
    n_lost: int
    latency_s: float
    n_tracks: int


def live(
    source: str | Camera,
    sink: Sink,
    engine: Engine,
    *,
    delay: int = 4,
    notify: Callable[[str], None] = log.warning,
    wanted: Callable[[], bool] = lambda: True,
) -> LiveResult:
    """Anonymize a source while it runs, until it ends, the sink is closed, or ``wanted`` says no.

    Args:
        source: for `camera`, or what gives frames, which is then taken to be endless.
        sink: where the frames go.
        engine: edits and judges faces.
        delay: frames that wait before one is shown, so that a face is covered before its first sighting: the latency.
        notify: called with a line for the user when the connection is lost.
        wanted: called after each frame.

    Raises:
        VideoReadError: the source cannot be opened.
        VideoWriteError: the sink failed.
        ConfigError: the options ask to leave somebody as they are.
        DeidError: a face could not be handled: nothing is shown from then on.
    """
    connect = camera(source) if isinstance(source, str) else source
    endless = not isinstance(source, str) or _is_device(source) or "://" in source
    if engine.options.keep or engine.options.only or engine.options.ignore:
        raise ConfigError("expected no keep, only or ignore: whom to leave as they are is decided over a whole video, with `deid run`")
    options = replace(engine.options, look_ahead=delay)
    faces: FaceFinder[_Captured] = FaceFinder(build_search(options), FaceRefiner(device=options.device), options)
    finder: Finds[_Captured] = faces
    if engine.models.plates is not None:
        finder = WithPlates(finder, FaceFinder(Search([engine.models.plates]), None, options))
    editor: VideoEditor[_Captured] = VideoEditor(engine, options.seed or 0)
    n_shown, waited_s, meter = 0, 0.0, Meter()
    with _Newest(connect, endless, notify) as newest, sink:
        for captured in newest.frames(lambda: wanted() and not sink.closed):
            # Frames that were dropped are none of the finder's: what counts is how often it sees one.
            if (rate := meter.changed(captured.time_s)) is not None:
                faces.at_rate(rate)
            for found in finder.push(captured):
                done = editor.edit(found)
                image = done.frame.image if done.image is None else done.image
                sink.show(image, done.frame.time_s)
                n_shown, waited_s = n_shown + 1, waited_s + time.monotonic() - done.frame.time_s
        for found in finder.finish() if not sink.closed else ():
            done = editor.edit(found)
            sink.show(done.frame.image if done.image is None else done.image, done.frame.time_s)
            n_shown += 1
    return LiveResult(newest.n_read, n_shown, newest.n_dropped, newest.n_lost, waited_s / max(n_shown, 1), len(editor.tracks))


def method_for(engine: Engine, rate: float = _LIVE_RATE) -> str:
    """`attgan` where an engine of that method replaces and judges one face at `_LIVE_RATE`, else `blur`."""
    grey = np.full((256, 256, 3), 127, np.uint8)
    aligned = align(grey, Detection(np.array([64.0, 64.0, 192.0, 192.0])))
    rng = np.random.default_rng(0)
    rows = with_portraits(sample_sets(True, 1, rng), range(MIX), sample_shares(rng))

    def once() -> None:
        before = engine.models.reader.source(grey, aligned.detection)
        engine.editor.edit(aligned, rows, 1.0)
        engine.gate.judge(before, grey)

    once()  # the models are loaded
    began = time.perf_counter()
    once()
    return "attgan" if time.perf_counter() - began < 1 / rate else "blur"
