"""Files in, files out: each job is run and returns a result."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image as PillowImage

from deid.batch.jobs import Job
from deid.batch.pictures import Given, anonymize_given
from deid.batch.results import FileResult
from deid.batch.walk import is_video
from deid.core import steps
from deid.core.errors import DataError, DependencyError, ImageError, VideoError
from deid.core.types import ImageResult
from deid.imaging import atomic, codec

if TYPE_CHECKING:
    # Torch takes seconds to import; who plans a run needs none of it.
    from deid.anonymizer.parts import Engine
    from deid.video.results import Span

#: Draws what was written to a target.
Draw: TypeAlias = Callable[[Path, Sequence[ImageResult]], None]


def run_job(
    job: Job,
    engine: "Engine",
    seed: int | None,
    overwrite: bool = False,
    span: "Span | None" = None,
    progress: Callable[[int, int], None] | None = None,
    given: "Given | None" = None,
    draw: Draw | None = None,
) -> FileResult:
    """Handle one file; what goes wrong with it is in the result and never an exception.

    Args:
        job: from `plan`.
        engine: anonymizes the frames.
        seed: of this file; None for a fresh one. All frames of an animation share it.
        overwrite: whether an existing target may be replaced.
        span: of a video, which part, and what of its sound.
        progress: called with the number of written frames of a video, and of those to expect; for a picture of many faces, with that of
            steps done, two for each face.
        given: what is known of the file.
        draw: called with a picture's target and what was written to it; the pixels are not kept after that.
    """
    given = given or Given(job.source.name)
    if job.target is None:
        return refused(job)
    try:
        if is_video(job.source):
            from deid.video.pipeline import anonymize_video

            known: dict[str, Any] = {"span": span, "seed": seed, "overwrite": overwrite, "progress": progress, "record": given.record}
            video = anonymize_video(job.source, job.target, engine, boxes=given.boxes, selection=given.selection, **known)
            error = video.problem and f"written as far as it could be read: {video.problem}"
            return FileResult(job.source, job.target, error, video=video)
        picture = codec.read(job.source, engine.options.max_pixels)
        with steps.watched(progress):
            edited, frames = anonymize_given(picture, engine, seed, given)
        data = codec.encode(edited, _format(job.source, job.target))
        atomic.write(data, job.target, overwrite)
    except (DataError, DependencyError, ImageError, VideoError) as failure:
        return FileResult(job.source, error=str(failure))
    except Exception as failure:
        # One bad photo must not cost the rest; nothing has been written for it.
        return FileResult(job.source, error=f"{type(failure).__name__}: {failure}")
    done = FileResult(job.source, job.target, frames=tuple(frame.without_image() for frame in frames), changes=picture.notes)
    return _drawn(done, frames, draw)


def _drawn(done: FileResult, frames: Sequence[ImageResult], draw: Draw | None) -> FileResult:
    """A result with its picture of `--debug` drawn, where there is to be one."""
    if draw is None or done.target is None:
        return done
    try:
        draw(done.target, frames)
    except Exception as failure:
        # The output is there; what is drawn beside it must not cost the rest either.
        return replace(done, error=f"written without its picture of --debug: {failure or type(failure).__name__}")
    return done


def refused(job: Job) -> FileResult:
    """The result of a job that was not begun."""
    return FileResult(job.source, error=job.error, left_out=job.refused == "left out")


def still_there(result: FileResult) -> FileResult:
    """A result, failed when its output is gone: a folder that is taken away in mid-run costs what was in it."""
    if result.target is None or result.target.exists():
        return result
    return replace(result, target=None, error=f"{result.target} is gone: it was taken away while the run went on")


def _format(source: Path, target: Path) -> str | None:
    """The format of a target whose suffix differs from its source's; None for the source's own."""
    if source.suffix.lower() == target.suffix.lower():
        return None
    return PillowImage.registered_extensions().get(target.suffix.lower())
