"""Which input goes where, and which is refused before a run begins."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from deid.batch.walk import is_video, walk
from deid.core.errors import ConfigError
from deid.imaging.formats import is_foreign, known_suffixes, suffix_of, why_not

Refusal: TypeAlias = Literal["", "failed", "left out", "wrong use"]


@dataclass(frozen=True, slots=True)
class Job:
    """One file to handle, or the reason why it cannot be.

    Args:
        source: the input.
        target: where its output goes.
        error: set when the job was refused before it began.
        refused: `left out` for a file of a kind that is not read, `wrong use` when other arguments would help, `failed` for any other
            reason; empty for a job that is to be done.
    """

    source: Path
    target: Path | None
    error: str = ""
    refused: Refusal = ""


def names_of(inputs: Sequence[Path], jobs: Sequence[Job]) -> dict[Path, str]:
    """The names of inputs in files of boxes, by path: within the input folder, or alone.

    Raises:
        ConfigError: two inputs have one name.
    """
    folders = [path for path in inputs if path.is_dir()]
    names = {job.source: name_of(job.source, folders) for job in jobs}
    twice = [name for name, n in Counter(names.values()).items() if n > 1]
    if twice:
        raise ConfigError(f"two inputs are called {twice[0]}: boxes and masks are found by name; give one folder at a time")
    return names


def name_of(source: Path, folders: Sequence[Path]) -> str:
    """A file's name within the folder that it was found in, with slashes; its own name where it was named itself."""
    folder = next((f for f in folders if source.is_relative_to(f)), None)
    return source.name if folder is None else source.relative_to(folder).as_posix()


def plan(inputs: Sequence[Path], out: Path, overwrite: bool = False) -> list[Job]:
    """What to read and where to write it, and every file that is not to be done, with the reason.

    A single file goes to ``out`` itself when that has the suffix of a picture or video and is no folder; everything else goes into
    the folder ``out``, with the tree below each input folder kept.

    Args:
        inputs: files and folders.
        out: a file or a folder.
        overwrite: whether an existing file may be replaced, an input among them.
    """
    is_file_name = is_video(out) or out.suffix.lower() in known_suffixes()
    single = len(inputs) == 1 and not inputs[0].is_dir() and is_file_name and not out.is_dir()
    jobs = [_only(inputs[0], out)] if single else list(_pairs(inputs, out))
    sources = {os.path.realpath(job.source) for job in jobs if job.target is not None}
    taken: dict[str, Path] = {}
    return [_unless_taken(job, sources, taken, overwrite) for job in jobs]


def _unless_taken(job: Job, sources: set[str], taken: dict[str, Path], overwrite: bool) -> Job:
    """A job, refused where its target is another's, or there already."""
    source, target = job.source, job.target
    if target is None:
        return job
    place = os.path.realpath(target)
    if place in taken:
        return Job(source, None, f"{taken[place]} writes {target} too", "wrong use")
    taken[place] = source
    if not overwrite and place in sources:
        return Job(source, None, f"{target} is an input; pass --overwrite to replace it", "wrong use")
    if not overwrite and os.path.lexists(target):
        return Job(source, None, f"{target} exists; pass --overwrite to replace it", "wrong use")
    return job


def _only(given: Path, target: Path) -> Job:
    """The job of a file that was named."""
    try:
        mode = os.stat(given).st_mode
    except (OSError, ValueError) as error:
        return Job(given, None, f"cannot read {given}: {getattr(error, 'strerror', None) or error}", "wrong use")
    if not stat.S_ISREG(mode):
        return Job(given, None, f"cannot read {given}: it is no regular file", "failed")
    # The suffix of a file that was named may be wrong: its bytes decide. What is known to be something else is not tried.
    if is_foreign(given) and not is_video(given):
        return Job(given, None, why_not(given), "left out")
    if not is_video(given) and suffix_of(given) == suffix_of(target) and suffix_of(given) in known_suffixes() and (why := why_not(given)):
        return Job(given, None, why, "left out")
    return Job(given, target)


def _pairs(inputs: Sequence[Path], out: Path) -> Iterator[Job]:
    for given in inputs:
        if not given.is_dir():
            yield _only(given, out / given.name)
            continue
        for path, error in walk(given, out):
            yield Job(path, None, error, "failed") if error else _member(path, out / path.relative_to(given))


def _member(path: Path, target: Path) -> Job:
    """The job of a file that was found in a folder."""
    why = "" if is_video(path) and not path.name.startswith("._") else why_not(path)
    job = Job(path, None, why, "left out") if why else _only(path, target)
    return replace(job, refused="failed") if job.refused == "wrong use" else job
