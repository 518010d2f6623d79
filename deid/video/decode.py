"""Films in: frames with their exact times, upright, whatever FFmpeg decodes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from deid.exceptions import DependencyError, VideoReadError
from deid.structures import Image

if TYPE_CHECKING:
    import av

#: A film may end this much before its announced end, in frames: containers round, and audio may be longer than video.
_SHORT_FRAMES = 1.5
#: The rate that is assumed when the container names none.
DEFAULT_RATE = Fraction(25)


def pyav() -> Any:
    """The package PyAV.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DependencyError("videos need PyAV: pip install 'deid-face[video]'") from error
    return av


def without_login(url: str) -> str:
    """A URL for messages: cameras have theirs with name and password, which belong in no log."""
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    return url.replace(login + at, "", 1) if at else url


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a film before its frames are read.

    Args:
        size_hw: in pixels, upright.
        time_base: seconds per tick of a pts.
        rate: mean frames per second.
        n_frames: how many frames to expect; 0 when the container does not say.
        aspect: width of a pixel over its height.
        colour: range, matrix, primaries and transfer, in FFmpeg's numbers.
        audio: whether it has sound.
    """

    size_hw: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    n_frames: int
    aspect: Fraction
    colour: tuple[int, int, int, int]
    audio: bool


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Args:
        index: its place in the film or span, from 0.
        pts: when it is shown, in ticks of the film's time base.
        duration: how long, in the same ticks; 0 when the container does not say.
        picture: pixels as they were decoded, upright.
    """

    index: int
    pts: int
    duration: int
    picture: "av.VideoFrame"

    def rgb(self) -> Image:
        """(H, W, 3) uint8, converted with the film's own matrix and range."""
        return np.ascontiguousarray(self.picture.to_ndarray(format="rgb24"))


