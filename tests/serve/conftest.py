"""Desks with a fake engine, and clients of the REST interface."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deid.boxes.types import Box, BoxedFile, BoxedFrame
from deid.core.errors import ImageReadError
from deid.core.types import Detection
from deid.serve.corrections import Correction, check
from deid.serve.desk import Desk
from deid.serve.limits import Limits
from deid.serve.store import Store
from deid.serve.uploads import Upload
from deid.serve.work import Progress

pytest.importorskip("fastapi", reason="the page needs the extra `web`")
pytest.importorskip("httpx", reason="the tests of the page need httpx")

from starlette.testclient import TestClient

from deid.serve import api, guard

HOST = "127.0.0.1:8321"


@dataclass
class FakeOptions:
    method: str = "solid"
    seed: int | None = None


@dataclass
class FakeEngine:
    """What the desk asks of an engine before the work does."""

    options: FakeOptions = field(default_factory=FakeOptions)


@dataclass
class FakeWork:
    """Reads the upload, keeps two faces, and does as it is told; slow where it is asked to be."""

    upload: Upload
    kind: str
    gate: Any = None
    steps: int = 1
    fails: str = ""
    view: dict[str, Any] = field(default_factory=lambda: {"frames": 0})
    faces: tuple[dict[str, Any], ...] = ()
    done: list[Correction] = field(default_factory=list)

    def check(self, corrections: list[Correction]) -> None:
        check(corrections, len(self.faces))

    def process(self, progress: Progress) -> None:
        data = self.upload.path.read_bytes()
        for step in range(self.steps):
            if self.gate is not None:
                self.gate.wait(0.05)
            progress("new faces", step, self.steps)
        if cv2.imdecode(np.frombuffer(data, np.uint8), 1) is None and self.kind == "photo":
            raise ImageReadError(f"cannot read {self.upload.path}: not an image of a known format")
        self._render()

    def correct(self, corrections: list[Correction], progress: Progress) -> None:
        progress("new faces", 0, 1)
        if self.fails:
            raise RuntimeError(self.fails)
        self.done += corrections
        self._render()

    def save(self, progress: Progress) -> None:
        progress("last detection", 0, 1)
        self.upload.result.write_bytes(self.upload.path.read_bytes() + repr(self.done).encode())

    def boxes(self) -> BoxedFile:
        return BoxedFile(self.upload.name, (8, 8), (BoxedFrame((Box(Detection(np.array([1.0, 1.0, 5.0, 5.0])), keep=True),)),))

    def report(self) -> dict[str, Any]:
        return {"input": self.upload.name, "kept": [c.face for c in self.done if c.action == "keep"]}

    def _render(self) -> None:
        image = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
        for name in ("before-0", "after-0", "face-0-before", "face-0-after"):
            (self.upload.folder / f"{name}.jpg").write_bytes(image)
        self.view = {"frames": 1, "sizes_wh": [[8, 8]]}
        self.faces = tuple({"face": i, "shown": True, "doubts": ["small"] * i, "frame": 0} for i in range(2))


@pytest.fixture
def fake_work() -> type[FakeWork]:
    """The class, for tests that build their own."""
    return FakeWork


@pytest.fixture
def fake_engine() -> type[FakeEngine]:
    """The class, for tests that build their own."""
    return FakeEngine


@pytest.fixture
def photo() -> bytes:
    """A small photo."""
    image = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as store:
        yield store


@pytest.fixture
def desk_of(store: Store) -> Iterator[Callable[..., Desk]]:
    """Makes desks whose work is fake; `work` may give another fake."""
    made: list[Desk] = []

    def make(limits: Limits | None = None, work: Callable[..., object] | None = None, load: Callable[[], object] = FakeEngine) -> Desk:
        build = work or (lambda upload, kind, engine, limits: FakeWork(upload, kind))
        made.append(Desk(store, load, build, limits))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for desk in made:
        desk.close()


@pytest.fixture
def desk(desk_of: Callable[..., Desk]) -> Desk:
    return desk_of()


@pytest.fixture
def client_of() -> Iterator[Callable[..., TestClient]]:
    """Makes clients that say they talk to this machine."""
    opened: list[TestClient] = []

    def make(desk: Desk, token: str = "", host: str = HOST, headers: dict[str, str] | None = None) -> TestClient:
        app = api.build(desk, guard.allowed_hosts("127.0.0.1", 8321), token)
        client = TestClient(app, base_url=f"http://{host}", headers=headers or {}, follow_redirects=False)
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(desk: Desk, client_of: Callable[..., TestClient]) -> TestClient:
    return client_of(desk)


@contextlib.contextmanager
def listening(desk: Desk, **config: Any) -> Iterator[int]:
    """A server of a desk's page; gives its port."""
    import uvicorn

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
        app: Any = api.build(desk, guard.allowed_hosts("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="critical", **config))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield port
        server.should_exit = True
        thread.join(10)
