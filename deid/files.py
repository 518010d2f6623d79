"""Files in, files out: which input goes where, and what became of each."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from deid import image as images
from deid.exceptions import ImageReadError, ImageWriteError
from deid.pipeline import Anonymizer
from deid.structures import ImageResult


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
        error: why it failed; empty when it did not.
        frames: one result per frame.
    """

    source: Path
    target: Path | None = None
    error: str = ""
    frames: tuple[ImageResult, ...] = field(default=())

    @property
    def n_faces(self) -> int:
        return sum(len(f.faces) for f in self.frames)

    @property
    def n_edited(self) -> int:
        return sum(f.n_edited for f in self.frames)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "input": str(self.source),
            "output": None if self.target is None else str(self.target),
            "status": "failed" if self.error else "done",
            "error": self.error or None,
            "frames": [frame.to_dict() for frame in self.frames],
        }


def plan(inputs: Sequence[Path], out: Path, overwrite: bool = False) -> list[Job]:
    """What to read and where to write it.

    A single file goes to ``out`` itself when that has the suffix of a picture and is no folder; everything else goes into
    the folder ``out``, with the tree below each input folder kept.

    Args:
        inputs: files and folders.
        out: a file or a folder.
        overwrite: whether an existing file may be replaced, an input among them.
    """
    single = len(inputs) == 1 and not inputs[0].is_dir() and out.suffix.lower() in known_suffixes() and not out.is_dir()
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


def _pairs(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path | str]]:
    for given in inputs:
        if given.is_dir():
            yield from _walk(given, given, out, frozenset())
        else:
            yield given, out / given.name


def _walk(folder: Path, root: Path, out: Path, above: frozenset[str]) -> Iterator[tuple[Path, Path | str]]:
    """Pictures below a folder, in order; the output folder is left out, and a link back to a folder above is an error."""
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
        elif entry.suffix.lower() in known_suffixes():
            yield entry, out / entry.relative_to(root)


def run_job(job: Job, engine: Anonymizer, seed: int | None, overwrite: bool = False) -> FileResult:
    """Handle one file; what goes wrong with it is in the result and never an exception.

    Args:
        job: from `plan`.
        engine: anonymises the frames.
        seed: of this file; None for a fresh one. All frames of an animation share it.
        overwrite: whether an existing target may be replaced.
    """
    if job.target is None:
        return FileResult(job.source, error=job.error)
    try:
        picture = images.read(job.source, engine.options.max_pixels)
        first = engine.process(picture.frames[0].rgb, seed=seed)
        frames = (first, *(engine.process(f.rgb, seed=first.seed) for f in picture.frames[1:]))
        data = images.encode(picture.with_frames([f.image for f in frames]), _format(job.source, job.target))
        images.write(data, job.target, overwrite)
    except (ImageReadError, ImageWriteError) as error:
        return FileResult(job.source, error=str(error))
    except Exception as error:
        # One bad photo must not cost the rest; nothing has been written for it.
        return FileResult(job.source, error=f"{type(error).__name__}: {error}")
    return FileResult(job.source, job.target, frames=frames)


def _format(source: Path, target: Path) -> str | None:
    """The format of a target that was asked for by another suffix than its source has; None for the source's own."""
    if source.suffix.lower() == target.suffix.lower():
        return None
    return PillowImage.registered_extensions().get(target.suffix.lower())


def seed_of(seed: int | None, index: int) -> int | None:
    """The seed of the file with that place in the order, from the run's one; None stays None."""
    return None if seed is None else int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
