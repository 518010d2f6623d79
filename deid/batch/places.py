"""Where an output can be, checked before anything is loaded."""

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deid.batch.walk import is_video
from deid.core.errors import ConfigError
from deid.imaging.formats import is_written, known_suffixes

#: What a name that ends so is taken for, other than a folder: `results.2026` and `conf.d` may be folders.
_LIKE_A_FILE = re.compile(r"\.(?=.*[a-z])[a-z0-9]{2,5}")
#: An address that was taken for a path; a drive of Windows has one letter.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def check_use(inputs: Sequence[Path], out: Path, report: Path | None = None) -> None:
    """Refuse arguments that make no sense, before anything is loaded or written.

    Args:
        inputs: files and folders.
        out: a file or a folder.
        report: where the report goes; None for none.

    Raises:
        ConfigError: the output or the report cannot be where it is to go.
    """
    check_no_address(*inputs, out)
    for given in inputs:
        if given.is_dir() and _strictly_inside(out, given):
            raise ConfigError(f"the output {out} lies inside the input {given}; choose a folder beside it")
    if out.is_dir() or not _is_file_name(inputs, out):
        check_folder(out, "the output")
    else:
        check_place(out, "the output")
    if report is not None:
        check_place(report, "the report")
        if os.path.realpath(report) in {os.path.realpath(path) for path in (*inputs, out)}:
            raise ConfigError(f"cannot write the report {report}: it is an input or the output")


def check_no_address(*paths: Path) -> None:
    """Refuse addresses in place of files; what they hold is not repeated, for it may be a password.

    Raises:
        ConfigError: one of the paths is an address.
    """
    for path in paths:
        if (scheme := _ADDRESS.match(str(path))) and not os.path.lexists(path):
            raise ConfigError(f"expected a file or a folder, got the address {scheme[0]}/...; download it, or use `deid live` for a stream")


def _strictly_inside(out: Path, folder: Path) -> bool:
    inner, outer = Path(os.path.realpath(out)), Path(os.path.realpath(folder))
    return inner != outer and inner.is_relative_to(outer)


def _is_file_name(inputs: Sequence[Path], out: Path) -> bool:
    """Whether an output that is no folder is to be a file.

    Raises:
        ConfigError: it looks like one and cannot be.
    """
    # Pillow reads its plugins to say which suffixes it knows.
    written = is_video(out) or out.suffix.lower() in known_suffixes()
    if len(inputs) != 1 or inputs[0].is_dir():
        if written:
            raise ConfigError(f"expected a folder for several files, got {out}")
        return False
    if not written:
        if _LIKE_A_FILE.fullmatch(out.suffix.lower()):
            raise ConfigError(f"cannot write {out}: {out.suffix} is no suffix of a picture or a video (a folder must be there)")
        return False
    if is_video(out) != is_video(inputs[0]):
        kinds = ("a video", "a picture") if is_video(inputs[0]) else ("a picture", "a video")
        raise ConfigError(f"cannot write {out}: {inputs[0].name} is {kinds[0]} and {out.name} is {kinds[1]}")
    if not is_video(out) and not is_written(out.suffix.lower()):
        raise ConfigError(f"cannot write {out}: pictures of the kind {out.suffix} are read and cannot be written")
    return True


def check_folder(folder: Path, what: str) -> None:
    """Refuse a folder in which no file can be written, and the root of the file system, which is named by mistake.

    Raises:
        ConfigError: it is one of these.
    """
    if os.path.realpath(folder) == "/":
        raise ConfigError(f"cannot write {what} {folder}: it is the root of the file system; choose a folder in it")
    check_place(folder / "x", what)


def check_place(path: Path, what: str) -> None:
    """Refuse a place where no file can be written.

    Raises:
        ConfigError: it is a folder or a device, or a folder above it is missing, a file, or closed to this user.
    """
    try:
        if os.path.lexists(path) and path.exists() and not path.is_file():
            raise ConfigError(f"cannot write {what} {path}: it is {'a folder' if path.is_dir() else 'no regular file'}")
        folder = next(parent for parent in Path(os.path.abspath(path)).parents if os.path.lexists(parent))
    except OSError as error:
        raise ConfigError(f"cannot write {what} {path}: {error.strerror}") from error
    if not folder.is_dir():
        raise ConfigError(f"cannot write {what} {path}: Not a directory: {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write {what} {path}: Permission denied")
    try:
        # Permissions do not say whether system, read-only and network folders can be written to.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"cannot write {what} {path}: {error.strerror}") from error
