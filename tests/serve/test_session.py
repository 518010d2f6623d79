"""Files on their way, without a network and without a browser."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deid.serve.corrections import CorrectionError
from deid.serve.desk import Desk
from deid.serve.jobs import Job
from deid.serve.limits import Limits
from deid.serve.names import kind_of, plain_name
from deid.serve.store import Store
from deid.serve.uploads import NotThereError, RefusedError, TooLargeError


def until(what: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def sent(desk: Desk, data: bytes, name: str = "party.jpg", session: str | None = None) -> Job:
    """A file that has come."""
    session = session or desk.sessions.open().id
    kind = desk.expect(session, name, len(data))
    upload = desk.reserve(name)
    upload.path.write_bytes(data)
    return desk.submit(session, upload, kind)


def settled(desk: Desk, job: Job) -> Job:
    until(lambda: not job.pending)
    return job


def folders(store: Store) -> list[str]:
    return [path.name for path in store.root.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jpg", "photo"), ("A.PNG", "photo"), ("clip.mp4", "film"), ("clip.MKV", "film")],
)
def test_the_name_says_what_a_file_is(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("holiday.zip", "an archive is not opened"),
        ("raw.cr2", "raw photo"),
        ("page.html", "neither a picture nor a video"),
        ("noname", "neither a picture nor a video"),
        ("._a.jpg", "macOS"),
        ("._a.mp4", "macOS"),
        ("talk.pdf", "a document"),
    ],
)
def test_what_is_neither_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        kind_of(name)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.jpg", "a.jpg"),
        ("a\x00b\nc.jpg", "abc.jpg"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("<img src=x>.jpg", "img src=x.jpg"),
        ("/", "unnamed"),
    ],
)
def test_a_clients_name_is_only_shown(given: str, shown: str) -> None:
    assert plain_name(given) == shown


def test_a_file_goes_from_upload_to_saved(desk: Desk, photo: bytes) -> None:
    job = settled(desk, sent(desk, photo))
    assert (job.state, len(job.work.faces)) == ("ready", 2)  # type: ignore[union-attr]
    with pytest.raises(NotThereError, match="not saved"):
        desk.result(job.id)
    settled(desk, desk.correct(job.id, [{"action": "keep", "face": 1}]))
    settled(desk, desk.save(job.id))
    assert job.state == "saved"
    assert desk.result(job.id).read_bytes().startswith(photo)
    assert desk.report(job.id)["kept"] == [1]


def test_a_correction_after_saving_makes_it_unsaved(desk: Desk, photo: bytes) -> None:
    job = settled(desk, sent(desk, photo))
    settled(desk, desk.save(job.id))
    settled(desk, desk.correct(job.id, [{"action": "not_a_face", "face": 0}]))
    assert job.state == "ready"
    with pytest.raises(NotThereError):
        desk.result(job.id)


def test_wrong_corrections_change_nothing(desk: Desk, photo: bytes) -> None:
    job = settled(desk, sent(desk, photo))
    with pytest.raises(CorrectionError, match="there is no face 7"):
        desk.correct(job.id, [{"action": "keep", "face": 0}, {"action": "keep", "face": 7}])
    with pytest.raises(CorrectionError, match="expected 1 to"):
        desk.correct(job.id, [])
    assert job.work.done == []  # type: ignore[union-attr]


def test_a_step_that_fails_leaves_the_file_open(desk_of: Callable[..., Desk], photo: bytes, fake_work: Callable[..., Any]) -> None:
    desk = desk_of(work=lambda upload, kind, engine, limits: fake_work(upload, kind, fails="out of paint"))
    job = settled(desk, sent(desk, photo))
    settled(desk, desk.correct(job.id, [{"action": "keep", "face": 0}]))
    assert job.state == "ready"
    assert "out of paint" in job.error


def test_a_broken_file_costs_the_others_nothing_and_names_no_path(desk: Desk, photo: bytes, store: Store) -> None:
    session = desk.sessions.open().id
    broken, good = sent(desk, b"<html>", "page.jpg", session), sent(desk, photo, "good.jpg", session)
    settled(desk, good)
    assert (broken.state, good.state) == ("failed", "ready")
    assert broken.error == "cannot read page.jpg: not an image of a known format"
    assert str(store.root) not in str(broken.to_dict())


def test_limits_are_told_before_a_byte_is_read(desk_of: Callable[..., Desk], photo: bytes) -> None:
    desk = desk_of(Limits(photo_bytes=1000, film_bytes=5000, files=2, sessions=2))
    session = desk.sessions.open().id
    with pytest.raises(TooLargeError, match=r"10\.0 GB is more than a video may have"):
        desk.expect(session, "long.mp4", 10 * 2**30)
    with pytest.raises(TooLargeError, match="more than a photo may have"):
        desk.expect(session, "large.jpg", 1001)
    for _ in range(2):
        sent(desk, photo[:900], session=session)
    with pytest.raises(TooLargeError, match="2 files"):
        desk.expect(session, "third.jpg", 1)
    desk.sessions.open()
    with pytest.raises(TooLargeError, match="2 sessions"):
        desk.sessions.open()


def test_removing_a_file_ends_its_work_and_deletes_it(
    desk_of: Callable[..., Desk], photo: bytes, store: Store, fake_work: Callable[..., Any]
) -> None:
    desk = desk_of(work=lambda upload, kind, engine, limits: fake_work(upload, kind, threading.Event(), 1000))
    job = sent(desk, photo)
    until(lambda: job.state == "working")
    desk.sessions.remove(job.id)
    until(lambda: not folders(store))
    assert job.state == "cancelled"
    with pytest.raises(NotThereError):
        desk.sessions.job(job.id)


def test_two_pages_do_not_see_each_other(desk: Desk, photo: bytes, store: Store) -> None:
    one, other = desk.sessions.open(), desk.sessions.open()
    job, second = sent(desk, photo, session=one.id), sent(desk, photo, session=other.id)
    settled(desk, second)
    assert [list(s.jobs) for s in (one, other)] == [[job.id], [second.id]]
    desk.sessions.close(one.id)
    until(lambda: len(folders(store)) == 1)
    assert settled(desk, desk.save(second.id)).state == "saved"


def test_a_session_whose_page_has_gone_is_closed_and_leaves_nothing(
    desk_of: Callable[..., Desk], photo: bytes, store: Store, fake_work: Callable[..., Any]
) -> None:
    desk = desk_of(Limits(away_s=0.05), lambda upload, kind, engine, limits: fake_work(upload, kind, threading.Event(), 1000))
    session = desk.sessions.open().id
    desk.sessions.attend(session, 1)
    job = sent(desk, photo, session=session)
    until(lambda: job.state == "working")
    time.sleep(0.1)
    desk.sessions.sweep()
    assert desk.sessions.get(session).jobs, "its page is still there"
    desk.sessions.attend(session, -1)
    time.sleep(0.1)
    desk.sessions.sweep()
    until(lambda: not folders(store))
    with pytest.raises(NotThereError, match="its files are deleted"):
        desk.sessions.get(session)


def test_models_that_cannot_be_loaded_are_told(desk_of: Callable[..., Desk], photo: bytes) -> None:
    def broken() -> object:
        raise OSError("weights are missing")

    desk = desk_of(load=broken)
    until(lambda: bool(desk.worker.problem))
    with pytest.raises(RefusedError, match="weights are missing"):
        desk.expect(desk.sessions.open().id, "a.jpg", 10)


def test_closing_ends_the_work_and_deletes_everything(
    tmp_path: Path, photo: bytes, fake_work: Callable[..., Any], fake_engine: Callable[[], Any]
) -> None:
    with Store(tmp_path) as store:
        slow = lambda upload, kind, engine, limits: fake_work(upload, kind, threading.Event(), 1000)  # noqa: E731
        with Desk(store, fake_engine, slow) as desk:  # type: ignore[arg-type]
            job = sent(desk, photo)
            until(lambda: job.state == "working")
        assert not folders(store)
    assert not list(tmp_path.iterdir())
