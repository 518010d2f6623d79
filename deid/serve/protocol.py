"""HTTP connections that end when a client sends its request too slowly."""

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: A client must have sent its first headers in so many seconds.
HEADERS_S = 15.0


class PatientProtocol(H11Protocol):
    """uvicorn's own, with a limit to the patience before the first request."""

    headers_s = HEADERS_S

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self._waiting = self.loop.call_later(self.headers_s, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has gone."""
        self._waiting.cancel()
        super().connection_lost(exc)
