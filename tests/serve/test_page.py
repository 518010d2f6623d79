"""The page in a browser: two photos and a video are dropped, three faces corrected, and what is saved is what the commands write."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from deid.core.types import Image
from tests.video.conftest import look_alike

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the tests of the page need Chromium: apt-get install chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="the tests of the page need playwright: pip install 'deid-face[test]'")
av = pytest.importorskip("av", reason="the tests of the page need PyAV")

#: What a slow machine may take for one step, in milliseconds.
PATIENCE = 60_000
#: Drops files as a person's mouse does.
DROP = """
async (files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, couple: Image, astronaut: Image) -> Path:
    """Two photos and a short video."""
    folder = tmp_path_factory.mktemp("inputs")
    PillowImage.fromarray(couple).save(folder / "couple.jpg", quality=92)
    PillowImage.fromarray(astronaut).save(folder / "woman.png")
    with av.open(str(folder / "pan.mp4"), "w") as video:
        stream = video.add_stream("libx264", rate=Fraction(10))
        stream.height, stream.width, stream.pix_fmt = 240, 240, "yuv420p"
        for i in range(8):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(astronaut[:240, 3 * i : 3 * i + 240]), "rgb24")))
        video.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is; afterwards nothing of it is left."""
    temp = tmp_path_factory.mktemp("temp")
    command = [sys.executable, "-m", "deid", "serve", "--port", "0", "--method", "pixelate", "--seed", "7", "--temp", str(temp)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    # It also closes the pipes.
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert not list(temp.iterdir())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page; an error of its scripts fails the test, but for refused files, which the browser logs."""
    errors: list[str] = []
    page = browser.new_page(viewport={"width": 1024, "height": 768}, accept_downloads=True)
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" and "415" not in message.text else None)
    # Leaving with unsaved files asks first.
    page.on("dialog", lambda dialog: dialog.accept())
    page.on("response", lambda answer: errors.append(f"{answer.status} {answer.url}") if answer.status == 404 else None)
    page.goto(address)
    yield page
    page.close()
    assert errors == []


def drop(page: Any, paths: list[Path]) -> None:
    page.evaluate(DROP, [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths])


def choose(page: Any, name: str) -> None:
    """Look at a file, and wait until it can be corrected."""
    page.locator(".file-open", has_text=name).click()
    page.locator("#file-name", has_text=name).wait_for()
    page.locator("#save:enabled").wait_for()
    page.locator("#cards .card").first.wait_for()


@contextlib.contextmanager
def remade(page: Any) -> Iterator[None]:
    """Wait after what is done here until the file that is looked at is made again."""
    before = page.locator("#viewer").get_attribute("data-version")
    yield
    page.wait_for_function(
        "(before) => { const now = document.querySelector('#viewer').dataset; return now.version !== before && now.busy === 'false'; }",
        arg=before,
    )


