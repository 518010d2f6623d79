"""Streams of server-sent events."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from deid.serve.session import Session, Sessions
from deid.serve.uploads import NotThereError
from deid.serve.worker import Worker

#: How often a stream looks for news, and after how many seconds it says that it is still there.
_TICK_S, _BEAT_S = 0.2, 10.0


def as_plain(session: Session) -> dict[str, Any]:
    return {"session": session.id, "files": [job.to_dict() for job in list(session.jobs.values())]}


def _event(name: str, value: object) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"


async def of_session(sessions: Sessions, worker: Worker, closed: threading.Event, name: str) -> AsyncIterator[str]:
    """A session's files whenever one changes, and whether the worker is ready."""
    session = sessions.attend(name, 1)
    last, quiet, ready = "", 0.0, False
    try:
        while not closed.is_set():
            now = json.dumps(as_plain(session))
            if now != last or ready != worker.is_ready:
                last, quiet, ready = now, 0.0, worker.is_ready
                yield _event("files", {**json.loads(now), "ready": ready, "problem": worker.problem or None})
            elif quiet >= _BEAT_S:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(_TICK_S)
            quiet += _TICK_S
    finally:
        with suppress(NotThereError):
            sessions.attend(name, -1)


async def of_file(sessions: Sessions, closed: threading.Event, name: str) -> AsyncIterator[str]:
    """States of a file, until its work ends."""
    job, last = sessions.job(name), -1
    while not closed.is_set():
        # Read first: a later change waits for the next turn.
        pending = job.pending
        if job.version != last:
            last = job.version
            yield _event("file", job.to_dict())
        if not pending:
            return
        await asyncio.sleep(_TICK_S)
