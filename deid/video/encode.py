"""Encoding of videos: the same times, size and colours, sound copied bit for bit. The file appears when it is complete."""

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.errors import VideoWriteError
from deid.core.types import Image
from deid.imaging import atomic
from deid.imaging.frame import luma
from deid.video.containers import CONTAINERS
from deid.video.decode import Clock, Frame, VideoInfo, has_alpha
from deid.video.depth import is_grey, not_kept
from deid.video.library import pyav, reason
from deid.video.rectangles import merged
from deid.video.streams import DEFAULT_ROLE, KEPT_ROLES, language

#: Encoders by container, best first, with their options; the first one that this build of FFmpeg has is taken. The quality
#: is set so high that a second encoding is hardly seen. x264 would carry closed captions over. With the look-ahead of `veryfast`,
#: `superfast` makes files of the same size and quality in half the time (40 frames of 1080p: 1235 and 1218 kB, 41.5 dB, 39 and 85 ms).
#: Frames between two others are coarser than these, and flicker: without them the colour of a face differs by 0.15 grey levels from the
#: mean of its neighbours in time, with them by 0.58. Files are up to 40 % larger.
_X264 = ("libx264", {"crf": "18", "preset": "superfast", "rc-lookahead": "10", "mbtree": "1", "bf": "0", "a53cc": "0"})
_MPEG4 = ("mpeg4", {"qscale": "2"})
_ENCODERS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    # What AVI says of the end is read off the frames' order: as x264 makes it by itself.
    "avi": ((_X264[0], {name: value for name, value in _X264[1].items() if name != "bf"}), _MPEG4),
    "asf": (("msmpeg4", {"qscale": "3"}), ("mpeg4", {"qscale": "3"})),
    "mpeg": (("mpeg2video", {"qscale": "3"}),),
    "webm": (("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}),),
}
#: What was touched is converted in cells of so many pixels, with those around it; where that is more than this share of a frame, all of
#: the frame is.
_CELL, _MOST_PARTS = 8, 0.5
#: In a plane of transparency with more half transparent samples than this share there may be a picture.
_MOST_BETWEEN = 0.1
_USUAL = (_X264, _MPEG4)
#: Encoders whose streams do not say their range: players take it for video range.
_UNSAID_RANGE, _FULL, _VIDEO = {"mpeg2video", "mpeg4", "msmpeg4"}, 2, 1


def container_of(path: Path) -> str:
    """FFmpeg's name of the container that a suffix stands for.

    Raises:
        VideoWriteError: there is none.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise VideoWriteError(f"cannot write {path}: expected a suffix of {', '.join(CONTAINERS)}, got {path.suffix!r}") from None


class Writer:
    """Writes one video; use it as a context manager. Left by an exception, it leaves nothing behind.

    Args:
        target: the file to write.
        info: of the video that is written anew.
        source: where the sound comes from; None for none.
        overwrite: whether an existing file may be replaced.
        origin_s: what was time 0 of the sound in the source; with ``end_s`` the span that is kept.
        end_s: sound from then on is left out.

    Raises:
        VideoWriteError: the file exists and ``overwrite`` is false, or it cannot be written.
    """

    def __init__(
        self,
        target: Path,
        info: VideoInfo,
        source: Path | None = None,
        overwrite: bool = False,
        origin_s: Fraction = Fraction(0),
        end_s: Fraction | None = None,
    ) -> None:
        self._target, self._info, self._overwrite = Path(target), info, overwrite
        self._source, self._origin_s, self._end_s = source, origin_s, end_s
        self._durations: dict[int, int] = {}
        self._alpha = self._grey = False
        self.notes: list[str] = []

    def __enter__(self) -> "Writer":
        av = pyav()
        self._errors = (av.error.FFmpegError, OSError, ValueError)
        with contextlib.ExitStack() as stack, self._told():
            if not self._overwrite and self._target.exists():
                raise VideoWriteError(f"cannot write {self._target}: it exists; pass --overwrite to replace it")
            file, self._publish = stack.enter_context(atomic.anonymous_file(self._target.parent))
            self._file = file
            self._container = av.open(file, "w", format=container_of(self._target), container_options={"fflags": "+bitexact"})
            stack.callback(self._let_go)
            self._video = self._add_video()
            self._audio = stack.enter_context(_AudioCopy(self._source, self._container, self._origin_s, self._end_s))
            self._stack = stack.pop_all()
        return self

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            said = str(error) if isinstance(error, ValueError) else reason(error)
            raise VideoWriteError(f"cannot write {self._target}: {said}") from error

    def _add_video(self) -> Any:
        av, info = pyav(), self._info
        container = container_of(self._target)
        present = [(name, options) for name, options in _ENCODERS.get(container, _USUAL) if name in av.codecs_available]
        if not present:
            raise VideoWriteError(f"cannot write {self._target}: this build of FFmpeg has no encoder for {container}")
        name, options = present[0]
        rate = info.rate.limit_denominator(60_000)
        stream = self._container.add_stream(name, rate=rate, options=options | self._fields(name))
        stream.disposition = DEFAULT_ROLE
        height, width = info.size_hw
        context = stream.codec_context
        context.width, context.height = width, height
        self._known_formats = {f.name for f in av.codec.Codec(name, "w").video_formats or ()}
        context.pix_fmt = self._format = "yuv420p"
        # MPEG-4's header has 16 bits for it, and knows no other rates.
        stream.time_base = context.time_base = info.time_base if name.startswith("lib") else 1 / rate
        context.sample_aspect_ratio = info.aspect
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = self._colour = _colour(info.colour, name)
        return stream

    def _fields(self, encoder: str) -> dict[str, str]:
        """Options that keep the fields of an interlaced video apart, and mark them."""
        if not self._info.interlaced:
            return {}
        if encoder == "libx264":
            return {"x264-params": "tff=1" if self._info.interlaced == "top" else "bff=1"}
        if encoder == "mpeg2video":
            return {"flags": "+ildct+ilme", "field_order": "tt" if self._info.interlaced == "top" else "bb"}
        self.notes.append("it is interlaced, which is not marked in this container: its fields are kept, but shown as whole frames")
        return {}

    def _let_go(self) -> None:
        """Close the container; what it still writes is thrown away with the file, unless it has been published."""
        with contextlib.suppress(*self._errors):
            self._container.close()

    def put(self, frame: Frame, edited: Image | None = None, touched: NDArray[np.bool_] | None = None) -> None:
        """Write one frame.

        Args:
            frame: as it was read.
            edited: (H, W, 3) uint8 RGB, what replaces the pixels where the frame was touched; None when nothing was.
            touched: (H, W), where; elsewhere the frame's own samples stay, with all their bits.

        Raises:
            VideoWriteError: it cannot be written.
        """
        with self._told():
            if not self._video.codec_context.is_open:
                self._open(frame)
            picture = self._picture(frame, edited, touched)
            picture.pts, picture.time_base = frame.pts, self._info.time_base
            if frame.duration:
                self._durations[frame.pts] = frame.duration
            self._audio.copy_until(frame.pts * self._info.time_base)
            self._mux(self._video.encode(picture))

    def _open(self, frame: Frame) -> None:
        source, known = frame.picture.format, self._known_formats
        self._grey = is_grey(source)
        self._format = self._video.codec_context.pix_fmt = pixel_format(source, self._info.size_hw, known)
        self._alpha = self._format.startswith("yuva")
        if self._info.alpha and not self._alpha:
            self.notes.append("left out its transparency: it is opaque")
        self.notes += not_kept(source, pyav().VideoFormat(self._format))

    def _picture(self, frame: Frame, edited: Image | None, touched: NDArray[np.bool_] | None) -> Any:
        height, width = self._info.size_hw
        own = self._own(frame.picture, width, height)
        if edited is None:
            # No picture type, no side data: the encoder decides, and nothing of the source's stream comes along.
            own.pict_type = 0
            return own
        if edited.shape != (height, width, 3):
            raise VideoWriteError(f"cannot write {self._target}: expected frames of {height} x {width}, got {edited.shape}")
        new = pyav().VideoFrame(width, height, self._format)
        for into, samples in zip(new.planes, own.planes, strict=True):
            _samples(into, new.format)[...] = _samples(samples, own.format)
        new.color_range, new.colorspace = own.color_range, own.colorspace
        touched = np.ones((height, width), bool) if touched is None else touched
        for place in _places(touched):
            _lay(self._converted(edited[place]), new, touched[place], place)
        return new

    def _converted(self, part: Image) -> Any:
        """A part of a frame (h, w, 3) in the encoder's format; a grey video gets no colour."""
        shown = np.repeat(luma(part)[..., None], 3, axis=2) if self._grey else np.ascontiguousarray(part)
        rgb = pyav().VideoFrame.from_ndarray(shown, format="rgb24")
        return rgb.reformat(format=self._format, dst_colorspace=self._colour[1], dst_color_range=self._colour[0] or None)

    def _own(self, picture: Any, width: int, height: int) -> Any:
        """A frame in the encoder's format."""
        if picture.format.is_rgb or picture.format.has_palette:
            # The tags of RGB may name a matrix that it does not have: pixels alone are believed.
            exact = "rgb48le" if max(c.bits for c in picture.format.components) > 8 else "rgb24"
            pixels = pyav().VideoFrame.from_ndarray(picture.to_ndarray(format=exact), format=exact)
            own = pixels.reformat(width, height, self._format, dst_colorspace=self._colour[1], dst_color_range=self._colour[0])
        else:
            own = picture.reformat(width, height, self._format, dst_color_range=self._colour[0] or None)
        if self._alpha and _is_picture(_samples(own.planes[3], own.format)):
            _samples(own.planes[3], own.format)[...] = 255
            if (said := "its transparency holds more than outlines in some frames: those are opaque") not in self.notes:
                self.notes.append(said)
        return own

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            duration = self._durations.pop(packet.pts, 0)
            if duration and packet.time_base == self._info.time_base:
                packet.duration = duration
            self._container.mux(packet)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack, self._told():
            self._mux(self._video.encode(None))
            self._audio.copy_until(None)
            self._container.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            try:
                self._publish(self._target, self._overwrite)
            except FileExistsError as exists:
                raise VideoWriteError(f"cannot write {self._target}: it exists; pass --overwrite to replace it") from exists


def _colour(source: tuple[int, int, int, int], encoder: str) -> tuple[int, int, int, int]:
    """A source's range, matrix, primaries and transfer as an encoder can write them."""
    return (_VIDEO, *source[1:]) if source[0] == _FULL and encoder in _UNSAID_RANGE else source


def pixel_format(source: Any, size_hw: tuple[int, int], known: set[str]) -> str:
    """The encoder's format that keeps the depth and the colour resolution of a source's format, an odd size among them."""
    if has_alpha(source) and "yuva420p" in known:
        return "yuva420p"
    deep = max(c.bits for c in source.components) > 8
    rgb, grey = source.is_rgb or source.has_palette, is_grey(source)
    grid = (16, 16) if rgb else (8, 8) if grey else (source.chroma_width(16), source.chroma_height(16))
    chroma = {(16, 16): "444", (8, 16): "422"}.get(grid, "420")
    odd = size_hw[0] % 2, size_hw[1] % 2
    # 4:2:0 needs even sides, 4:2:2 an even width.
    exact = "444" if odd[1] or (odd[0] and chroma == "420") else chroma
    wanted = [f"yuv{exact}p10le"] if deep else []
    wanted += [f"yuv{exact}p", "yuv420p"]
    return next((name for name in wanted if name in known), "yuv420p")


def _is_picture(alpha: NDArray[Any]) -> bool:
    """Whether a plane of transparency holds more than outlines: it could show a face."""
    return float(((alpha > 16) & (alpha < 239)).mean()) > _MOST_BETWEEN


def _places(touched: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Parts of a frame (H, W) that hold all that was touched, apart from each other, with even corners; all of it where they are many."""
    height, width = touched.shape
    size = -(-width // _CELL), -(-height // _CELL)
    cells = cv2.resize(touched.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    # What lies at the border of a part is converted without its neighbours, and not used.
    around = cv2.dilate((cells > 0).view(np.uint8), np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(around)
    scale = np.array([width, height]) / size
    low = np.floor(stats[1:, :2] * scale / 2).astype(int) * 2
    high = np.minimum(np.ceil((stats[1:, :2] + stats[1:, 2:4]) * scale), [width, height]).astype(int)
    boxes = merged([(x0, y0, x1, y1) for (x0, y0), (x1, y1) in zip(low.tolist(), high.tolist(), strict=True)])
    if sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) > _MOST_PARTS * touched.size:
        return [np.s_[:height, :width]]
    return [np.s_[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]


def _lay(part: Any, frame: Any, touched: NDArray[np.bool_], place: tuple[slice, slice]) -> None:
    """Put the samples of a part that any touched pixel shares into a frame of the same format, in place."""
    mask = touched.view(np.uint8)
    for source, plane in zip(part.planes, frame.planes, strict=True):
        samples = _samples(source, part.format)
        h, w = samples.shape
        step_y, step_x = -(-mask.shape[0] // h), -(-mask.shape[1] // w)
        # A sample of colour belongs to several pixels: one that was touched is enough.
        here = mask if (h, w) == mask.shape else cv2.dilate(mask, np.ones((3, 3), np.uint8))[::step_y, ::step_x]
        y, x = place[0].start or 0, place[1].start or 0
        into = _samples(plane, frame.format)[y // step_y :, x // step_x :][:h, :w]
        np.copyto(into, samples, where=here > 0)


def _samples(plane: Any, picture_format: Any) -> NDArray[Any]:
    deep = picture_format.components[0].bits > 8
    values = np.frombuffer(plane, np.uint16 if deep else np.uint8)
    row = plane.line_size // values.itemsize
    return values[: row * plane.height].reshape(plane.height, row)[:, : plane.width]


class _AudioCopy:
    """Copies the packets of every sound stream as they are."""

    def __init__(self, source: Path | None, out: Any, origin_s: Fraction, end_s: Fraction | None) -> None:
        self._source, self._out, self._origin_s, self._end_s = source, out, origin_s, end_s
        self._streams: dict[int, Any] = {}
        self._clocks: dict[int, Clock] = {}
        self._waiting: Any = None

    def __enter__(self) -> "_AudioCopy":
        if self._source is None:
            return self
        av = pyav()
        self._container = av.open(f"file:{self._source}")
        for stream in self._container.streams.audio:
            try:
                copy = self._out.add_stream_from_template(stream)
            except (ValueError, av.error.FFmpegError) as error:
                name = stream.codec_context.name
                raise VideoWriteError(f"the container takes no {name} sound: pass --audio drop, or another suffix") from error
            copy.metadata.clear()
            copy.disposition = stream.disposition & KEPT_ROLES
            if spoken := language(stream):
                copy.metadata["language"] = spoken
            self._streams[stream.index] = copy
        if self._origin_s > 0:
            self._container.seek(int(self._origin_s * 1_000_000))
        wanted = list(self._container.streams.audio)
        self._packets = self._container.demux(*wanted) if wanted else iter(())
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._container.close()

    def copy_until(self, time_s: Fraction | None) -> None:
        """Write what is heard up to a time of the output; all that is left when None."""
        if self._source is None or not self._streams:
            return
        while (packet := self._waiting or next(self._packets, None)) is not None:
            fresh, self._waiting = self._waiting is None, None
            if packet.dts is None:
                continue
            if fresh:
                self._go_on(packet)
            heard_s = packet.dts * packet.time_base - self._origin_s
            if heard_s < 0 < self._origin_s:
                continue
            if self._end_s is not None and heard_s + self._origin_s >= self._end_s:
                continue
            if time_s is not None and heard_s > time_s:
                self._waiting = packet
                return
            shift = round(self._origin_s / packet.time_base)
            packet.stream = self._streams[packet.stream.index]
            packet.dts -= shift
            packet.pts = packet.pts - shift if packet.pts is not None else None
            self._out.mux(packet)

    def _go_on(self, packet: Any) -> None:
        """Let a recording that begins again follow the one before it."""
        clock = self._clocks.setdefault(packet.stream.index, Clock(max(1, packet.duration or 1)))
        late = None if packet.pts is None else packet.pts - packet.dts
        packet.dts = clock.time(packet.dts, packet.duration or 0)
        packet.pts = None if late is None else packet.dts + late