class Reader:
    """The frames of one film, each decoded when it is asked for.

    What cannot be decoded is left out, and `problem` says so once the frames have been read.

    Args:
        path: the film.
        start_s: frames that are shown earlier are left out; seconds from the film's beginning.
        end_s: frames that are shown then or later are left out.

    Raises:
        VideoReadError: it cannot be opened, or has no frame of video in the span.
        DependencyError: PyAV is not installed.

    Example:
        >>> with Reader(Path("film.mp4")) as film:
        ...     times = [frame.pts * film.info.time_base for frame in film]
    """

    def __init__(self, path: str | os.PathLike[str], start_s: float = 0.0, end_s: float | None = None) -> None:
        av = pyav()
        self._path, self._errors = Path(path), av.error.FFmpegError
        self.problem = ""
        try:
            self._container = av.open(f"file:{path}")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoReadError(f"cannot read {path}: {_reason(error)}") from error
        try:
            if not self._container.streams.video:
                raise VideoReadError(f"cannot read {path}: expected a video stream, got none")
            self._open(start_s, end_s)
        except BaseException:
            self._container.close()
            raise

    def _open(self, start_s: float, end_s: float | None) -> None:
        self._stream = stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        self._base = Fraction(stream.time_base)
        self._rate = Fraction(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
        first = stream.start_time if stream.start_time is not None else 0
        self._whole = start_s <= 0 and end_s is None
        # A span is counted from the film's first moment, and begins at 0 in the output.
        container_start = Fraction(self._container.start_time or 0, 1_000_000)
        self.origin_s = Fraction(0) if start_s <= 0 else container_start + Fraction(start_s).limit_denominator(1000)
        self.end_s = None if end_s is None else container_start + Fraction(end_s).limit_denominator(1000)
        if start_s > 0:
            self._container.seek(int(self.origin_s / self._base), stream=stream)
        self._end = None if stream.duration is None else (first + stream.duration) * self._base
        self._frames = self._decode()
        try:
            self._first = next(self._frames)
        except StopIteration:
            part = "" if self._whole else " in the span that was asked for"
            raise VideoReadError(f"cannot read {self._path}: expected at least one frame of video{part}, got none") from None
        self.info = self._describe(self._first.picture)

    def _describe(self, picture: Any) -> VideoInfo:
        stream, context = self._stream, self._stream.codec_context
        full = int(picture.color_range) or (2 if picture.format.name.startswith("yuvj") else 0)
        aspect = Fraction(context.sample_aspect_ratio or 1) or Fraction(1)
        n_frames = stream.frames or (0 if stream.duration is None else round(stream.duration * self._base * self._rate))
        if not self._whole and n_frames:
            begin = max(Fraction(0), self.origin_s - (stream.start_time or 0) * self._base)
            end = n_frames / self._rate if self.end_s is None else self.end_s
            n_frames = max(1, min(n_frames, round((end - begin) * self._rate)))
        return VideoInfo(
            size_hw=(picture.height, picture.width),
            time_base=self._base,
            rate=self._rate,
            n_frames=n_frames,
            aspect=1 / aspect if self._turned else aspect,
            colour=(full, int(picture.colorspace), int(picture.color_primaries), int(picture.color_trc)),
            audio=bool(self._container.streams.audio),
        )

    def __iter__(self) -> Iterator[Frame]:
        yield self._first
        yield from self._frames

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _decode(self) -> Iterator[Frame]:
        index, last, step = 0, None, max(1, round(1 / (self._rate * self._base)))
        turn: _Turn | None = None
        shown_until = None
        for raw in self._pictures():
            pts = raw.pts if raw.pts is not None else (0 if last is None else last + step)
            time_s = pts * self._base
            if self.end_s is not None and time_s >= self.end_s:
                return
            if time_s < self.origin_s:
                continue
            pts -= round(self.origin_s / self._base)
            # Two frames at one time cannot be written.
            pts = pts if last is None else max(pts, last + 1)
            if turn is None:
                turn = _Turn(raw)
                self._turned = turn.quarter
            yield Frame(index, pts, raw.duration or 0, turn(raw))
            index, last, shown_until = index + 1, pts, time_s
        self._note_short_end(shown_until)

    def _note_short_end(self, last_s: Fraction | None) -> None:
        """Say so when the last frame comes well before the end that the container announced."""
        wanted = self._end if self.end_s is None or self._end is None else min(self._end, self.end_s)
        if last_s is None or wanted is None or self.problem:
            return
        missing = wanted - last_s - _SHORT_FRAMES / self._rate
        if missing > max(Fraction(1, 100), Fraction(1, 2) / self._rate):
            self.problem = f"the film ends at {float(last_s):.2f} s, expected {float(wanted):.2f} s: it is cut short"

    def _pictures(self) -> Iterator[Any]:
        """Decoded frames; what fails is counted and left out."""
        packets, n_failed, any_good = self._container.demux(self._stream), 0, False
        ended = False
        while not ended:
            try:
                packet = next(packets)
                ended = packet.dts is None and packet.size == 0
                pictures = packet.decode()
            except StopIteration:
                break
            except self._errors as error:
                n_failed += 1
                self.problem = f"{n_failed} of its packets cannot be decoded ({_reason(error)})"
                # A file that is cut off in the middle of a packet gives the same error for ever.
                if n_failed > 100 and not any_good:
                    return
                if isinstance(error, EOFError):
                    return
                continue
            for picture in pictures:
                if picture.is_corrupt and not picture.key_frame:
                    if any_good:
                        n_failed += 1
                        self.problem = f"{n_failed} of its frames are damaged"
                    continue
                any_good = True
                yield picture


class _Turn:
    """Turns frames upright by their display matrix."""

    def __init__(self, picture: Any) -> None:
        turns = round(picture.rotation / 90) % 4
        self.quarter = turns % 2 == 1
        self._graph: Any = None
        if turns:
            av = pyav()
            graph = av.filter.Graph()
            steps = {1: [("transpose", "cclock")], 2: [("hflip", ""), ("vflip", "")], 3: [("transpose", "clock")]}[turns]
            nodes = [graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base)]
            nodes += [graph.add(name, argument) for name, argument in steps]
            nodes.append(graph.add("buffersink"))
            graph.link_nodes(*nodes).configure()
            self._graph = graph

    def __call__(self, picture: Any) -> Any:
        if self._graph is None:
            return picture
        self._graph.push(picture)
        return self._graph.pull()


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)
