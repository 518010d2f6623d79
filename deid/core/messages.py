"""Messages of the command. Names and errors are data: they are never interpreted as markup or terminal commands."""

import re

from rich.console import Console
from rich.text import Text

#: Where every message goes; the standard output holds results alone.
console = Console(stderr=True)
#: What stands before the host of an address: a login. As a path, an address has one slash after its scheme.
_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:/{1,2})\S*@")


def plain(data: object) -> str:
    """Data on one line, with what a terminal would act on written out, and without the login of an address.

    Examples:
        >>> plain("two\\nlines")
        'two\\\\nlines'
        >>> plain("no rtsp://name:word@host/live")
        'no rtsp://...@host/live'
    """
    text = _LOGIN.sub(r"\1...@", str(data))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(message: object, lead: str = "", style: str = "") -> None:
    """Print one message on a line of its own.

    Args:
        message: message; may hold data.
        lead: words of ours before it, in ``style``; without them the whole message is in it.
        style: of rich, such as ``red``.
    """
    line = Text.assemble((f"{lead} ", style), plain(message)) if lead else Text(plain(message), style)
    console.print(line, highlight=False, soft_wrap=True)
