"""The private folder that uploads and results live in: closed to other users, and gone when the server is."""

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nobody can tell there whose folder is left over.
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_PREFIX, _LOCK = "deid-serve-", "in-use"


class Store:
    """A folder of mode 0700 with one folder for each file that is worked on.

    A server that was killed cannot clean up: the next one deletes what it left. A server that still runs holds a lock.

    Args:
        parent: where the folder is made; the system's place for temporary files when None.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _delete_leftovers(parent)
        self.root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = os.open(self.root / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def folder(self) -> Path:
        """A new folder for one file; its name is ours and not the client's."""
        folder = self.root / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return folder

    def scratch(self, suffix: str) -> Path:
        """A name for a file that is given out once."""
        return self.root / f"{secrets.token_hex(8)}{suffix}"

    def close(self) -> None:
        """Delete all of it."""
        with contextlib.suppress(OSError):
            os.close(self._lock)
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove(folder: Path) -> None:
    """Delete one file's folder."""
    shutil.rmtree(folder, ignore_errors=True)


def _delete_leftovers(parent: Path) -> None:
    """Delete this user's folders whose server is gone."""
    gone = [folder for folder in parent.glob(f"{_PREFIX}*") if _is_left_over(folder)]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    if gone:
        log.info("deleted %d folders that an earlier run left", len(gone))


def _is_left_over(folder: Path) -> bool:
    if fcntl is None:
        return False
    try:
        stat = folder.lstat()
        if folder.is_symlink() or stat.st_uid != os.getuid():
            return False
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        # Without a lock it is none of ours, or one that is just being made.
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