def save(page: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The saved file and its report."""
    with page.expect_download() as result:
        page.keyboard.press("s")
    with page.expect_download() as report:
        page.get_by_role("link", name="Report").click()
    paths = [folder / found.value.suggested_filename for found in (result, report)]
    for path, found in zip(paths, (result, report), strict=True):
        found.value.save_as(path)
    return paths[0], json.loads(paths[1].read_text())


def command(*arguments: str) -> None:
    """A command of `deid`, in this process."""
    from deid.__main__ import app

    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output


def test_what_is_saved_is_what_the_commands_write(page: Any, inputs: Path, tmp_path: Path) -> None:
    drop(page, [inputs / "couple.jpg", inputs / "woman.png", inputs / "pan.mp4"])

    # A photo in which one of two people is kept, with keys alone: `deid find`, a mark, and `deid run --boxes`.
    choose(page, "couple.jpg")
    page.keyboard.press("n")
    chosen = int(page.locator(".card.chosen").get_attribute("data-face"))
    with remade(page):
        page.keyboard.press("k")
    saved, report = save(page, tmp_path)
    assert [kept["face"] for kept in report["kept"]] == [chosen]
    kept(inputs / "couple.jpg", report["kept"][0]["box_xyxy"], tmp_path / "kept.jpg")
    assert saved.read_bytes() == (tmp_path / "kept.jpg").read_bytes()

    # A photo whose face is covered by one colour, with the mouse: `deid run --method solid`.
    choose(page, "woman.png")
    card = page.locator(".card").first
    card.locator(".cover-method").select_option("solid")
    with remade(page):
        card.get_by_role("button", name="Cover", exact=True).click()
    saved, _ = save(page, tmp_path)
    command("run", str(inputs / "woman.png"), "-o", str(tmp_path / "solid.png"), "--method", "solid")
    assert saved.read_bytes() == (tmp_path / "solid.png").read_bytes()

    # A video whose track is covered by one colour.
    choose(page, "pan.mp4")
    page.keyboard.press("n")
    card = page.locator(".card.chosen")
    card.locator(".cover-method").select_option("solid")
    card.get_by_role("button", name="Cover", exact=True).click()
    with remade(page):
        page.locator("#apply:enabled").click()
    saved, _ = save(page, tmp_path)
    # Other tracks keep the method of the page, so that no command writes the same video.
    assert not look_alike(saved, inputs / "pan.mp4")


def kept(photo: Path, box: list[float], out: Path) -> None:
    """A photo in which one person is kept, by the commands."""
    boxes = out.with_suffix(".json")
    command("find", str(photo), "-o", str(boxes))
    found = json.loads(boxes.read_text())
    for row in found["files"][0]["frames"][0]["boxes"]:
        row["keep"] = bool(np.abs(np.array(row["box_xyxy"]) - box).max() < 1)
    boxes.write_text(json.dumps(found))
    command("run", str(photo), "-o", str(out), "--method", "pixelate", "--seed", "7", "--boxes", str(boxes))


def test_what_is_not_corrected_is_what_deid_run_writes_and_undo_brings_it_back(page: Any, inputs: Path, tmp_path: Path) -> None:
    drop(page, [inputs / "couple.jpg"])
    choose(page, "couple.jpg")
    page.keyboard.press("n")
    for key in ("x", "u"):
        with remade(page):
            page.keyboard.press(key)
    saved, report = save(page, tmp_path)
    command("run", str(inputs / "couple.jpg"), "-o", str(tmp_path / "run.jpg"), "--method", "pixelate", "--seed", "7")
    assert saved.read_bytes() == (tmp_path / "run.jpg").read_bytes()
    assert report["kept"] == report["not_faces"] == []


def test_a_missed_face_is_drawn_with_the_mouse_and_with_keys(page: Any, inputs: Path, tmp_path: Path) -> None:
    drop(page, [inputs / "woman.png"])
    choose(page, "woman.png")
    page.get_by_role("button", name="Draw a missed face").click()
    area = page.locator("#stage").bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.7, area["y"] + area["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.9, area["y"] + area["height"] * 0.4, steps=4)
    with remade(page):
        page.mouse.up()
    page.keyboard.press("d")
    page.keyboard.press("ArrowDown")
    with remade(page):
        page.keyboard.press("Enter")
    assert page.get_by_text("drawn by you").count() == 2
    _, report = save(page, tmp_path)
    assert [face["origin"] for face in report["faces"]].count("drawn") == 2


def test_what_cannot_be_read_is_told_on_the_page_and_costs_the_others_nothing(page: Any, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html><script>alert(1)</script></html>")
    (tmp_path / "holiday.zip").write_bytes(b"PK")
    drop(page, [tmp_path / "page.jpg", tmp_path / "holiday.zip", inputs / "woman.png"])
    page.get_by_text("an archive is not opened").first.wait_for()
    page.locator(".file", has_text="page.jpg").get_by_text("not an image of a known format").wait_for()
    choose(page, "woman.png")


def test_two_pages_do_not_see_each_other_and_a_reload_loses_nothing(page: Any, browser: Any, address: str, inputs: Path) -> None:
    drop(page, [inputs / "woman.png"])
    choose(page, "woman.png")
    other = browser.new_page()
    other.goto(address)
    other.get_by_text("Ready", exact=True).wait_for()
    assert other.locator(".file").count() == 0
    other.close()
    page.reload()
    choose(page, "woman.png")


def test_every_control_has_a_name_and_the_page_fits(page: Any, inputs: Path) -> None:
    drop(page, [inputs / "woman.png"])
    choose(page, "woman.png")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input:not([type=file]), select, [tabindex="0"]')].filter((e) => e.offsetParent
        && !(e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels.length))).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
