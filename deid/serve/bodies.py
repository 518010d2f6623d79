"""Bodies of requests: as large and as slow as is allowed, and not more."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.exceptions import HTTPException

from deid.serve.guard import App, Message, Receive, Scope, Send

#: A body that is no file may have so many bytes.
MOST_JSON = 1 << 20
#: After so many seconds a body must have come at this many bytes a second.
_GRACE_S, _LEAST_RATE = 20.0, 2048.0


class BodyLimit:
    """Ends requests whose body is too large for JSON, or comes too slowly.

    Args:
        app: gets the requests that are in order.
        stalled_s: seconds for which nothing may come.
    """

    def __init__(self, app: App, stalled_s: float) -> None:
        self._app, self._stalled_s = app, stalled_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        meter = _Meter(receive, self._stalled_s, None if _is_upload(scope) else MOST_JSON)
        await self._app(scope, meter.receive, send)


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].endswith("/files"))


class _Meter:
    """Counts what comes."""

    def __init__(self, receive: Receive, stalled_s: float, most: int | None) -> None:
        self._receive, self._stalled_s, self._most = receive, stalled_s, most
        self._began, self._n_bytes, self._ended = time.monotonic(), 0, False

    async def receive(self) -> Message:
        # After the body, the only message is that the client has gone.
        if self._ended:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._stalled_s)
        except TimeoutError:
            raise HTTPException(408, f"nothing came for {self._stalled_s:.0f} s") from None
        self._n_bytes += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        if self._most is not None and self._n_bytes > self._most:
            raise HTTPException(413, f"expected at most {self._most} bytes of JSON")
        late = time.monotonic() - self._began - _GRACE_S
        if not self._ended and late > 0 and self._n_bytes < late * _LEAST_RATE:
            raise HTTPException(408, "the body comes too slowly")
        return message


async def to_file(chunks: AsyncIterator[bytes], path: Path, most: int) -> int:
    """Write a body to a new file of mode 0600.

    Returns:
        Its number of bytes; more than ``most`` when it was too large and is not whole.
    """
    size = 0
    with path.open("xb") as file:
        path.chmod(0o600)
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                break
            await asyncio.to_thread(file.write, chunk)
    return size
