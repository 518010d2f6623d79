"""The pipeline of a video: frames are read, searched, edited and written at the same time."""

import contextlib
import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deid.anonymizer.parts import Engine
from deid.anonymizer.protocols import Selecting
from deid.boxes.types import BoxedFile, BoxedFrame
from deid.core.errors import VideoReadError
from deid.core.options import Options
from deid.core.types import Image, check_image
from deid.detection.refine import FaceRefiner
from deid.models.threads import share
from deid.video.boxes import GivenFinder, Recorder, TrackCrops, boxed, kept_tracks, spans, with_tracks
from deid.video.decode import Frame, Reader
from deid.video.edit import VideoEditor
from deid.video.encode import Writer
from deid.video.fading import Fading
from deid.video.find import FaceFinder
from deid.video.frames import EditedFrame, Finds, FoundFrame, FrameT
from deid.video.looks import build_search
from deid.video.pace import USUAL_RATE, Pace
from deid.video.plates import WithPlates
from deid.video.results import KeptTrack, Span, VideoResult
from deid.video.search import Search
from deid.video.stages import ahead

#: Frames that wait may take this much memory together: of very large ones fewer wait, but as many as a search needs.
_WINDOW_BYTES = 1 << 30
#: However many frames a second a video claims to have.
_MOST_AHEAD = 250
#: Frames that wait between two stages.
_DEPTH = 3


def anonymize_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    engine: Engine,
    *,
    span: Span | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    boxes: BoxedFile | None = None,
    selection: Selecting | None = None,
    record: bool = False,
) -> VideoResult:
    """Anonymize one video.

    Args:
        source: path of the video.
        target: path of the output, which appears only when it is complete; its suffix names the container.
        engine: edits and judges faces.
        span: the part to anonymize; the whole video with its sound when None.
        seed: makes the output reproducible; None takes the engine's seed, or draws a fresh one.
        overwrite: whether an existing target may be replaced.
        progress: called with the number of frames written and the number to expect, 0 when that is unknown.
        boxes: where the faces are, in place of a search, see `find_video`.
        selection: which faces are left as they are; the engine's one when None. What is left as it is is decided for whole tracks, in a
            pass of its own.
        record: keep the boxes of every frame in the result.

    Returns:
        The result. `problem` is set when only a part of the video could be read: the target then holds that part.

    Raises:
        VideoReadError: it cannot be opened or has no frame.
        VideoWriteError: the target exists or cannot be written.
        DeidError: a face could not be edited. In all three cases there is no target.

    Examples:
        >>> anonymize_video("video.mp4", "anonymous.mp4", deid.Anonymizer()).n_frames
        3
    """
    span, seed, selection = span or Span(), _seed(engine, seed), selection or engine.selection
    kept: tuple[KeptTrack, ...] = ()
    if selection is not None or boxes is not None:
        boxes, kept = _decided(source, engine, span, boxes, selection, progress)
    with Reader(source, span.start_s, span.end_s) as video:
        editor: VideoEditor[Frame] = VideoEditor(engine, seed, rate=float(video.info.rate))
        info, sound = video.info, Path(source) if span.audio == "keep" and video.info.audio else None
        with Writer(Path(target), info, sound, overwrite, video.origin_s, video.end_s) as writer:
            n_frames = 0
            finder = None if boxes is None else _given(boxes, kept, engine, video)
            recorder = Recorder(finder or _finder(engine, info.size_hw, float(info.rate)), time_of(video), record)
            stages = edited(video, engine, editor, info.size_hw, float(info.rate), recorder)
            with contextlib.closing(stages):
                for done in stages:
                    writer.put(done.frame, done.image, done.touched)
                    n_frames += 1
                    if progress is not None:
                        progress(n_frames, info.n_frames)
        if not n_frames:
            raise VideoReadError(f"cannot read {source}: expected at least one frame of video, got none")
        notes = (*video.notes(), *writer.notes)
        file = boxes if boxes is not None else BoxedFile(Path(source).name, info.size_hw[::-1], tuple(recorder.frames), True)
        return VideoResult(n_frames, editor.n_people, tuple(editor.tracks), seed, video.problem, notes, kept, file if record else None)


