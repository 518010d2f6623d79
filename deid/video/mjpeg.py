"""A web page that shows the newest frame, as MJPEG."""

import contextlib
import hmac
import ipaddress
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2

from deid.core.errors import ConfigError, VideoWriteError
from deid.core.types import Image

log = logging.getLogger(__name__)

_BOUNDARY = "frame"
_JPEG_QUALITY = 85
_HERE, _PORT = "127.0.0.1", 8080
#: Number of clients served at a time, and the seconds after which a client without a request or a read is disconnected.
_CLIENTS, _CONNECTIONS, _IDLE_S = 8, 32, 10.0


class MjpegSink:
    """A web server with one page: the newest frame, again and again.

    It is for this machine alone unless the URL names another address. Then the page asks for a token: the one in the URL, or one drawn
    afresh; `url` has it.

    Args:
        url: `http://ADDRESS:PORT/?token=TOKEN`; without an address 127.0.0.1, without a port 8080; port 0 takes a free one.
        notify: called with the page's address once it is there, and with a token that was drawn for it.

    Raises:
        ConfigError: the URL has no such port.
    """

    closed = False

    def __init__(self, url: str, notify: Callable[[str], None] = log.info) -> None:
        parts = urlsplit(url)
        try:
            self._address = (parts.hostname or _HERE, parts.port if parts.port is not None else _PORT)
        except ValueError:
            raise ConfigError("expected http://ADDRESS:PORT with a port from 0 to 65535") from None
        given = parse_qs(parts.query).get("token", [""])[0]
        self._notify, self._given = notify, bool(given)
        self._token = given or ("" if is_loopback(self._address[0]) else secrets.token_urlsafe(16))
        self._change = threading.Condition()
        self._jpeg, self._number, self._over = b"", 0, False
        self._places = threading.BoundedSemaphore(_CLIENTS)

    def __enter__(self) -> "MjpegSink":
        host, port = self._address
        try:
            self._server = _server(host, port, self._handler())
        except OSError as error:
            raise VideoWriteError(f"cannot serve on {host}:{port}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="mjpeg", daemon=True)
        self._thread.start()
        self._notify(f"watch it at {self.url.partition('?')[0] if self._given else self.url}")
        return self

    @property
    def url(self) -> str:
        """Where the page is, with the token that it asks for."""
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}/" + (f"?token={self._token}" if self._token else "")

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._over = True
            self._change.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def show(self, image: Image, time_s: float) -> None:
        _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        with self._change:
            self._jpeg, self._number = data.tobytes(), self._number + 1
            self._change.notify_all()

    def _next(self, number: int) -> tuple[bytes, int]:
        """A frame newer than a number, or nothing when it is over."""
        with self._change:
            self._change.wait_for(lambda: self._over or self._number > number)
            return (b"", number) if self._over else (self._jpeg, self._number)

    def _admits(self, path: str) -> bool:
        given = parse_qs(urlsplit(path).query).get("token", [""])[0]
        return not self._token or hmac.compare_digest(given.encode(), self._token.encode())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            # Holds for every read and write of the connection.
            timeout = _IDLE_S

            def do_GET(self) -> None:
                if not owner._admits(self.path):
                    self.send_error(403, "the token is missing or wrong")
                elif not owner._places.acquire(blocking=False):
                    self.send_error(503, f"{_CLIENTS} clients are served already")
                else:
                    try:
                        self._stream()
                    finally:
                        owner._places.release()

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                number = 0
                with contextlib.suppress(OSError):
                    while True:
                        jpeg, number = owner._next(number)
                        if not jpeg:
                            return
                        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                        self.wfile.write(head.encode() + jpeg + b"\r\n")

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


class _Server(ThreadingHTTPServer):
    """A server with a limited number of connections, those that are refused a picture among them."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    return (_Server6 if ":" in host else _Server)((host, port), handler)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
