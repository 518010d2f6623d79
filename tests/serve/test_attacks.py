"""The usual attacks on a local server, with harmless inputs: each must fail, and the page must still work."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from deid.serve import guard
from deid.serve.desk import Desk
from deid.serve.limits import Limits
from deid.serve.protocol import PatientProtocol
from deid.serve.store import Store
from tests.serve.conftest import listening

TOKEN = "t0ken-t0ken-t0ken"


@pytest.fixture
def session(client: TestClient) -> str:
    return str(client.post("/api/sessions").json()["session"])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1:9999", "127.0.0.1.evil.example:8321", "", "localhost"])
def test_dns_rebinding_a_foreign_host_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/api/status"):
        assert client.get(path, headers={"host": host}).status_code == 421


def test_two_hosts_are_refused(client: TestClient) -> None:
    headers = [("host", "127.0.0.1:8321"), ("host", "evil.example")]
    assert client.get("/api/status", headers=headers).status_code == 400


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1:8321.evil.example", "file://"]
)
def test_csrf_another_origin_is_refused(client: TestClient, session: str, photo: bytes, origin: str) -> None:
    answer = client.post(f"/api/sessions/{session}/files", params={"name": "a.jpg"}, content=photo, headers={"origin": origin})
    assert answer.status_code == 403
    assert client.get(f"/api/sessions/{session}").json()["files"] == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_csrf_an_image_or_script_of_another_page_gets_nothing(client: TestClient, site: str) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
    assert client.get("/api/status", headers=headers).status_code == 403
    assert client.get("/static/app.js", headers=headers).status_code == 403


def test_a_link_from_another_page_may_open_the_page_and_nothing_else(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=headers).status_code == 200
    assert client.get("/api/status", headers=headers).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_csrf_a_form_is_not_read(client: TestClient, session: str, kind: str) -> None:
    body = json.dumps({"corrections": []})
    assert client.post(f"/api/sessions/{session}/files?name=a.jpg", content=body, headers={"content-type": kind}).status_code == 415


def test_no_other_page_is_let_in_by_cors_or_may_frame_this_one(client: TestClient) -> None:
    for path in ("/", "/api/status", "/api/nothing"):
        headers = client.get(path).headers
        assert "access-control-allow-origin" not in headers
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
    preflight = {"origin": "http://evil.example", "access-control-request-method": "DELETE"}
    assert client.options("/api/sessions/x", headers=preflight).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../api.py",
        "/static/%2e%2e/api.py",
        "/static/..%2fapi.py",
        "/static//etc/passwd",
        "/static/%00",
        "/api/files/..%2f..%2fetc%2fpasswd/result",
        "/api/files/x/images/before/..%2f..%2fupload",
        "/api/files/x/images/upload.jpg/0",
        "/../../etc/passwd",
        "/deid/serve/api.py",
    ],
)
def test_traversal_finds_nothing(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 405, 422)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "name", ["../../../tmp/evil.jpg", "/etc/cron.d/evil.jpg", "..\\..\\evil.jpg", "a\x00.jpg", "C:evil.jpg", "~/.ssh/a.jpg"]
)
def test_a_name_with_a_path_never_reaches_the_disk(client: TestClient, store: Store, session: str, photo: bytes, name: str) -> None:
    answer = client.post(f"/api/sessions/{session}/files", params={"name": name}, content=photo)
    assert answer.status_code in (201, 415)
    assert {p.name for p in store.root.rglob("*") if p.is_file()} <= {
        "in-use", "upload.jpg", "before-0.jpg", "after-0.jpg", "face-0-before.jpg", "face-0-after.jpg",
    }  # fmt: skip
    assert not [p for p in store.root.parent.iterdir() if p != store.root]


def test_a_name_cannot_break_out_of_a_header(client: TestClient, session: str, photo: bytes) -> None:
    name = 'a"\r\nset-cookie: evil=1\r\n.jpg'
    file = client.post(f"/api/sessions/{session}/files", params={"name": name}, content=photo).json()["id"]
    for step in ("", "/save"):
        if step:
            client.post(f"/api/files/{file}{step}")
        while client.get(f"/api/files/{file}").json()["pending"]:
            time.sleep(0.005)
    headers = client.get(f"/api/files/{file}/result").headers
    assert "set-cookie" not in headers
    assert "\n" not in headers["content-disposition"]


def test_numbers_of_files_and_sessions_cannot_be_guessed(client: TestClient, session: str) -> None:
    assert len(session) >= 16
    for guess in ("0", "1", "admin", session[:-1] + ("A" if session[-1] != "A" else "B")):
        assert client.get(f"/api/sessions/{guess}").status_code == 404
        assert client.get(f"/api/files/{guess}/result").status_code == 404


def test_without_the_token_nothing_is_told(desk: Desk, client_of: Callable[..., TestClient]) -> None:
    client = client_of(desk, TOKEN)
    wrong = [{}, {"authorization": "Bearer nope"}, {"authorization": f"Basic {TOKEN}"}, {"cookie": f"{guard.COOKIE}=nope"}]
    for headers in wrong:
        for path in ("/", "/static/app.js", "/api/status", "/api/openapi.json", f"/api/status?token={TOKEN}", "/?token=nope"):
            assert client.get(path, headers=headers).status_code == 401
    assert client.get("/api/status", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_token_of_the_address_becomes_a_strict_cookie_and_leaves_the_address(desk: Desk, client_of: Callable[..., TestClient]) -> None:
    client = client_of(desk, TOKEN)
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    assert client.get("/", headers={"cookie": f"{guard.COOKIE}={TOKEN}"}).status_code == 200


def test_json_that_is_too_large_or_too_deep_is_refused(client: TestClient) -> None:
    for body in (b'{"corrections": [' + b" " * (2 << 20) + b"]}", b'{"corrections": ' + b"[" * 100_000, b"\xff\xfe"):
        answer = client.post("/api/files/x/corrections", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 413, 422)


def test_a_length_that_lies_is_refused_or_counted(desk_of: Callable[..., Desk], client_of: Callable[..., TestClient], store: Store) -> None:
    client = client_of(desk_of(Limits(photo_bytes=1000)))
    session = client.post("/api/sessions").json()["session"]
    for length in ("-1", "9" * 40, "1e9"):
        answer = client.post(f"/api/sessions/{session}/files?name=a.jpg", content=b"x" * 2000, headers={"content-length": length})
        assert answer.status_code in (400, 413)
    assert [path.name for path in store.root.iterdir()] == ["in-use"]


def test_sessions_and_files_have_a_limit(desk_of: Callable[..., Desk], client_of: Callable[..., TestClient], photo: bytes) -> None:
    client = client_of(desk_of(Limits(sessions=3, files=2)))
    sessions = [client.post("/api/sessions") for _ in range(5)]
    assert [answer.status_code for answer in sessions] == [201, 201, 201, 413, 413]
    address = f"/api/sessions/{sessions[0].json()['session']}/files?name=a.jpg"
    assert [client.post(address, content=photo).status_code for _ in range(4)] == [201, 201, 413, 413]


def test_what_is_given_out_is_no_script_whatever_it_holds(client: TestClient, session: str) -> None:
    file = client.post(f"/api/sessions/{session}/files?name=<script>alert(1)</script>.jpg", content=b"<script>").json()
    assert "<script>" not in file["name"]
    answer = client.get(f"/api/files/{file['id']}/report")
    assert answer.headers["content-type"] == "application/json"


def test_websockets_and_odd_methods_are_refused(client: TestClient) -> None:
    for method in ("TRACE", "CONNECT", "PROPFIND"):
        assert client.request(method, "/api/status").status_code in (400, 405)


# On a real connection


@pytest.fixture
def live(desk_of: Callable[..., Desk]) -> Iterator[int]:
    """A port at which the real server listens, with little patience."""
    desk = desk_of(Limits(stalled_s=0.4))

    class Hasty(PatientProtocol):
        headers_s = 0.4

    with listening(desk, http=Hasty, h11_max_incomplete_event_size=32 << 10) as port:
        yield port


def spoken(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server answers before it ends the connection, or says nothing for three seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        got = b""
        with contextlib.suppress(OSError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while chunk := connection.recv(65536):
                got += chunk
    return got


def status(port: int) -> bytes:
    """An honest request."""
    return spoken(port, f"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())


def upload_head(port: int) -> bytes:
    """The headers of an upload of 1000 bytes to a new session."""
    rest = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
    answer = spoken(port, f"POST /api/sessions{rest}\r\n".encode())
    session = json.loads(answer.rpartition(b"\r\n\r\n")[2])["session"]
    return f"POST /api/sessions/{session}/files?name=a.jpg{rest}Content-Length: 1000\r\n\r\n".encode()


def test_huge_headers_are_refused(live: int) -> None:
    lead = f"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{live}\r\n".encode()
    assert b" 400 " in spoken(live, lead, b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n").split(b"\r\n")[0]
    many = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 50) for i in range(5000))
    assert b" 200 " not in spoken(live, lead, many, b"\r\n")
    assert b" 200 " in status(live)


def test_a_client_that_never_ends_its_headers_is_cut_off(live: int) -> None:
    began = time.monotonic()
    slow = [b"GET / HTTP/1.1\r\n", *(b"X-%d: a\r\n" % i for i in range(40))]
    assert b" 200 " not in spoken(live, *slow, pause=0.05)
    assert time.monotonic() - began < 4
    assert b" 200 " in status(live)


def test_a_hundred_silent_connections_do_not_stop_the_page(live: int) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", live))) for _ in range(100)]
        assert b" 200 " in status(live)
        time.sleep(0.6)
        silent[0].settimeout(2)
        assert silent[0].recv(1) == b"", "a silent connection is ended"


def test_an_upload_that_stalls_is_ended_and_deleted(live: int, store: Store) -> None:
    head = upload_head(live)
    assert b" 408 " in spoken(live, head, b"x" * 10)
    assert [path.name for path in store.root.iterdir()] == ["in-use"]


def test_an_upload_whose_client_goes_away_is_deleted(live: int, store: Store) -> None:
    head = upload_head(live)
    with socket.create_connection(("127.0.0.1", live)) as connection:
        connection.sendall(head + b"x" * 10)
        time.sleep(0.1)
    end = time.monotonic() + 3
    while [path.name for path in store.root.iterdir()] != ["in-use"]:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST /api/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    ],
    ids=["foreign host", "absolute address", "no host", "smuggling", "tls", "two hosts"],
)
def test_odd_requests_get_no_page(live: int, request_: bytes) -> None:
    assert b" 200 " not in spoken(live, request_)
    assert b" 200 " in status(live)
