"""What the command says is text, whatever the data are."""

import os

import pytest

from deid.core.messages import console, plain, say

TEXTS = {
    "plain": ("a b.jpg", "a b.jpg"),
    "letters": ("ж ü 顔.jpg", "ж ü 顔.jpg"),
    "two lines": ("a\nb", "a\\nb"),
    "a terminal's command": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "a byte that is no text": (os.fsdecode(b"\xff.jpg"), "\\udcff.jpg"),
    "the login of an address": ("cannot read rtsp://name:pa/ss#w?@host/live", "cannot read rtsp://...@host/live"),
    "an address as a path": ("/data/http:/name:pass@host/a.jpg", "/data/http:/...@host/a.jpg"),
    "an at sign in a name": ("me@home.jpg", "me@home.jpg"),
    "right to left": ("a\u202egpj.exe", "a\\u202egpj.exe"),
}


@pytest.mark.parametrize(("data", "shown"), TEXTS.values(), ids=TEXTS.keys())
def test_plain(data: str, shown: str) -> None:
    assert plain(data) == shown


@pytest.mark.parametrize("data", ["[red]x[/red]", "[/]", "[link=file:///etc]x", ":smile:", "\\[x]"])
@pytest.mark.parametrize("lead", ["", "failed:"])
def test_nothing_is_markup(data: str, lead: str) -> None:
    with console.capture() as capture:
        say(data, lead, "red")
    assert data in capture.get()
