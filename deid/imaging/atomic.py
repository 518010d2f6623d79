"""Files that appear whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from deid.core.errors import ImageWriteError


def write(data: bytes, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Put bytes at a path so that the whole file appears at once, or nothing does, even when killed.

    Raises:
        ImageWriteError: the file exists and ``overwrite`` is false, or it cannot be written.
    """
    path = Path(path)
    try:
        with anonymous_file(path.parent) as (file, publish):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            publish(path, overwrite)
    except FileExistsError as error:
        raise ImageWriteError(f"cannot write {path}: it exists; pass --overwrite to replace it") from error
    except OSError as error:
        raise ImageWriteError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def anonymous_file(folder: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """A file without a name, which vanishes with the process, and the way to give it one.

    Where the system has no such files (other than Linux), it has a hidden name until then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):
        yield from _hidden_file(folder)
        return
    with os.fdopen(descriptor, "wb") as file:

        def publish(path: Path, overwrite: bool) -> None:
            if not overwrite or not os.path.lexists(path):
                _give_name(file, path)
                return
            hidden = _hidden_name(path.parent)
            _give_name(file, hidden)
            try:
                os.replace(hidden, path)
            except OSError:
                hidden.unlink()
                raise

        yield file, publish


def _give_name(file: BinaryIO, path: Path) -> None:
    # Without a folder's descriptor (unused: the source is absolute) Python calls link(), which does not follow /proc's links.
    os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=file.fileno(), follow_symlinks=True)


def _hidden_name(folder: Path) -> Path:
    """A name that nobody else takes, and that is short: a file's own may be as long as the system allows."""
    return folder / f".{os.getpid()}.{secrets.token_hex(6)}.part"


def _hidden_file(folder: Path) -> Iterator[tuple[BinaryIO, Any]]:
    hidden = _hidden_name(folder)
    # The mode is the user's, as for any new file; a temporary one's would be closed to everybody else.
    descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)

    def publish(path: Path, overwrite: bool) -> None:
        if os.path.lexists(path) and not overwrite:
            raise FileExistsError(path)
        os.replace(hidden, path)

    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, publish
    finally:
        hidden.unlink(missing_ok=True)