def find_video(
    source: str | os.PathLike[str],
    engine: Engine,
    *,
    span: Span | None = None,
    progress: Callable[[int, int], None] | None = None,
    watch: Callable[[FoundFrame[Frame]], None] = lambda found: None,
) -> tuple[BoxedFile, str]:
    """Find the faces of a video, and edit nothing.

    Args:
        source: the video.
        engine: its options say how faces are searched and followed.
        span: which part; all of it when None.
        progress: called with the number of frames searched and the number to expect, 0 when that is unknown.
        watch: called with every frame.

    Returns:
        The boxes of every frame, and what of the video could not be read; empty when all could.

    Raises:
        VideoReadError: it cannot be opened or has no frame.
    """
    span = span or Span()
    with Reader(source, span.start_s, span.end_s) as video:
        info, frames = video.info, list[BoxedFrame]()
        finder: Finds[Frame] = _finder(engine, info.size_hw, float(info.rate))
        found = ahead(_found(ahead(video, _DEPTH, "read"), finder), _DEPTH, "find")
        with contextlib.closing(found):
            for frame in found:
                watch(frame)
                frames.append(boxed(frame, time_of(video)))
                if progress is not None:
                    progress(len(frames), info.n_frames)
        return BoxedFile(Path(source).name, info.size_hw[::-1], tuple(frames), True), video.problem


