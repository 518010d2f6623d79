"""The files below a folder, and which of them are videos."""

import os
from collections.abc import Iterator
from pathlib import Path

from deid.imaging.formats import suffix_of
from deid.video.containers import CONTAINERS


def is_video(path: Path) -> bool:
    """Whether a suffix is that of a video."""
    return suffix_of(path) in CONTAINERS


def walk(folder: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder, in order, each with an error or nothing; the output folder is left out.

    Entries that cannot be read get an error: unreadable folders, and links back to a folder above.
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
