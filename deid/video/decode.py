"""Decoding of videos: upright frames with exact times, of every kind that FFmpeg reads."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deid.core.errors import VideoReadError
from deid.core.types import Image
from deid.video.library import pyav, reason
from deid.video.streams import left_out, video_stream
from deid.video.upright import Upright
from deid.video.whole import what_is_missing

if TYPE_CHECKING:
    import av

#: A video may end this much before its announced end, in frames: containers round, and audio may be longer than video.
_SHORT_FRAMES = 1.5
#: Error of the announced end of a container without a number of frames, in seconds.
_VAGUE_S = Fraction(1, 4)
#: Frames further apart than this leave a gap.
_GAP_FRAMES = 2
#: Containers of recordings that may begin between two key frames: frames that need an earlier one cannot be decoded.
_CUT_IN = ("mpegts", "mpeg")
#: FFmpeg's numbers of the orders of fields in which the bottom one is shown first.
_BOTTOM_FIRST = (3, 4)
#: The rate that is assumed when the container names none.
DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    Args:
        size_hw: in pixels, upright.
        time_base: seconds per tick of a pts.
        rate: mean frames per second.
        n_frames: number of frames to expect; 0 when the container has none.
        aspect: width of a pixel over its height.
        colour: range, matrix, primaries and transfer, in FFmpeg's numbers.
        audio: whether it has sound.
        alpha: whether its frames are transparent in places.
        interlaced: which field comes first, `top` or `bottom`; empty when frames are whole.
        stream: index of the video's stream.
    """

    size_hw: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    n_frames: int
    aspect: Fraction
    colour: tuple[int, int, int, int]
    audio: bool
    alpha: bool = False
    interlaced: str = ""
    stream: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Args:
        index: its place in the video or span, from 0.
        pts: when it is shown, in ticks of the video's time base.
        duration: duration in the same ticks; 0 when the container has none.
        picture: pixels as they were decoded, upright.
    """

    index: int
    pts: int
    duration: int
    picture: "av.VideoFrame"

    def rgb(self) -> Image:
        """(H, W, 3) uint8, converted with the video's own matrix and range."""
        return np.ascontiguousarray(self.picture.to_ndarray(format="rgb24"))


def _lasting_until(end: int, frames: Iterator[Frame]) -> Iterator[Frame]:
    """Frames, of which the last one lasts until the end of the video, in ticks.

    MP4 holds durations in the order of decoding: the frame that is shown last may have that of any other one. An end that no duration
    reaches is not believed.
    """
    held, longest = None, 0
    for frame in frames:
        if held is not None:
            yield held
        held, longest = frame, max(longest, frame.duration)
    if held is not None:
        yield replace(held, duration=end - held.pts) if 0 < end - held.pts <= longest else held


