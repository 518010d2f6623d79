"""The REST interface, from the first request to the saved file."""

import asyncio
import gc
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from deid.boxes import plain
from deid.serve import api, events
from deid.serve.desk import Desk
from deid.serve.limits import Limits
from deid.serve.store import Store


def opened(client: TestClient) -> str:
    """A new session."""
    return str(client.post("/api/sessions").json()["session"])


def submitted(client: TestClient, data: bytes, name: str = "party.jpg", session: str | None = None) -> str:
    """A file that was taken; gives its number."""
    answer = client.post(f"/api/sessions/{session or opened(client)}/files", params={"name": name}, content=data)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def settled(client: TestClient, file: str) -> dict[str, Any]:
    """A file once nothing is done to it any more."""
    for _ in range(1000):
        found: dict[str, Any] = client.get(f"/api/files/{file}").json()
        if not found["pending"]:
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come to an end")


def test_submit_correct_save_result_report(client: TestClient, photo: bytes) -> None:
    file = submitted(client, photo)
    assert settled(client, file)["state"] == "ready"
    found = client.get(f"/api/files/{file}/detections").json()
    assert [face["face"] for face in found["faces"]] == [0, 1]
    assert client.get(f"/api/files/{file}/result").status_code == 404
    given = {"corrections": [{"action": "keep", "face": 1}, {"action": "cover", "face": 0, "method": "pixelate", "strength": 2}]}
    assert client.post(f"/api/files/{file}/corrections", json=given).status_code == 202
    assert client.post(f"/api/files/{file}/save").status_code == 202
    assert settled(client, file)["state"] == "saved"
    result = client.get(f"/api/files/{file}/result")
    assert result.content.startswith(photo)
    assert result.headers["content-disposition"] == 'attachment; filename="party.jpg"'
    assert client.get(f"/api/files/{file}/report").json() == {"input": "party.jpg", "kept": [1], "saved": True}
    for address in ("images/before/0", "images/after/0", "faces/0/before", "faces/0/after"):
        assert client.get(f"/api/files/{file}/{address}").headers["content-type"] == "image/jpeg"
    assert client.delete(f"/api/files/{file}").status_code == 204
    assert client.get(f"/api/files/{file}").status_code == 404


def test_boxes_are_those_that_deid_run_takes(client: TestClient, photo: bytes) -> None:
    file = submitted(client, photo)
    settled(client, file)
    (boxed,) = plain.read(client.get(f"/api/files/{file}/boxes").json())
    assert (boxed.name, [box.keep for box in boxed.frames[0].boxes]) == ("party.jpg", [True])


def test_events_of_a_file_end_when_it_waits_for_a_person(client: TestClient, photo: bytes) -> None:
    file = submitted(client, photo)
    with client.stream("GET", f"/api/files/{file}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert events[-1]["state"] == "ready"


def test_events_of_a_session_tell_its_files_and_that_its_page_is_there(desk: Desk, client: TestClient, photo: bytes) -> None:
    session = opened(client)
    settled(client, submitted(client, photo, session=session))
    stream = events.of_session(desk.sessions, desk.worker, desk.closed, session)

    async def first() -> str:
        try:
            return await anext(stream)
        finally:
            assert desk.sessions.get(session).pages == 1
            await stream.aclose()  # type: ignore[attr-defined]

    told = asyncio.run(first())
    assert told.startswith("event: files")
    assert [file["state"] for file in json.loads(told.partition("data: ")[2])["files"]] == ["ready"]
    assert desk.sessions.get(session).pages == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"corrections": [{"action": "explode", "face": 0}]}, "corrections.0.action"),
        ({"corrections": [{"action": "cover", "face": 0}]}, "method"),
        ({"corrections": [{"action": "cover", "face": 0, "method": "solid", "strength": 99}]}, "strength"),
        ({"corrections": [{"action": "keep"}]}, "face"),
        ({"corrections": [{"action": "keep", "face": 0, "path": "/etc/passwd"}]}, "path"),
        ({"corrections": [{"action": "draw", "box_xyxy": [5, 5, 1, 1]}]}, "x0 < x1"),
        ({"corrections": []}, "expected 1 to"),
        ({"corrections": "all"}, "corrections"),
    ],
)
def test_wrong_corrections_are_refused_in_words(client: TestClient, photo: bytes, given: object, said: str) -> None:
    file = submitted(client, photo)
    settled(client, file)
    answer = client.post(f"/api/files/{file}/corrections", json=given)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "data", "status", "said"),
    [
        ("holiday.zip", b"PK", 415, "unpack it"),
        ("page.html", b"<html>", 415, "neither a picture nor a video"),
        ("empty.jpg", b"", 415, "the file is empty"),
    ],
)
def test_what_cannot_be_a_picture_is_refused(client: TestClient, store: Store, name: str, data: bytes, status: int, said: str) -> None:
    answer = client.post(f"/api/sessions/{opened(client)}/files", params={"name": name}, content=data)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
    assert [path.name for path in store.root.iterdir()] == ["in-use"]