def _decided(
    source: str | os.PathLike[str],
    engine: Engine,
    span: Span,
    boxes: BoxedFile | None,
    selection: Selecting | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[BoxedFile, tuple[KeptTrack, ...]]:
    """The boxes of a video, searched where none are given, and which tracks are left as they are."""
    selection = selection or engine.models.keeping_nobody
    crops = TrackCrops(selection)
    if boxes is None:
        boxes, _ = find_video(source, engine, span=span, progress=progress, watch=crops.look)
    else:
        boxes = with_tracks(_sized(source, span, boxes))
        if selection.asks_who:
            _look_at(source, engine, span, boxes, crops)
    frames = spans(boxes)
    return boxes, tuple(KeptTrack(track, *frames[track], why) for track, why in kept_tracks(boxes, selection, crops).items())


def _sized(source: str | os.PathLike[str], span: Span, boxes: BoxedFile) -> BoxedFile:
    """Given boxes in pixels of the video."""
    with Reader(source, span.start_s, span.end_s) as video:
        return boxes.sized(video.info.size_hw[::-1])


def _look_at(source: str | os.PathLike[str], engine: Engine, span: Span, boxes: BoxedFile, crops: TrackCrops) -> None:
    """Look at the people whom given boxes show."""
    with Reader(source, span.start_s, span.end_s) as video:
        for found in _found(ahead(video, _DEPTH, "read"), _given(boxes, (), engine, video)):
            crops.look(found)


def _given(boxes: BoxedFile, kept: Sequence[KeptTrack], engine: Engine, video: Reader) -> GivenFinder[Frame]:
    info = video.info
    look_ahead = _finder_options(engine, info.size_hw, float(info.rate)).look_ahead or 0
    return GivenFinder(boxes, look_ahead, [track.track for track in kept], time_of(video))


def time_of(video: Reader) -> Callable[[Frame], float]:
    """When a frame is shown, in seconds of the whole video and not of the span that is read."""
    return lambda frame: float(frame.pts * video.info.time_base + video.origin_s)


def _seed(engine: Engine, seed: int | None) -> int:
    return next(s for s in (seed, engine.options.seed, secrets.randbits(63)) if s is not None)


def edited(
    frames: Iterable[FrameT],
    engine: Engine,
    editor: VideoEditor[FrameT],
    size_hw: tuple[int, int],
    rate: float = USUAL_RATE,
    finder: Finds[FrameT] | None = None,
) -> Generator[EditedFrame[FrameT], None, None]:
    """Frames, anonymised: read, searched and edited at the same time.

    Closing the iterator ends every stage.
    """
    finder = finder or _finder(engine, size_hw, rate)
    read = ahead(frames, _DEPTH, "read")
    found = ahead(_found(read, finder), _DEPTH, "find")
    yield from ahead(edited_slowly(found, editor, rate), _DEPTH, "edit")


def _finder(engine: Engine, size_hw: tuple[int, int], rate: float = USUAL_RATE) -> Finds[Any]:
    options = _finder_options(engine, size_hw, rate)
    faces: FaceFinder[Any] = FaceFinder(build_search(options), FaceRefiner(device=options.device), options, rate)
    if engine.models.plates is None:
        return faces
    # Nothing follows a plate from frame to frame but where it is found: it is searched in each.
    return WithPlates(faces, FaceFinder(Search([engine.models.plates]), None, options, rate))


def _finder_options(engine: Engine, size_hw: tuple[int, int], rate: float) -> Options:
    """The engine's options with no more frames read ahead than memory allows."""
    options, pace = engine.options, Pace.of(engine.options, rate)
    fewest = pace.every + pace.memory
    most = max(fewest, _WINDOW_BYTES // max(1, size_hw[0] * size_hw[1] * 3))
    return replace(options, look_ahead=min(pace.look_ahead, most, _MOST_AHEAD))


def edited_slowly(
    found: Generator[FoundFrame[FrameT], None, None], editor: VideoEditor[FrameT], rate: float
) -> Iterator[EditedFrame[FrameT]]:
    """Frames, edited, with covers that come and go slowly at so many frames per second."""
    fading: Fading[FrameT] = Fading(rate)
    with contextlib.closing(found):
        for frame in found:
            yield from map(editor.edit, fading.push(frame))
        yield from map(editor.edit, fading.finish())


def _found(frames: Generator[FrameT, None, None], finder: Finds[FrameT]) -> Generator[FoundFrame[FrameT], None, None]:
    with contextlib.closing(frames), share(2):
        for frame in frames:
            yield from finder.push(frame)
        yield from finder.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _ArrayFrame:
    """A frame that is an array already."""

    image: Image = field(repr=False)

    def rgb(self) -> Image:
        return self.image


def anonymize_frames(frames: Iterable[Image], engine: Engine, *, seed: int | None = None, rate: float = USUAL_RATE) -> Iterator[Image]:
    """Anonymize frames from anywhere, in their order.

    A frame is returned once ``look_ahead`` more have been read, or the input has ended. Faces that are first detected later are then
    covered in it too.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size.
        engine: edits and judges faces.
        seed: makes the output reproducible; None takes the engine's seed, or draws a fresh one.
        rate: frames per second.

    Returns:
        One (H, W, 3) uint8 RGB frame for each input frame, in the same order.

    Raises:
        ValueError: a frame is no (H, W, 3) uint8 array.

    Examples:
        >>> shown = anonymize_frames([image] * 3, deid.Anonymizer(deid.Options(method="blur")))
        >>> [frame.shape for frame in shown]
        [(300, 300, 3), (300, 300, 3), (300, 300, 3)]
    """
    editor: VideoEditor[_ArrayFrame] = VideoEditor(engine, _seed(engine, seed), rate=rate)
    finder: Finds[_ArrayFrame] | None = None
    for frame in frames:
        finder = finder or _finder(engine, check_image(frame).shape[:2], rate)
        for found in finder.push(_ArrayFrame(check_image(frame))):
            yield _image(editor.edit(found))
    for found in finder.finish() if finder is not None else ():
        yield _image(editor.edit(found))


def _image(done: EditedFrame[_ArrayFrame]) -> Image:
    return done.frame.image.copy() if done.image is None else done.image
