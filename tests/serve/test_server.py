"""The server as a process: started, asked, ended, killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deid.core.errors import ConfigError
from deid.core.options import Options
from deid.serve import server
from deid.serve.guard import allowed_hosts, is_loopback
from deid.serve.server import Address, Makers

_CODE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from deid.core.options import Options
from deid.serve import server

def work_of(upload, kind, engine, limits):
    return SimpleNamespace(faces=(), view={}, process=lambda progress: None)

makers = server.Makers(Options(), lambda: SimpleNamespace(options=Options()), work_of)
server.serve(makers, server.Address(port=0), temp=Path(sys.argv[1]), announce=lambda url: print(url, flush=True))
"""


def _makers(options: Any) -> Makers:
    """No engine, and no work."""
    nothing: Any = None
    return Makers(options, lambda: nothing, lambda upload, kind, engine, limits: nothing)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Starts servers whose private folder is in `tmp_path`; gives the process and the page's address."""
    running: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        running.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def asked(url: str, method: str = "GET", data: bytes | None = None) -> dict[str, object]:
    request = urllib.request.Request(url, data, {"Content-Type": "application/octet-stream"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_to_end_it_deletes_its_files(
    started: Callable[[], tuple[subprocess.Popen[str], str]], tmp_path: Path, number: int
) -> None:
    process, url = started()
    session = asked(f"{url}api/sessions", "POST")["session"]
    asked(f"{url}api/sessions/{session}/files?name=a.jpg", "POST", b"no picture")
    assert len(list(tmp_path.glob("deid-serve-*/*/upload.jpg"))) == 1
    process.send_signal(number)
    assert process.wait(15) == 0
    assert not list(tmp_path.iterdir())


def test_what_a_killed_server_leaves_the_next_one_deletes(started: Callable[[], tuple[subprocess.Popen[str], str]], tmp_path: Path) -> None:
    process, url = started()
    session = asked(f"{url}api/sessions", "POST")["session"]
    asked(f"{url}api/sessions/{session}/files?name=a.jpg", "POST", b"no picture")
    process.kill()
    process.wait(10)
    (left,) = tmp_path.iterdir()
    _, url = started()
    assert asked(f"{url}api/status")["version"]
    assert not left.exists()


def test_the_page_is_there_before_the_models(started: Callable[[], tuple[subprocess.Popen[str], str]]) -> None:
    began = time.monotonic()
    _, url = started()
    with urllib.request.urlopen(url, timeout=10) as page:
        assert b"Drop photos" in page.read()
    assert time.monotonic() - began < 30


@pytest.fixture
def signals() -> Iterator[None]:
    """What signals do is put back as it was."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_an_address_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another port"):
            server.serve(_makers(Options()), Address(port=taken.getsockname()[1]))


@pytest.mark.usefixtures("signals")
def test_a_temporary_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot make a private folder"):
        server.serve(_makers(Options()), Address(port=0), temp=tmp_path / "none")


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.5", False), ("box.lan", False)],
)
def test_only_the_loopback_needs_no_token(host: str, only_here: bool) -> None:
    assert is_loopback(host) == only_here


def test_names_of_the_server() -> None:
    assert "127.0.0.1:8321" in allowed_hosts("127.0.0.1", 8321)
    named = allowed_hosts("0.0.0.0", 8321, ["photos.example.org", "proxy.example.org:443"])
    assert {"photos.example.org:8321", "photos.example.org", "proxy.example.org:443"} <= named
    assert not {"evil.example:8321", "127.0.0.1"} & allowed_hosts("127.0.0.1", 8321)


@pytest.mark.usefixtures("signals")
def test_others_need_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever listens beyond this machine prints an address with a token."""
    told: list[str] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    for host in ("127.0.0.1", "0.0.0.0"):
        server.serve(_makers(Options()), Address(host=host, port=0), temp=tmp_path, announce=told.append)
    assert "token=" not in told[0]
    assert len(told[1].partition("token=")[2]) >= 24
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["keep", "only", "ignore", "also"])
def test_options_that_decide_for_the_person_are_refused(name: str) -> None:
    options: Any = SimpleNamespace(**{name: "something"})
    with pytest.raises(ConfigError, match=f"no option {name}"):
        server.serve(_makers(options), Address(port=0))