def test_html_named_jpg_fails_with_a_word(client: TestClient) -> None:
    found = settled(client, submitted(client, b"<html></html>", "party.jpg"))
    assert (found["state"], found["error"]) == ("failed", "cannot read party.jpg: not an image of a known format")


def test_an_upload_that_grows_over_the_limit_is_ended_and_deleted(
    desk_of: Callable[..., Desk], client_of: Callable[..., TestClient], store: Store
) -> None:
    client = client_of(desk_of(Limits(photo_bytes=10_000)))
    chunks = (b"x" * 4000 for _ in range(10))
    answer = client.post(f"/api/sessions/{opened(client)}/files", params={"name": "a.jpg"}, content=chunks)
    assert (answer.status_code, "larger than a photo may be" in answer.json()["detail"]) == (413, True)
    assert [path.name for path in store.root.iterdir()] == ["in-use"]


def test_a_full_disk_is_reported_and_leaves_nothing(
    client: TestClient, photo: bytes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(api, "to_file", full)
    answer = client.post(f"/api/sessions/{opened(client)}/files", params={"name": "a.jpg"}, content=photo)
    assert (answer.status_code, answer.json()["detail"]) == (413, "a.jpg: it cannot be stored here: No space left on device")
    assert [path.name for path in store.root.iterdir()] == ["in-use"]


def test_all_saved_files_come_as_one_zip_and_names_may_be_the_same(client: TestClient, photo: bytes, store: Store) -> None:
    session = opened(client)
    for _ in range(2):
        file = submitted(client, photo, "same.jpg", session)
        client.post(f"/api/files/{file}/save") if settled(client, file) else None
        settled(client, file)
    answer = client.get(f"/api/sessions/{session}/results")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert names == ["same.jpg", "same.jpg.report.json", "same-2.jpg", "same-2.jpg.report.json"]
    assert not list(store.root.glob("*.zip"))


def test_the_openapi_document_names_every_step(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {p.removeprefix("/api/") for p in paths} == {
        "status", "sessions", "sessions/{session}", "sessions/{session}/events", "sessions/{session}/files", "sessions/{session}/results",
        "files/{file}", "files/{file}/events", "files/{file}/detections", "files/{file}/corrections", "files/{file}/save",
        "files/{file}/boxes", "files/{file}/result",
        "files/{file}/report", "files/{file}/images/{side}/{frame}", "files/{file}/faces/{face}/{side}",
    }  # fmt: skip
    assert "application/octet-stream" in paths["/api/sessions/{session}/files"]["post"]["requestBody"]["content"]


def resident() -> int:
    """Bytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_hundred_uploads_leave_no_memory_and_no_file(client: TestClient, store: Store) -> None:
    session, noise = opened(client), np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    data = bytes(cv2.imencode(".png", noise)[1])

    def one() -> None:
        file = submitted(client, data, "noise.png", session)
        settled(client, file)
        client.post(f"/api/files/{file}/save")
        settled(client, file)
        assert client.get(f"/api/files/{file}/result").status_code == 200
        client.delete(f"/api/files/{file}")

    for _ in range(20):
        one()
    early = resident()
    for _ in range(80):
        one()
    grown = resident() - early
    assert len(data) > 250_000
    assert grown < 20 * len(data), f"{grown} bytes more after 80 uploads of {len(data)}"
    assert [path.name for path in store.root.iterdir()] == ["in-use"]


def test_a_page_that_closes_in_mid_run_leaves_nothing(
    desk_of: Callable[..., Desk], client_of: Callable[..., TestClient], photo: bytes, store: Store, fake_work: Callable[..., Any]
) -> None:
    desk = desk_of(work=lambda upload, kind, engine, limits: fake_work(upload, kind, threading.Event(), 1000))
    client = client_of(desk)
    session = opened(client)
    submitted(client, photo, session=session)
    assert client.delete(f"/api/sessions/{session}").status_code == 204
    for _ in range(400):
        if [path.name for path in store.root.iterdir()] == ["in-use"]:
            return
        time.sleep(0.01)
    raise AssertionError("files were left")
