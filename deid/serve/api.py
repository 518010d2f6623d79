"""The REST interface, with its OpenAPI document, and the page's files."""

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from deid._version import __version__
from deid.serve import events
from deid.serve.bodies import BodyLimit, to_file
from deid.serve.corrections import COVERS, STRONGEST, WEAKEST, CorrectionError
from deid.serve.desk import Desk
from deid.serve.guard import Guard
from deid.serve.jobs import Job
from deid.serve.schema import Corrections, Detections, File, Files, Opened, Status
from deid.serve.session import Session
from deid.serve.store import remove
from deid.serve.uploads import IN_WORDS, NotThereError, RefusedError, TooLargeError

#: How often sessions are looked at that nobody may come back to, in seconds.
_SWEEP_S = 5.0
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def build(desk: Desk, hosts: frozenset[str], token: str = "") -> Guard:
    """The whole application, guarded.

    Args:
        desk: does the work.
        hosts: allowed values of `Host`.
        token: that every request must bring; empty for none.
    """
    app = FastAPI(
        title="deid serve",
        version=__version__,
        description="Anonymize photos and videos, correct what was done, and save it. Nothing is final until it is saved.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _: _swept(desk),
    )
    for kind, status in ((NotThereError, 404), (TooLargeError, 413), (RefusedError, 415), (CorrectionError, 422)):
        app.add_exception_handler(kind, _told(status))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(_sessions(desk))
    app.include_router(_files(desk))
    app.include_router(_page())
    return Guard(BodyLimit(app, desk.limits.stalled_s), hosts, token)


@asynccontextmanager
async def _swept(desk: Desk) -> AsyncIterator[None]:
    """Close forgotten sessions while the server runs."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            await asyncio.to_thread(desk.sessions.sweep)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _told(status: int) -> Callable[[Request, Exception], JSONResponse]:
    return lambda _, error: JSONResponse({"detail": str(error)}, status)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return JSONResponse({"detail": f"{where}: {first['msg']}"}, 422)


def _sessions(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["sessions"])

    @router.get("/status")
    async def status() -> Status:
        """What the server is and allows, and whether its models are loaded."""
        limits = {
            name: float(getattr(desk.limits, name))
            for name in ("photo_bytes", "film_bytes", "pixels", "film_pixels", "duration_s", "files")
        }
        return Status(
            version=__version__,
            ready=desk.worker.is_ready,
            problem=desk.worker.problem or None,
            method=desk.worker.method,
            limits=limits,
            covers=list(COVERS),
            strengths=(WEAKEST, STRONGEST),
        )

    @router.post("/sessions", status_code=201)
    async def open_session() -> Opened:
        """Open a session. Its files are deleted when it is closed, when its page has gone, or after an hour without a request."""
        return Opened(session=desk.sessions.open().id)

    @router.get("/sessions/{session}")
    async def see_session(session: str) -> Files:
        """A session's files."""
        return Files.model_validate(events.as_plain(desk.sessions.get(session)))

    @router.delete("/sessions/{session}", status_code=204)
    async def close_session(session: str) -> None:
        """Close a session: its work is cancelled, and its files are deleted."""
        await asyncio.to_thread(desk.sessions.close, session)

    @router.get("/sessions/{session}/events", response_class=EventStream)
    async def session_events(session: str) -> EventStream:
        """Server-sent events: the session's files whenever anything about them changes."""
        desk.sessions.get(session)
        return EventStream(events.of_session(desk.sessions, desk.worker, desk.closed, session))

    @router.post("/sessions/{session}/files", status_code=201, openapi_extra=_BODY)
    async def submit(
        session: str,
        request: Request,
        name: Annotated[str, Query(max_length=1000, description="The file's name; its suffix says what it is.")],
        seed: Annotated[int | None, Query(ge=0, lt=2**63, description="For reproducible output.")] = None,
    ) -> File:
        """Send a photo or a video as the body, as it is. It is begun with at once."""
        return File.model_validate((await _received(desk, session, request, name, seed)).to_dict())

    @router.get("/sessions/{session}/results", response_class=FileResponse)
    async def results(session: str) -> FileResponse:
        """All saved files and their reports in one zip."""
        path = await asyncio.to_thread(_zipped, desk, desk.sessions.get(session))
        return FileResponse(path, media_type="application/zip", filename="anonymous.zip", background=BackgroundTask(path.unlink))

    return router


_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


async def _received(desk: Desk, session: str, request: Request, name: str, seed: int | None) -> Job:
    """A file that has come whole; of one that has not, nothing is left."""
    announced = request.headers.get("content-length", "")
    kind = desk.expect(session, name, int(announced) if announced.isdigit() else None)
    upload, most = desk.reserve(name), desk.limits.bytes_of(kind == "film")
    try:
        size = await to_file(request.stream(), upload.path, most)
        if size > most:
            raise TooLargeError(f"{upload.name}: it is larger than a {IN_WORDS[kind]} may be, {most // 2**20} MB")
        if not size:
            raise RefusedError(f"{upload.name}: the file is empty")
    except ClientDisconnect:
        remove(upload.folder)
        raise RefusedError(f"{upload.name}: the upload was broken off") from None
    except OSError as error:
        remove(upload.folder)
        raise TooLargeError(f"{upload.name}: it cannot be stored here: {error.strerror}") from error
    except BaseException:
        remove(upload.folder)
        raise
    return desk.submit(session, upload, kind, seed)


