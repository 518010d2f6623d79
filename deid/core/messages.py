"""Messages of the command. Names and errors are data: they are never interpreted as markup or terminal commands."""

from rich.console import Console
from rich.text import Text

#: Where every message goes; the standard output holds results alone.
console = Console(stderr=True)


def plain(data: object) -> str:
    """Data on one line, with what a terminal would act on written out.

    Examples:
        >>> plain("two\\nlines")
        'two\\\\nlines'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(data))


def say(message: object, lead: str = "", style: str = "") -> None:
    """Print one message on a line of its own.

    Args:
        message: message; may hold data.
        lead: words of ours before it, in ``style``; without them the whole message is in it.
        style: of rich, such as ``red``.
    """
    line = Text.assemble((f"{lead} ", style), plain(message)) if lead else Text(plain(message), style)
    console.print(line, highlight=False, soft_wrap=True)