class Reader:
    """The frames of one video, each decoded on demand.

    What cannot be decoded is left out, and `problem` says so once the frames have been read. `notes` names the streams that are no part
    of it, and what is not as it was in the file.

    Args:
        path: the video.
        start_s: frames that are shown earlier are left out; seconds from the video's beginning.
        end_s: frames that are shown then or later are left out.

    Raises:
        VideoReadError: it cannot be opened, or has no frame of video in the span.
        DependencyError: PyAV is not installed.

    Examples:
        >>> with Reader("video.mp4") as video:
        ...     [float(frame.pts * video.info.time_base) for frame in video]
        [0.0, 0.1, 0.2]
    """

    def __init__(self, path: str | os.PathLike[str], start_s: float = 0.0, end_s: float | None = None) -> None:
        av = pyav()
        self._path, self._errors = Path(path), av.error.FFmpegError
        self.problem, self._notes, self._n_broken = "", dict[str, None](), 0
        try:
            self._container = av.open(f"file:{path}")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise VideoReadError(f"cannot read {path}: {reason(error)}") from error
        try:
            try:
                self._stream = video_stream(self._container)
            except VideoReadError as error:
                raise VideoReadError(f"cannot read {path}: {error}") from error
            self._open(start_s, end_s)
        except BaseException:
            self._container.close()
            raise

    def _open(self, start_s: float, end_s: float | None) -> None:
        stream = self._stream
        stream.thread_type = "AUTO"
        self._decoder = _alpha_decoder(stream)
        self._base = Fraction(stream.time_base)
        self._rate = Fraction(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
        first = stream.start_time if stream.start_time is not None else 0
        self._whole = start_s <= 0 and end_s is None
        # AVI has no times: FFmpeg gives those of the packets' order to frames that are shown in another one.
        self._ordered = self._container.format.name == "avi"
        # A span is counted from the video's first moment, and begins at 0 in the output.
        container_start = Fraction(self._container.start_time or 0, 1_000_000)
        self.origin_s = Fraction(0) if start_s <= 0 else container_start + Fraction(start_s).limit_denominator(1000)
        self.end_s = None if end_s is None else container_start + Fraction(end_s).limit_denominator(1000)
        if start_s > 0:
            self._container.seek(int(self.origin_s / self._base), stream=stream)
        self._end = None if stream.duration is None else (first + stream.duration) * self._base
        self._frames = self._decode()
        if self._end is not None:
            # The end that is announced, or of the span if that comes before, in ticks of the output.
            end_s = self._end if self.end_s is None else min(self._end, self.end_s)
            self._frames = _lasting_until(round((end_s - self.origin_s) / self._base), self._frames)
        try:
            self._first = next(self._frames)
        except StopIteration:
            part = "" if self._whole else " in the span that was asked for"
            raise VideoReadError(f"cannot read {self._path}: expected at least one frame of video{part}, got none") from None
        self.info = self._describe(self._first.picture)

    def _describe(self, picture: Any) -> VideoInfo:
        stream, context = self._stream, self._stream.codec_context
        full = int(picture.color_range) or (2 if picture.format.name.startswith("yuvj") else 0)
        matrix = int(picture.colorspace)
        if picture.format.is_rgb or picture.format.has_palette:
            # RGB has no matrix: in the output it is BT.709's, of video range, and said to be.
            full, matrix = 1, 1
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
            aspect=1 / aspect if self._upright.quarter else aspect,
            colour=(full, matrix, int(picture.color_primaries), int(picture.color_trc)),
            audio=bool(self._container.streams.audio),
            alpha=has_alpha(picture.format) or _has_alpha_channel(stream),
            interlaced=self._fields(picture),
            stream=stream.index,
        )

    def _fields(self, picture: Any) -> str:
        """Which field comes first; a turned frame has rows that are no fields."""
        if not picture.interlaced_frame:
            return ""
        if self._upright.quarter:
            self.note("it is interlaced and turned: its fields are no longer marked")
            return ""
        return "bottom" if int(self._stream.codec_context.field_order) in _BOTTOM_FIRST else "top"

    def note(self, text: str) -> None:
        """Name something that is not as it was in the file, once."""
        self._notes[text] = None

    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out of the file or changed."""
        return (*(f"left out {what}" for what in left_out(self._container, self._stream)), *self._notes)

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
        index, last, step, gaps = 0, None, max(1, round(1 / (self._rate * self._base))), 0
        clock = Clock(step)
        upright: Upright | None = None
        shown_until = None
        for raw in self._pictures():
            pts = clock.time(raw.pts, raw.duration or 0)
            time_s = pts * self._base
            if self.end_s is not None and time_s >= self.end_s:
                return
            if time_s < self.origin_s:
                continue
            pts -= round(self.origin_s / self._base)
            gaps += last is not None and pts - last > _GAP_FRAMES * step
            # Two frames at one time cannot be written.
            pts = pts if last is None else max(pts, last + 1)
            if upright is None:
                upright = self._upright = Upright(raw, self._stream.codec_context.name)
                if upright.oblique:
                    self.note("its display matrix turns by less than a quarter: it is turned by whole quarters alone")
            elif not upright.fits(raw):
                self.note("its size changes: all frames have the size of the first one")
            yield Frame(index, pts, raw.duration or 0, upright(raw))
            index, last, shown_until = index + 1, pts, time_s
        if clock.n_restarts:
            self.note(f"its time stamps begin again {clock.n_restarts} times: the parts follow one another")
        self._note_short_end(shown_until, index)
        if gaps and self._n_broken > clock.n_restarts:
            self._note_problem(f"{self._n_broken} of its packets are damaged, and frames are missing")
        if self.end_s is None:
            self._note_problem(what_is_missing(self._path, self._container.format.name))

    def _note_problem(self, text: str) -> None:
        """Say what is missing, unless there is something to say already."""
        self.problem = self.problem or text

    def _note_short_end(self, last_s: Fraction | None, n_frames: int) -> None:
        """Say so when the last frame comes well before the end that the container announced."""
        wanted = self._end if self.end_s is None or self._end is None else min(self._end, self.end_s)
        if last_s is None or wanted is None or self.problem:
            return
        if self._whole and self._stream.frames and n_frames >= self._stream.frames:
            return
        # A container without times fills up with empty frames, which count in its rate.
        step = max(1 / self._rate, last_s / n_frames if self._ordered and n_frames else Fraction(0))
        missing = wanted - last_s - _SHORT_FRAMES * step
        slack = Fraction(1, 100) if self._stream.frames else _VAGUE_S
        if missing > max(slack, step / 2):
            self.problem = f"the video ends at {float(last_s):.2f} s, expected {float(wanted):.2f} s: it is cut short"

    def _pictures(self) -> Iterator[Any]:
        """Decoded frames; what fails is counted and left out."""
        packets, n_failed, n_before, any_good = self._container.demux(self._stream), 0, 0, False
        ended, times = False, deque[int]()
        while not ended:
            try:
                packet = next(packets)
                ended = packet.dts is None and packet.size == 0
                self._n_broken += packet.is_corrupt
                if self._ordered and packet.size and packet.dts is not None:
                    times.append(packet.dts)
                pictures = self._decoder.decode(None if ended else packet) if self._decoder is not None else packet.decode()
            except StopIteration:
                break
            except self._errors as error:
                n_failed += 1
                self.problem = f"{n_failed} of its packets cannot be decoded ({reason(error)})"
                # A file that is cut off in the middle of a packet gives the same error for ever.
                if n_failed > 100 and not any_good:
                    return
                if isinstance(error, EOFError):
                    return
                if times:
                    times.pop()
                continue
            for picture in pictures:
                if times:
                    picture.pts = times.popleft()
                if picture.is_corrupt and not picture.key_frame:
                    n_failed, n_before = n_failed + any_good, n_before + (not any_good)
                    if any_good:
                        self.problem = f"{n_failed} of its frames are damaged"
                    continue
                if n_before and not any_good:
                    self._note_lost_beginning(n_before)
                any_good = True
                yield picture

    def _note_lost_beginning(self, n: int) -> None:
        """Name frames that come before the first one that can be decoded."""
        if self._container.format.name in _CUT_IN:
            self.note(f"its first {n} frames cannot be decoded: they need a frame before the beginning")
        else:
            self._note_problem(f"{n} of its frames are damaged")


class Clock:
    """Time stamps that go on: where a recording begins again at an earlier one, it follows the last frame before.

    Args:
        step: ticks that a frame takes where nothing says it.
    """

    #: Number of frames that may come late, as some encoders write them, without being a new recording.
    _LATE = 3

    def __init__(self, step: int) -> None:
        self._step, self._offset, self._next = step, 0, 0
        self._last: int | None = None
        self.n_restarts = 0

    def time(self, pts: int | None, duration: int = 0) -> int:
        """When something is shown, in ticks of one time that never begins again."""
        if self._last is None:
            at = pts or 0
        elif pts is None:
            at = self._next
        else:
            at = pts + self._offset
            if at < self._last - self._LATE * self._step:
                self._offset, at = self._next - pts, self._next
                self.n_restarts += 1
        if self._last is None or at > self._last:
            self._last, self._next = at, at + (duration or self._step)
        return at


def has_alpha(picture_format: Any) -> bool:
    """Whether a format of FFmpeg has a plane of transparency."""
    return not picture_format.has_palette and len(picture_format.components) in (2, 4)


def _has_alpha_channel(stream: Any) -> bool:
    """Whether a VP8 or VP9 stream carries a second one with its transparency."""
    tags = {str(k).lower(): v for k, v in stream.metadata.items()}
    return stream.codec_context.name in ("vp8", "vp9") and tags.get("alpha_mode") == "1"


def _alpha_decoder(stream: Any) -> Any:
    """A decoder that gives the transparency of VP8 and VP9 too, where this build of FFmpeg has it; else None."""
    av, name = pyav(), f"libvpx-{stream.codec_context.name}".replace("libvpx-vp8", "libvpx")
    if not _has_alpha_channel(stream) or name not in av.codecs_available:
        return None
    try:
        decoder = av.codec.CodecContext.create(name, "r")
    except ValueError:
        return None
    decoder.extradata = stream.codec_context.extradata
    return decoder
