"""A film in, the same film out: frames are read, searched, edited and written at the same time."""

import contextlib
import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deid.anonymizer.engine import Anonymizer
from deid.core.errors import ConfigError, VideoReadError
from deid.core.types import Image, check_image
from deid.detection.refine import FaceRefiner
from deid.models.threads import share
from deid.video import search
from deid.video.decode import Frame, Reader
from deid.video.edit import EditedFrame, FilmEditor
from deid.video.encode import Writer
from deid.video.find import FaceFinder, FoundFrame, FrameT
from deid.video.pace import USUAL_RATE, Pace
from deid.video.roles import TrackSummary
from deid.video.stages import ahead

#: Frames that wait may take this much memory together: of very large ones fewer wait, but as many as a search needs.
_WINDOW_BYTES = 1 << 30
#: However many frames a second a film claims to have.
_MOST_AHEAD = 250
#: Frames that wait between two stages.
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a film is handled, and what of its sound.

    Args:
        start_s: seconds from the film's beginning; what comes before is left out.
        end_s: what comes then or later is left out; None for all.
        audio: `keep` copies the sound bit for bit, `drop` leaves it out.

    Raises:
        ConfigError: a value makes no sense.
    """

    start_s: float = 0.0
    end_s: float | None = None
    audio: str = "keep"

    def __post_init__(self) -> None:
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            raise ConfigError(f"expected 0 <= start < end, got {self.start_s} and {self.end_s}")
        if self.audio not in ("keep", "drop"):
            raise ConfigError(f"expected audio to be keep or drop, got {self.audio!r}")


@dataclass(frozen=True, slots=True, eq=False)
class VideoResult:
    """What became of a film.

    Args:
        n_frames: frames written.
        n_people: people that its tracks were taken for.
        tracks: what became of each.
        seed: what the new faces were drawn from.
        problem: what of the film could not be read; empty when all could.
        notes: streams that were left out, and what is not as it was.
    """

    n_frames: int
    n_people: int
    tracks: tuple[TrackSummary, ...]
    seed: int
    problem: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "frames": self.n_frames,
            "people": self.n_people,
            "seed": self.seed,
            "problem": self.problem or None,
            "notes": list(self.notes),
            "tracks": [track.to_dict() for track in self.tracks],
        }


def anonymize_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    engine: Anonymizer,
    *,
    span: Span | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> VideoResult:
    """Anonymize one film.

    Args:
        source: the film.
        target: appears when all of it has been written, and not before; its suffix names the container.
        engine: edits and judges faces.
        span: which part, and what of the sound; all of it when None.
        seed: for reproducible output; the engine's one when None, and a fresh one when that is None too.
        overwrite: whether an existing target may be replaced.
        progress: called with the number of frames written and the number to expect, 0 when that is unknown.

    Returns:
        What became of it. `problem` is set when the film could be read in part only: the target then holds what could.

    Raises:
        VideoReadError: it cannot be opened or has no frame.
        VideoWriteError: the target exists or cannot be written.
        DeidError: a face could not be handled. In all three cases there is no target.
    """
    span = span or Span()
    seed = _seed(engine, seed)
    with Reader(source, span.start_s, span.end_s) as film:
        editor: FilmEditor[Frame] = FilmEditor(engine, seed, float(film.info.rate))
        info, sound = film.info, Path(source) if span.audio == "keep" and film.info.audio else None
        with Writer(Path(target), info, sound, overwrite, film.origin_s, film.end_s) as writer:
            n_frames = 0
            stages = edited(film, engine, editor, info.size_hw, float(info.rate))
            with contextlib.closing(stages):
                for done in stages:
                    writer.put(done.frame, done.image, done.touched)
                    n_frames += 1
                    if progress is not None:
                        progress(n_frames, info.n_frames)
        if not n_frames:
            raise VideoReadError(f"cannot read {source}: expected at least one frame of video, got none")
        notes = (*film.notes(), *writer.notes)
        return VideoResult(n_frames, editor.n_people, tuple(editor.tracks), seed, film.problem, notes)


def _seed(engine: Anonymizer, seed: int | None) -> int:
    return next(s for s in (seed, engine.options.seed, secrets.randbits(63)) if s is not None)


def edited(
    frames: Iterable[FrameT], engine: Anonymizer, editor: FilmEditor[FrameT], size_hw: tuple[int, int], rate: float = USUAL_RATE
) -> Generator[EditedFrame[FrameT], None, None]:
    """Frames, anonymised: read, searched and edited at the same time.

    Closing the iterator ends every stage.
    """
    finder: FaceFinder[FrameT] = _finder(engine, size_hw, rate)
    read = ahead(frames, _DEPTH, "read")
    found = ahead(_found(read, finder), _DEPTH, "find")
    yield from ahead(_edited(found, editor), _DEPTH, "edit")


def _finder(engine: Anonymizer, size_hw: tuple[int, int], rate: float = USUAL_RATE) -> FaceFinder[Any]:
    options, pace = engine.options, Pace.of(engine.options, rate)
    fewest = pace.every + pace.memory
    most = max(fewest, _WINDOW_BYTES // max(1, size_hw[0] * size_hw[1] * 3))
    options = replace(options, look_ahead=min(pace.look_ahead, most, _MOST_AHEAD))
    return FaceFinder(search.build(options), FaceRefiner(device=options.device), options, rate)


def _edited(found: Generator[FoundFrame[FrameT], None, None], editor: FilmEditor[FrameT]) -> Iterator[EditedFrame[FrameT]]:
    with contextlib.closing(found):
        for frame in found:
            yield editor.edit(frame)


def _found(frames: Generator[FrameT, None, None], finder: FaceFinder[FrameT]) -> Generator[FoundFrame[FrameT], None, None]:
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


def anonymize_frames(frames: Iterable[Image], engine: Anonymizer, *, seed: int | None = None, rate: float = USUAL_RATE) -> Iterator[Image]:
    """Anonymize frames from anywhere, in their order.

    A frame comes out once ``look_ahead`` more have gone in, or the input has ended: what is first seen later is then covered
    in it too.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size.
        engine: edits and judges faces.
        seed: for reproducible output.
        rate: frames per second.

    Returns:
        One new frame for each.

    Raises:
        ValueError: a frame is no image.

    Example:
        >>> for frame in anonymize_frames(camera, deid.Anonymizer(deid.Options(method="blur"))):
        ...     show(frame)
    """
    editor: FilmEditor[_ArrayFrame] = FilmEditor(engine, _seed(engine, seed), rate)
    finder: FaceFinder[_ArrayFrame] | None = None
    for frame in frames:
        finder = finder or _finder(engine, check_image(frame).shape[:2], rate)
        for found in finder.push(_ArrayFrame(check_image(frame))):
            yield _image(editor.edit(found))
    for found in finder.finish() if finder is not None else ():
        yield _image(editor.edit(found))


def _image(done: EditedFrame[_ArrayFrame]) -> Image:
    return done.frame.image.copy() if done.image is None else done.image
