"""The web page of a live picture: for this machine alone, or for who has the token, and never for too many."""

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from deid.core.errors import ConfigError, VideoWriteError
from deid.video import mjpeg
from deid.video.mjpeg import MjpegSink, is_loopback
from tests.video.conftest import moving


@contextlib.contextmanager
def _served(url: str) -> Iterator[tuple[MjpegSink, list[str]]]:
    """A page whose picture changes all the time."""
    lines: list[str] = []
    with MjpegSink(url, lines.append) as sink:
        over = threading.Event()

        def feed() -> None:
            while not over.wait(0.01):
                sink.show(moving(1)[0], 0.0)

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield sink, lines
        finally:
            over.set()
            feeder.join()


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            page.readline()
            return int(page.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_without_an_address_it_is_for_this_machine() -> None:
    with _served("http://:0") as (sink, lines):
        assert sink.url.startswith("http://127.0.0.1:")
        assert "token" not in sink.url
        assert lines == [f"watch it at {sink.url}"]
        assert _status(sink.url) == 200


def test_other_addresses_ask_for_a_token() -> None:
    with _served("http://0.0.0.0:0") as (sink, lines):
        page, _, token = sink.url.partition("?")
        assert len(token) > 20
        assert token in lines[0]
        here = page.replace("0.0.0.0", "127.0.0.1")
        assert [_status(here + "?" + query) for query in ("", "token=", "token=x", token)] == [403, 403, 403, 200]


def test_a_token_of_ones_own_is_asked_for_and_not_told() -> None:
    with _served("http://127.0.0.1:0/?token=mine") as (sink, lines):
        page = sink.url.partition("?")[0]
        assert [_status(page), _status(page + "?token=mine")] == [403, 200]
        assert "mine" not in lines[0]


def test_clients_are_limited() -> None:
    with _served("http://127.0.0.1:0") as (sink, _), contextlib.ExitStack() as stack:
        for _ in range(mjpeg._CLIENTS):
            page = stack.enter_context(urllib.request.urlopen(sink.url, timeout=10))
            assert page.readline().startswith(b"--frame")
        assert _status(sink.url) == 503


def test_a_client_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "_IDLE_S", 0.2)
    with _served("http://127.0.0.1:0") as (sink, _), socket.create_connection(sink._server.server_address[:2], timeout=10) as silent:
        assert silent.recv(1) == b""


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with _served("http://[::1]:0") as (sink, _):
            assert sink.url.startswith("http://[::1]:")
            assert _status(sink.url) == 200
    except VideoWriteError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_wrong_port_is_told() -> None:
    with pytest.raises(ConfigError, match="port from 0 to 65535"):
        MjpegSink("http://127.0.0.1:99999")


@pytest.mark.parametrize(
    ("host", "here"), [("localhost", True), ("127.0.0.2", True), ("::1", True), ("0.0.0.0", False), ("cam.lan", False)]
)
def test_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) == here
