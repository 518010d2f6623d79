"""PyAV, and errors of it without addresses."""

import re
from typing import Any

from deid.core.errors import DependencyError

_HOST_END = re.compile(r"[/?#]")
_PLAIN = re.compile(r"[\w./-]*", re.ASCII)


def pyav() -> Any:
    """The package PyAV.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DependencyError("videos need PyAV: pip install 'deid-face[video]'") from error
    return av


def reason(error: BaseException) -> str:
    """Reason of an error, without the address that FFmpeg's own message repeats: it may hold a password."""
    return str(getattr(error, "strerror", None) or type(error).__name__)


def without_login(url: str) -> str:
    """An address for messages: scheme, host, port and a plain path.

    Names and passwords stand before the host, in the query and, with some cameras, in the path. A path with any other sign than letters,
    digits and `_.-/` is left out, and so is all but the scheme where it is not clear where the login ends. What is no URL is given back.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host = _HOST_END.split(rest, maxsplit=1)[0]
    after = rest[len(host) :]
    if "@" in after:
        return f"{scheme}://..."
    path = after.partition("?")[0].partition("#")[0]
    # The path of RTMP ends in the key to the stream.
    plain = path if _PLAIN.fullmatch(path) and not scheme.lower().startswith("rtmp") else ""
    return f"{scheme}://{host.rpartition('@')[2]}{plain}"
