"""Who may talk to the page: this machine's own pages and programs only.

A page from anywhere on the web runs in the same browser. It can send requests to 127.0.0.1 (CSRF), and its name may come to mean
127.0.0.1 after it was loaded (DNS rebinding). Both show in what a browser says of a request: `Host`, `Origin` and `Sec-Fetch-Site`.
"""

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qs

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "deid-token"
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_READS = ("GET", "HEAD")
#: What a form of another page can send without being asked for leave.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed_hosts(host: str, port: int, names: Iterable[str] = ()) -> frozenset[str]:
    """What `Host` may say: the address that the server listens at, and names that were given.

    Args:
        host: that it listens at.
        port: the same.
        names: further names of this machine, such as `photos.example.org` or `photos.example.org:443`.
    """
    own = _LOOPBACK_NAMES if is_loopback(host) else (f"[{host}]" if ":" in host else host, *_LOOPBACK_NAMES)
    return frozenset([*(f"{name}:{port}" for name in own), *(n if ":" in n else f"{n}:{port}" for n in names), *names])


@dataclass(frozen=True)
class _RefusedError(Exception):
    status: int
    reason: str


class Guard:
    """Refuses what comes from elsewhere before anything else sees it.

    Args:
        app: what is guarded.
        hosts: allowed values of `Host`.
        token: that every request must bring; empty for none.
    """

    def __init__(self, app: App, hosts: frozenset[str], token: str = "") -> None:
        self._app, self._hosts, self._token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        cookie = ""
        try:
            headers = _headers(scope)
            self._check(scope, headers)
            cookie = self._enter(scope, headers)
        except _RefusedError as refusal:
            await _refuse(send, refusal)
            return
        if cookie:
            await _respond(send, 303, b"", {"location": "/", "set-cookie": cookie})
            return
        await self._app(scope, receive, _hardened(send))

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Whether the request is for this server and from one of its own pages, or from no page."""
        host = headers.get("host", "")
        if host.lower() not in self._hosts:
            raise _RefusedError(421, "this server does not answer to that name")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            raise _RefusedError(403, "requests from other pages are refused")
        navigation = scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if site is not None and site not in ("same-origin", "none") and not navigation:
            raise _RefusedError(403, "requests from other pages are refused")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] not in _READS and kind in _FORMS:
            raise _RefusedError(415, "forms are not read: send JSON, or the bytes of a file as application/octet-stream")

    def _enter(self, scope: Scope, headers: dict[str, str]) -> str:
        """Whether the token is right; gives a cookie to set for a page that brought it in its address."""
        if not self._token:
            return ""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return ""
        if self._is_token(_cookie(headers.get("cookie", ""))):
            return ""
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["method"] == "GET" and scope["path"] == "/" and self._is_token(asked):
            return f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        raise _RefusedError(
            401, "a token is needed: open the address that `deid serve` printed, or send it as 'Authorization: Bearer TOKEN'"
        )

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())


def _headers(scope: Scope) -> dict[str, str]:
    """Names in lower case; what may be there only once must not be there twice."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in headers and name in ("host", "origin", "authorization", "content-length", "sec-fetch-site"):
            raise _RefusedError(400, f"more than one header {name}")
        headers[name] = value.decode("latin-1")
    return headers


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _hardened(send: Send) -> Send:
    """Answers with headers that keep other pages, frames and foreign scripts away."""

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            more = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in given]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return hardened


async def _refuse(send: Send, refusal: _RefusedError) -> None:
    await _respond(send, refusal.status, b'{"detail": "' + refusal.reason.encode() + b'"}', {"content-type": "application/json"})


async def _respond(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    # Whatever of a body was sent is not read: the connection ends.
    plain = {**headers, "content-length": str(len(body)), "connection": "close"}
    start = {"type": "http.response.start", "status": status, "headers": [(n.encode(), v.encode()) for n, v in plain.items()]}
    hardened = _hardened(send)
    await hardened(start)
    await hardened({"type": "http.response.body", "body": body})