def _files(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/api/files/{file}", tags=["files"])

    @router.get("")
    async def see(file: str) -> File:
        """State of a file."""
        return File.model_validate(desk.sessions.job(file).to_dict())

    @router.delete("", status_code=204)
    async def remove(file: str) -> None:
        """Cancel a file's work and delete it."""
        await asyncio.to_thread(desk.sessions.remove, file)

    @router.get("/events", response_class=EventStream)
    async def file_events(file: str) -> EventStream:
        """Server-sent events: where the file stands, until it waits for a person."""
        desk.sessions.job(file)
        return EventStream(events.of_file(desk.sessions, desk.closed, file))

    @router.get("/detections")
    async def detections(file: str) -> Detections:
        """A file's faces or tracks."""
        job = desk.sessions.job(file)
        if job.work is None or not job.opened:
            raise NotThereError(f"{job.upload.name} is not ready: it is {job.state}")
        view, faces = job.work.view, [face for face in job.work.faces if face["shown"]]
        return Detections(id=job.id, kind=job.kind, version=job.version, view=view, faces=faces)  # type: ignore[arg-type]

    @router.post("/corrections", status_code=202)
    async def correct(file: str, given: Corrections) -> File:
        """Decide about faces; the file is made again with all corrections so far."""
        asked = [each.model_dump(exclude_none=True) for each in given.corrections]
        return File.model_validate(desk.correct(file, asked).to_dict())

    @router.post("/save", status_code=202)
    async def save(file: str) -> File:
        """Search the result once more, and make it final."""
        return File.model_validate(desk.save(file).to_dict())

    @router.get("/result", response_class=FileResponse)
    async def result(file: str) -> FileResponse:
        """The saved file."""
        return FileResponse(desk.result(file), media_type="application/octet-stream", filename=desk.sessions.job(file).upload.name)

    @router.get("/report")
    async def report(file: str) -> dict[str, Any]:
        """The report: a result for every face, with everyone who was kept."""
        return desk.report(file)

    @router.get("/boxes", response_class=Response, responses={200: {"content": {"application/json": {}}}})
    async def boxes(file: str) -> Response:
        """Boxes as `deid find` writes them, corrected: `deid run --boxes` takes them."""
        return Response(await asyncio.to_thread(desk.boxes, file), media_type="application/json")

    @router.get("/images/{side}/{frame}", response_class=FileResponse)
    async def picture(file: str, side: Literal["before", "after"], frame: int) -> FileResponse:
        """A frame as JPEG, before or after."""
        return _shown(desk.sessions.job(file), f"{side}-{frame}.jpg")

    @router.get("/faces/{face}/{side}", response_class=FileResponse)
    async def face(file: str, face: int, side: Literal["before", "after"]) -> FileResponse:
        """A face as JPEG, before or after."""
        return _shown(desk.sessions.job(file), f"face-{face}-{side}.jpg")

    return router


def _shown(job: Job, name: str) -> FileResponse:
    path = job.upload.folder / name
    if not path.is_file():
        raise NotThereError("there is no such picture")
    return FileResponse(path, media_type="image/jpeg")


def _page() -> APIRouter:
    """The page's own files, read once: names from clients are never opened."""
    router = APIRouter(include_in_schema=False)
    folder = resources("deid.serve") / "static"
    assets = {item.name: item.read_bytes() for item in folder.iterdir() if Path(item.name).suffix in _TYPES}

    @router.get("/")
    async def index() -> Response:
        return Response(assets["index.html"], media_type="text/html")

    @router.get("/static/{name}")
    async def asset(name: str) -> Response:
        if name not in assets:
            raise NotThereError("there is no such file")
        return Response(assets[name], media_type=_TYPES[Path(name).suffix])

    return router


def _zipped(desk: Desk, session: Session) -> Path:
    """A zip of what was saved; two files of one name get numbers.

    Raises:
        NotThereError: nothing was saved.
    """
    saved = [job for job in session.jobs.values() if job.state == "saved"]
    if not saved:
        raise NotThereError("nothing is saved yet")
    path, taken = desk.store.scratch(".zip"), set[str]()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for job in saved:
            name = _free(job.upload.name, taken)
            archive.write(job.upload.result, name)
            archive.writestr(f"{name}.report.json", json.dumps(desk.report(job.id), indent=2))
    return path


def _free(name: str, taken: set[str]) -> str:
    """The name itself, or with a number where it is taken."""
    path, number, free = Path(name), 1, name
    while free in taken:
        number += 1
        free = f"{path.stem}-{number}{path.suffix}"
    taken.add(free)
    return free
