"""Server of the page: it runs until Ctrl-C or a signal ends it."""

import contextlib
import logging
import secrets
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deid.core.errors import ConfigError, DependencyError
from deid.core.options import Options
from deid.serve.desk import Desk
from deid.serve.limits import Limits
from deid.serve.store import Store
from deid.serve.worker import MakeWork

if TYPE_CHECKING:
    import uvicorn

    from deid.anonymizer.parts import Engine
    from deid.serve.guard import Guard

log = logging.getLogger(__name__)

#: Headers may have so many bytes, and so many clients may be connected.
_HEADERS_BYTES = 32 << 10
_CONNECTIONS = 128
#: Options that only runs without a person take.
_RUNS_ALONE = ("keep", "only", "ignore", "also")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the page is served.

    Args:
        host: name or number of this machine to listen at.
        port: to listen at; 0 takes any free one.
        names: further names by which browsers reach the page.
        token: every request must have it. Empty: a fresh one when others than this machine can reach the page, none otherwise.
    """

    host: str = "127.0.0.1"
    port: int = 8321
    names: tuple[str, ...] = ()
    token: str = ""


@dataclass(frozen=True, slots=True)
class Makers:
    """What the page works with.

    Args:
        options: how pictures are anonymized.
        load: gives the engine with its models; called once.
        make: gives the work of an upload.
    """

    options: Options
    load: "Callable[[], Engine]"
    make: MakeWork


def serve(
    makers: Makers, address: Address, limits: Limits | None = None, temp: Path | None = None, announce: Callable[[str], None] = print
) -> None:
    """Serve the page until Ctrl-C or SIGTERM; then nothing of it is left.

    Args:
        makers: how pictures are anonymized, and by what.
        address: where.
        limits: of what is taken in.
        temp: where the private folder is made.
        announce: called with the page's address once it listens.

    Raises:
        ConfigError: the address cannot be used, or an option is for runs alone.
        DependencyError: the packages of the extra `web` are missing.
    """
    try:
        import uvicorn

        from deid.serve import api, guard
    except ImportError as error:
        raise DependencyError(f"the page needs FastAPI and uvicorn: pip install 'deid-face[web]' ({error.name})") from error
    _check(makers.options)
    # uvicorn stops when it gets the signal, and then raises it again.
    _on("SIGTERM", _end)
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        listening = stack.enter_context(_listening(address))
        port, loopback = int(listening.getsockname()[1]), guard.is_loopback(address.host)
        token = address.token or ("" if loopback else secrets.token_urlsafe(24))
        hosts = guard.allowed_hosts(address.host, port, [*address.names, *([] if loopback else _own_names(port))])
        store = stack.enter_context(_store(temp))
        desk = stack.enter_context(Desk(store, makers.load, makers.make, limits))
        running = uvicorn.Server(_config(api.build(desk, hosts, token)))
        announce(_url(address.host, port, token))
        if hasattr(signal, "SIGHUP"):
            _on("SIGHUP", lambda *_: setattr(running, "should_exit", True))
        running.run(sockets=[listening])


def _config(app: "Guard") -> "uvicorn.Config":
    import uvicorn

    from deid.serve.protocol import PatientProtocol

    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADERS_BYTES,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )


def _url(host: str, port: int, token: str) -> str:
    """The page's address for a browser on this machine or another."""
    shown = host if host not in ("0.0.0.0", "::") else socket.gethostname()
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/" + (f"?token={token}" if token else "")


def _check(options: Options) -> None:
    """Refuse options that decide before a run who is left as they are: here a person does."""
    for name in _RUNS_ALONE:
        if getattr(options, name, None):
            raise ConfigError(f"the page takes no option {name}: decide about each face on its card")


def _store(temp: Path | None) -> Store:
    try:
        return Store(temp)
    except OSError as error:
        raise ConfigError(f"cannot make a private folder in {temp or 'the place for temporary files'}: {error.strerror}") from error


def _listening(address: Address) -> socket.socket:
    """A socket at the address, taken before anything is loaded."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host.strip("[]"), address.port))
        # A client that connects at once waits, and is not refused.
        listening.listen(_CONNECTIONS)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot serve at {address.host}:{address.port}: {why}; choose another port with --port") from error
    return listening


def _own_names(port: int) -> list[str]:
    """Names and addresses by which others reach this machine."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        return [f"{name}:{port}", *{f"{info[4][0]}:{port}" for info in socket.getaddrinfo(name, None, socket.AF_INET)}]
    return [f"{name}:{port}"]


def _on(name: str, handler: Callable[..., None]) -> None:
    """Have a signal end the server in order."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(getattr(signal, name), handler)


def _end(*_: object) -> None:
    raise KeyboardInterrupt
