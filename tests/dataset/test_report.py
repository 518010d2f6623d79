"""The page shows the worst faces as they look in the output, and escapes what names say."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.dataset import report
from deid.dataset.items import Item
from deid.dataset.ledger import Ledger
from deid.dataset.records import Record

NAMES = ["far.png", "near <b>.png", "blurred.png", "gone.png"]


def _face(method: str, status: str, distance: float) -> dict[str, object]:
    return {
        "frame": 0, "status": status, "method": method, "strength": 1.0, "seed": 5, "passed": True, "box_xyxy": [10, 10, 30, 30],
        "distances": [{"embedder": "e", "distance": distance, "threshold": 0.4, "passed": True}], "score": 0.9, "detector": "mtcnn",
        "redetected": True, "iou": 0.9, "realism": None, "gender_before": 0.5, "gender_after": 0.4, "attributes": {},
        "why": ["gender not kept <i>"] if status == "fallback" else [],
    }  # fmt: skip


@pytest.fixture
def page(tmp_path: Path) -> str:
    faces = [_face("attgan", "passed", 1.0), _face("attgan", "passed", 0.41), _face("blur", "fallback", 0.6)]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.begin({"seed": "123456789", "options.method": "attgan"}, [Item(name, name) for name in NAMES])
        session = ledger.start_session("local", 2)
        for i, face in enumerate(faces, 1):
            ledger.store(Record(i, NAMES[i - 1], "done", faces=(face,), seconds=0.5, size=1000, notes=("profile <left out>",)), session)
        ledger.store(Record(4, "gone.png", "failed", "it is <cut>"), session)
        report.write(ledger, tmp_path / "report.html", _output)
    return (tmp_path / "report.html").read_text()


def _output(number: int, name: str) -> bytes:
    if name == "blurred.png":
        raise FileNotFoundError("no such output")
    buffer = io.BytesIO()
    PillowImage.new("RGB", (60, 40), (50 * number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def test_thumbnails_are_of_the_output_and_the_nearest_comes_first(page: str) -> None:
    found = re.findall(r'base64,([^"]+)"', page)
    values = []
    for data in found:
        with PillowImage.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            values.append(int(np.asarray(thumbnail)[0, 0, 0]))
    assert values == pytest.approx([100, 50], abs=4)
    nearest = page[page.index("nearest to the threshold") : page.index("needed a harder method")]
    assert nearest.index("near &lt;b&gt;.png") < nearest.index("blurred.png") < nearest.index("far.png")
    assert "no such output" in nearest


def test_figures_and_failures(page: str) -> None:
    assert "<td>profile &lt;left out&gt;<td>3 pictures: blurred.png, ..." in page
    for text in ("failed: it is &lt;cut&gt;", "attgan, passed<td class=n>2", "blur, fallback<td class=n>1", "0.500", "3,000"):
        assert text in page
    assert "<cut>" not in page
    assert "<b>" not in page


def test_seed_is_not_told(page: str) -> None:
    assert "123456789" not in page
