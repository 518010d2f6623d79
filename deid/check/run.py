"""A check: two files or folders in, a report out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deid.check import metadata, photos, videos
from deid.check.folders import FilePair, ImagePair, Problem, identity_of, pair_folders, read_frames
from deid.check.judges import Judges
from deid.check.limits import Limits
from deid.check.report import FileFindings, Report
from deid.core.errors import DataError, VideoError
from deid.imaging import formats
from deid.video.containers import CONTAINERS


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a check.

    Args:
        begin: called with the number of files.
        tick: called after each photo with its name, and after each video.
    """

    begin: Callable[[int], None] = field(default=lambda total: None)
    tick: Callable[[str], None] = field(default=lambda name: None)


def check(before: Path, after: Path, judges: Judges, limits: Limits | None = None, progress: Progress | None = None) -> Report:
    """Judge any tool's output against its input.

    Args:
        before: a photo, a video, or a folder of them, untouched.
        after: the same after any tool; in folders, files are paired by name.
        judges: detectors and recognisers.
        limits: limits; the defaults when None.
        progress: called for every file.

    Raises:
        DataError: the two cannot be compared at all.
        DependencyError: a video needs PyAV.
    """
    limits, progress = limits or Limits(), progress or Progress()
    pairs, problems = pairs_of(before, after)
    progress.begin(len(pairs))
    still = [pair for pair in pairs if not _is_video(pair.before)]
    moving = [pair for pair in pairs if _is_video(pair.before)]
    seen = photos.look(_frames(still, problems, progress), judges)
    found = [*seen.files(_metadata(still)), *(f for pair in moving if (f := _video(pair, judges, problems, progress)) is not None)]
    return Report(
        before=before.name,
        after=after.name,
        limits=limits,
        detectors=tuple(d.name for d in judges.detectors),
        recognisers=seen.thresholds if still else {e.name: e.threshold for e in judges.embedders},
        files=tuple(found),
        recall=dict(seen.recall),
        problems=tuple(problems),
    )


def pairs_of(before: Path, after: Path) -> tuple[list[FilePair], list[Problem]]:
    """The pairs of two files or of two folders, and what of the folders is not compared.

    Raises:
        DataError: one is a file and the other a folder, one is absent, the kinds differ, or no two names are alike.
    """
    for path in (before, after):
        if not path.exists():
            raise DataError(f"cannot read {path}: there is no such file or folder")
    if before.is_dir() != after.is_dir():
        file, folder = (after, before) if before.is_dir() else (before, after)
        raise DataError(f"expected two files or two folders, got the file {file} and the folder {folder}")
    if before.is_dir():
        return _folders(before, after)
    if _is_video(before) != _is_video(after):
        raise DataError(f"expected {after} to be a {'video' if _is_video(before) else 'photo'} like {before}")
    return [FilePair(before.name, identity_of(before.name), before, after)], []


def _folders(before: Path, after: Path) -> tuple[list[FilePair], list[Problem]]:
    suffixes = formats.known_suffixes() | set(CONTAINERS)
    pairs, problems = pair_folders(before, after, suffixes)
    if not any(pair.after for pair in pairs):
        raise DataError(f"no file of {after} has the name of one in {before}, such as {pairs[0].name}")
    others = (p for p in sorted(after.rglob("*")) if p.is_file() and p.suffix.lower() not in suffixes)
    problems += [Problem(p.relative_to(after).as_posix(), "kind", "neither a photo nor a video: not looked at") for p in others]
    for k, pair in enumerate(pairs):
        if pair.after is not None and _is_video(pair.before) != _is_video(pair.after):
            problems.append(Problem(pair.name, "missing", f"its output {pair.after.name} is of another kind"))
            pairs[k] = FilePair(pair.name, pair.identity, pair.before, None)
    return pairs, problems


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in CONTAINERS


def _metadata(pairs: Sequence[FilePair]) -> dict[str, tuple[str, ...]]:
    return {pair.name: metadata.left_in(pair.after) for pair in pairs if pair.after is not None}


def _frames(pairs: Sequence[FilePair], problems: list[Problem], progress: Progress) -> Iterator[ImagePair]:
    for pair in pairs:
        yield from read_frames(pair, problems)
        progress.tick(pair.name)


def _video(pair: FilePair, judges: Judges, problems: list[Problem], progress: Progress) -> FileFindings | None:
    """What is found in a video; None, with a problem, where it cannot be compared. A video without an output leaks nothing."""
    if pair.after is None:
        return None
    try:
        findings, more = videos.findings(pair.name, pair.before, pair.after, judges)
    except (VideoError, DataError) as error:
        problems.append(Problem(pair.name, "unreadable", str(error)))
        return None
    finally:
        progress.tick(pair.name)
    problems += more
    return findings
