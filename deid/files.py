"""Files in, files out: which input goes where, and what became of each."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage

from deid import image as images
from deid.exceptions import DependencyError, ImageError, VideoError
from deid.image import Picture
from deid.structures import Detection, ImageResult
from deid.video.encode import CONTAINERS

if TYPE_CHECKING:
    # Torch takes seconds to import; who plans a run needs none of it.
    from deid.pipeline import Anonymizer
    from deid.video.pipeline import Span, VideoResult


@dataclass(frozen=True, slots=True)
class Job:
    """One file to handle, or the reason why it cannot be.

    Args:
        source: the input.
        target: where its output goes.
        error: set when the job was refused before it began.
    """

    source: Path
    target: Path | None
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """What became of one file.

    Args:
        source: the input.
        target: the output; None when nothing was written.
        error: why it failed; empty when it did not. A film that could be read in part has both an error and a target.
        frames: one result per frame of a picture.
        film: what became of a film; None for a picture.
    """

    source: Path
    target: Path | None = None
    error: str = ""
    frames: tuple[ImageResult, ...] = field(default=())
    film: "VideoResult | None" = None

    @property
    def n_faces(self) -> int:
        """Faces of a picture's frames, tracks of a film."""
        return sum(len(f.faces) for f in self.frames) if self.film is None else len(self.film.tracks)

    @property
    def n_edited(self) -> int:
        """Of these, the ones that got what was asked for."""
        return sum(f.n_edited for f in self.frames) if self.film is None else sum(t.asked for t in self.film.tracks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "input": str(self.source),
            "output": None if self.target is None else str(self.target),
            "status": "done" if not self.error else "failed" if self.target is None else "partial",
            "error": self.error or None,
            **({"film": self.film.to_dict()} if self.film else {"frames": [frame.to_dict() for frame in self.frames]}),
        }


def plan(inputs: Sequence[Path], out: Path, overwrite: bool = False) -> list[Job]:
    """What to read and where to write it.

    A single file goes to ``out`` itself when that has the suffix of a picture or film and is no folder; everything else goes into
    the folder ``out``, with the tree below each input folder kept.

    Args:
        inputs: files and folders.
        out: a file or a folder.
        overwrite: whether an existing file may be replaced, an input among them.
    """
    known = known_suffixes() | set(CONTAINERS)
    single = len(inputs) == 1 and not inputs[0].is_dir() and out.suffix.lower() in known and not out.is_dir()
    pairs = [(inputs[0], out)] if single else list(_pairs(inputs, out))
    sources = {os.path.realpath(source) for source, _ in pairs if not isinstance(_, str)}
    taken: dict[str, Path] = {}
    return [_job(source, target, sources, taken, overwrite) for source, target in pairs]


def _job(source: Path, target: Path | str, sources: set[str], taken: dict[str, Path], overwrite: bool) -> Job:
    if isinstance(target, str):
        return Job(source, None, target)
    place = os.path.realpath(target)
    if place in taken:
        return Job(source, None, f"{taken[place]} writes {target} too")
    taken[place] = source
    if not overwrite and place in sources:
        return Job(source, None, f"{target} is an input; pass --overwrite to replace it")
    if not overwrite and target.exists():
        return Job(source, None, f"{target} exists; pass --overwrite to replace it")
    return Job(source, target)


def known_suffixes() -> set[str]:
    """Suffixes of the pictures that Pillow opens, lower case, with the dot."""
    PillowImage.init()
    return {suffix for suffix, name in PillowImage.registered_extensions().items() if name in PillowImage.OPEN}


def is_film(path: Path) -> bool:
    """Whether a suffix is that of a film."""
    return path.suffix.lower() in CONTAINERS


def _pairs(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path | str]]:
    for given in inputs:
        if not given.is_dir():
            yield given, out / given.name
            continue
        for path, error in walk(given, out):
            if error:
                yield path, error
            elif path.suffix.lower() in known_suffixes() or is_film(path):
                yield path, out / path.relative_to(given)


def walk(folder: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder, in order, each with an error or nothing; the output folder is left out.

    What is no file is told with an error: a folder that cannot be read, and a link back to a folder above.
    """
    yield from _walk(folder, folder, out, frozenset())


def _walk(folder: Path, root: Path, out: Path, above: frozenset[str]) -> Iterator[tuple[Path, str]]:
    real = os.path.realpath(folder)
    if real in above:
        yield folder, "the link leads back to a folder that holds it"
        return
    if real == os.path.realpath(out) and folder != root:
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield folder, f"cannot read the folder: {error.strerror}"
        return
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry, root, out, above | {real})
        else:
            yield entry, ""


def run_job(
    job: Job,
    engine: "Anonymizer",
    seed: int | None,
    overwrite: bool = False,
    span: "Span | None" = None,
    progress: Callable[[int, int], None] | None = None,
) -> FileResult:
    """Handle one file; what goes wrong with it is in the result and never an exception.

    Args:
        job: from `plan`.
        engine: anonymises the frames.
        seed: of this file; None for a fresh one. All frames of an animation share it.
        overwrite: whether an existing target may be replaced.
        span: of a film, which part, and what of its sound.
        progress: told the frames of a film that are written, and how many to expect.
    """
    if job.target is None:
        return FileResult(job.source, error=job.error)
    try:
        if is_film(job.source):
            from deid.video.pipeline import anonymize_video

            film = anonymize_video(job.source, job.target, engine, span=span, seed=seed, overwrite=overwrite, progress=progress)
            error = film.problem and f"written as far as it could be read: {film.problem}"
            return FileResult(job.source, job.target, error, film=film)
        picture = images.read(job.source, engine.options.max_pixels)
        edited, frames = anonymise(picture, engine, seed)
        data = images.encode(edited, _format(job.source, job.target))
        images.write(data, job.target, overwrite)
    except (DependencyError, ImageError, VideoError) as failure:
        return FileResult(job.source, error=str(failure))
    except Exception as failure:
        # One bad photo must not cost the rest; nothing has been written for it.
        return FileResult(job.source, error=f"{type(failure).__name__}: {failure}")
    return FileResult(job.source, job.target, frames=frames)


def anonymise(
    picture: Picture, engine: "Anonymizer", seed: int | None, detections: Sequence[Detection] | None = None
) -> tuple[Picture, tuple[ImageResult, ...]]:
    """A picture without its people, and one result per frame.

    Args:
        picture: from `deid.image`.
        engine: anonymises the frames.
        seed: None for a fresh one. All frames of an animation share it.
        detections: faces that are known already, in every frame; the detector is asked when None.
    """
    first = engine.process(picture.frames[0].rgb, detections, seed)
    frames = (first, *(engine.process(f.rgb, detections, first.seed) for f in picture.frames[1:]))
    return picture.with_frames([f.image for f in frames]), frames


def _format(source: Path, target: Path) -> str | None:
    """The format of a target that was asked for by another suffix than its source has; None for the source's own."""
    if source.suffix.lower() == target.suffix.lower():
        return None
    return PillowImage.registered_extensions().get(target.suffix.lower())


def seed_of(seed: int | None, index: int) -> int | None:
    """The seed of the file with that place in the order, from the run's one; None stays None."""
    return None if seed is None else int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
