"""Files in, files out: each job is run and returns a result."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PillowImage

from deid.batch.jobs import Job
from deid.batch.pictures import Given, anonymize_given
from deid.batch.walk import is_film
from deid.core.errors import DataError, DependencyError, ImageError, VideoError
from deid.core.types import ImageResult
from deid.imaging import atomic, codec

if TYPE_CHECKING:
    # Torch takes seconds to import; who plans a run needs none of it.
    from deid.anonymizer.engine import Anonymizer
    from deid.video.pipeline import Span, VideoResult


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """The result for one file.

    Args:
        source: the input.
        target: the output; None when nothing was written.
        error: why it failed; empty when it did not. A film that could be read in part has both an error and a target.
        frames: one result per frame of a picture.
        film: the result for a film; None for a picture.
        left_out: whether it is a file of a kind that is not read; ``error`` says why.
        changes: notes on what was left out of a picture or changed.
    """

    source: Path
    target: Path | None = None
    error: str = ""
    frames: tuple[ImageResult, ...] = field(default=())
    film: "VideoResult | None" = None
    left_out: bool = False
    changes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out of the file or changed."""
        return self.changes if self.film is None else self.film.notes

    @property
    def incomplete(self) -> bool:
        """Whether the output lacks what the input had: streams of a film, further pictures, a map of depth, a colour profile."""
        return any("left out" in note for note in self.notes)

    @property
    def failed(self) -> bool:
        """Whether it should have been done and was not, or not wholly."""
        return bool(self.error) and not self.left_out

    @property
    def status(self) -> str:
        """`done`, `failed`, `partial` for a film of which a part was done, or `left out`."""
        if self.left_out:
            return "left out"
        return "done" if not self.error else "failed" if self.target is None else "partial"

    @property
    def n_faces(self) -> int:
        """Faces of a picture's frames, tracks of a film."""
        return sum(len(f.faces) for f in self.frames) if self.film is None else len(self.film.tracks)

    @property
    def n_kept(self) -> int:
        """Faces of a picture's frames, tracks of a film, that were kept on request."""
        return sum(len(f.kept) for f in self.frames) if self.film is None else len(self.film.kept)

    @property
    def n_edited(self) -> int:
        """Of these, the ones on which the requested method passed."""
        return sum(f.n_edited for f in self.frames) if self.film is None else sum(t.asked for t in self.film.tracks)

    def to_dict(self, debug: bool = False) -> dict[str, Any]:
        """Plain values for JSON; ``debug`` as for a face."""
        details = {"notes": list(self.notes), "frames": [frame.to_dict(debug) for frame in self.frames]}
        return {
            "input": str(self.source),
            "output": None if self.target is None else str(self.target),
            "status": self.status,
            "error": self.error or None,
            **({"film": self.film.to_dict()} if self.film else details),
        }


def run_job(
    job: Job,
    engine: "Anonymizer",
    seed: int | None,
    overwrite: bool = False,
    span: "Span | None" = None,
    progress: Callable[[int, int], None] | None = None,
    given: "Given | None" = None,
) -> FileResult:
    """Handle one file; what goes wrong with it is in the result and never an exception.

    Args:
        job: from `plan`.
        engine: anonymizes the frames.
        seed: of this file; None for a fresh one. All frames of an animation share it.
        overwrite: whether an existing target may be replaced.
        span: of a film, which part, and what of its sound.
        progress: called with the number of written frames of a film, and of those to expect.
        given: what is known of the file.
    """
    given = given or Given(job.source.name)
    if job.target is None:
        return refused(job)
    try:
        if is_film(job.source):
            from deid.video.pipeline import anonymize_video

            known: dict[str, Any] = {"span": span, "seed": seed, "overwrite": overwrite, "progress": progress, "record": given.record}
            film = anonymize_video(job.source, job.target, engine, boxes=given.boxes, selection=given.selection, **known)
            error = film.problem and f"written as far as it could be read: {film.problem}"
            return FileResult(job.source, job.target, error, film=film)
        picture = codec.read(job.source, engine.options.max_pixels)
        edited, frames = anonymize_given(picture, engine, seed, given)
        data = codec.encode(edited, _format(job.source, job.target))
        atomic.write(data, job.target, overwrite)
    except (DataError, DependencyError, ImageError, VideoError) as failure:
        return FileResult(job.source, error=str(failure))
    except Exception as failure:
        # One bad photo must not cost the rest; nothing has been written for it.
        return FileResult(job.source, error=f"{type(failure).__name__}: {failure}")
    return FileResult(job.source, job.target, frames=frames, changes=picture.notes)


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
