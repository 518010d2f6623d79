"""What clients call their files: which kind a name is of, and how it is shown."""

from pathlib import Path

from deid.batch import walk
from deid.imaging.formats import why_not
from deid.serve.uploads import RefusedError

_LONGEST_NAME = 200


def kind_of(name: str) -> str:
    """Whether a file of that name is a `photo` or a `film`.

    Raises:
        RefusedError: it is neither, or cannot be read or written.
    """
    if walk.is_video(Path(name)) and not name.startswith("._"):
        return "film"
    if why := why_not(name):
        raise RefusedError(f"{name}: {why}")
    return "photo"


def plain_name(name: str) -> str:
    """A client's name for a file, to be shown and never opened: the last part, of printable signs.

    Examples:
        >>> plain_name("../../etc/pass\\nwd.jpg")
        'passwd.jpg'
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c for c in last if c.isprintable() and c not in '<>:"|?*').strip(". ")
    return shown[-_LONGEST_NAME:] or "unnamed"


def megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 2**20:.0f} MB" if size < 2**30 else f"{size / 2**30:.1f} GB"
