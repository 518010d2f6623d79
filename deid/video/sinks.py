"""Outputs for live pictures: a window, a file, a stream, a web page, or a virtual camera."""

import contextlib
import importlib
import logging
import re
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from deid.core.errors import ConfigError, DependencyError, VideoWriteError
from deid.core.types import Image
from deid.video.containers import CONTAINERS
from deid.video.decode import Frame, VideoInfo
from deid.video.encode import Writer
from deid.video.library import pyav, reason, without_login
from deid.video.mjpeg import MjpegSink

log = logging.getLogger(__name__)

_TIME_BASE = Fraction(1, 90_000)
_RATE = Fraction(25)
#: A server that takes nothing for so long is gone.
_STALL_S = 5.0
_TITLE = "deid - press q to end"
#: A scheme with one slash after it: a folder of that name would be made, login and all.
_ALMOST_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


class Sink(Protocol):
    """Takes frames until it is left; a context manager."""

    closed: bool

    def __enter__(self) -> "Sink": ...

    def __exit__(self, *error: Any) -> None: ...

    def show(self, image: Image, time_s: float) -> None:
        """Put out an (H, W, 3) uint8 RGB frame that was taken at a time of the monotonic clock."""
        ...


def sink(to: str, overwrite: bool = False, notify: Callable[[str], None] = log.info) -> Sink:
    """The sink of a name.

    Args:
        to: `window`, `camera` (a virtual one), `http://ADDRESS:PORT` (MJPEG for any browser; see `MjpegSink`), `rtsp://...`,
            `udp://...` or `tcp://...` (a server that takes a stream), or a file.
        overwrite: whether an existing file may be replaced.
        notify: called with a line for the user when there is something to open.

    Raises:
        ConfigError: there is no such sink.
    """
    if to == "window":
        return WindowSink()
    if to == "camera":
        return VirtualCameraSink()
    if to.startswith("http://"):
        return MjpegSink(to, notify)
    if "://" in to:
        return StreamSink(to)
    if Path(to).suffix.lower() in CONTAINERS and not _ALMOST_URL.match(to):
        return FileSink(Path(to), overwrite)
    raise ConfigError(f"expected window, camera, a URL or a file with a suffix of {', '.join(CONTAINERS)}, got {_without_secrets(to)!r}")


def _without_secrets(to: str) -> str:
    """A name for messages: what looks like a login ends it."""
    return "..." if "@" in to else without_login(to)


class WindowSink:
    """A window; it is closed with `q` or Escape."""

    closed = False

    def __enter__(self) -> "WindowSink":
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise DependencyError("this OpenCV has no windows: pip install 'opencv-python<5', or give another --to") from error
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(cv2.error):
            cv2.destroyWindow(_TITLE)

    def show(self, image: Image, time_s: float) -> None:
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.closed = cv2.waitKey(1) & 0xFF in (ord("q"), 27)


class FileSink:
    """A video, which appears when it is complete."""

    closed = False

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        self._path, self._overwrite = path, overwrite
        self._stack = contextlib.ExitStack()
        self._writer: Writer | None = None
        self._began_s, self._last, self._n = 0.0, -1, 0

    def __enter__(self) -> "FileSink":
        if not self._overwrite and self._path.exists():
            raise VideoWriteError(f"cannot write {self._path}: it exists; pass --overwrite to replace it")
        self._stack.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def show(self, image: Image, time_s: float) -> None:
        if self._writer is None:
            self._began_s = time_s
            info = VideoInfo(image.shape[:2], _TIME_BASE, _RATE, 0, Fraction(1), (1, 1, 1, 1), audio=False)
            self._writer = self._stack.enter_context(Writer(self._path, info, overwrite=self._overwrite))
        self._last = max(self._last + 1, round((time_s - self._began_s) / _TIME_BASE))
        self._writer.put(Frame(self._n, self._last, 0, _picture(image)))
        self._n += 1


def _picture(image: Image) -> Any:
    return pyav().VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv444p", dst_colorspace=1)


class StreamSink:
    """A stream to a server or a listener: RTSP by name, MPEG-TS for other URLs."""

    closed = False

    def __init__(self, url: str) -> None:
        self._url, self._name, self._rtsp = url, without_login(url), url.startswith("rtsp")
        self._container: Any = None
        self._stream: Any = None
        self._began_s, self._last = 0.0, -1

    def __enter__(self) -> "StreamSink":
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            if self._stream is not None:
                with contextlib.suppress(pyav().error.FFmpegError, OSError):
                    self._container.mux(self._stream.encode(None))
            with contextlib.suppress(pyav().error.FFmpegError, OSError):
                self._container.close()

    def _open(self, image: Image) -> None:
        av, url = pyav(), self._url
        # PyAV has no time limit for outputs, and holds the interpreter's lock while it connects: FFmpeg's own limit must do.
        limit = f"{_STALL_S * 1e6:.0f}"
        if url.startswith("tcp:") and "timeout=" not in url:
            url += f"{'&' if '?' in url else '?'}timeout={limit}"
        options = {"rtsp_transport": "tcp", "timeout": limit} if self._rtsp else {}
        container = av.open(url, "w", format="rtsp" if self._rtsp else "mpegts", options=options)
        name = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": "50"} if name == "libx264" else {}
        stream = container.add_stream(name, rate=_RATE, options=options)
        stream.height, stream.width = (side - side % 2 for side in image.shape[:2])
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _TIME_BASE if name == "libx264" else 1 / _RATE
        self._container, self._stream = container, stream

    def show(self, image: Image, time_s: float) -> None:
        av, entered_s = pyav(), time.monotonic()
        try:
            if self._container is None:
                self._began_s = time_s
                self._open(image)
            stream = self._stream
            even = np.ascontiguousarray(image[: stream.height, : stream.width])
            picture = av.VideoFrame.from_ndarray(even, format="rgb24")
            self._last = picture.pts = max(self._last + 1, round((time_s - self._began_s) / _TIME_BASE))
            picture.time_base = _TIME_BASE
            self._container.mux(stream.encode(picture))
            # FFmpeg's RTSP output takes no notice of what it could not send.
            if self._rtsp and time.monotonic() - entered_s >= _STALL_S:
                raise TimeoutError
        except (av.error.FFmpegError, OSError) as error:
            # A failed stream is not closed again: it would stall once more.
            self._stream = None
            stalled = time.monotonic() - entered_s >= _STALL_S
            said = f"it took nothing for {_STALL_S:g} s" if stalled else reason(error)
            # What FFmpeg raised repeats the address, login and all: it is not chained.
            raise VideoWriteError(f"cannot stream to {self._name}: {said}") from None


class VirtualCameraSink:
    """A virtual camera that other programs choose as if it were one (v4l2loopback, OBS), through pyvirtualcam."""

    closed = False

    def __init__(self) -> None:
        self._camera: Any = None

    def __enter__(self) -> "VirtualCameraSink":
        try:
            pyvirtualcam = importlib.import_module("pyvirtualcam")
        except ImportError as error:
            raise DependencyError("a virtual camera needs pyvirtualcam: pip install pyvirtualcam") from error
        self._package = pyvirtualcam
        return self

    def __exit__(self, *_: object) -> None:
        if self._camera is not None:
            self._camera.close()

    def show(self, image: Image, time_s: float) -> None:
        if self._camera is None:
            height, width = image.shape[:2]
            try:
                self._camera = self._package.Camera(width=width, height=height, fps=float(_RATE))
            except RuntimeError as error:
                raise VideoWriteError(f"cannot open a virtual camera: {error}") from error
        self._camera.send(image)
