"""Every example runs as it is, and what it writes has no exposed face."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Image

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
#: Packages that are not needed otherwise.
NEEDS = {"hugging_face_map": "datasets", "rest_client": "fastapi", "supervision_step": "supervision"}


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """What an example must say besides the name of its picture."""
    return {
        "hugging_face_map": "an astronaut (256, 256)",
        "own_detector": "blur passed",
        "rest_client": "Covered with one colour",
        "own_editor": "mirror x1: mobilenet distance",
        "supervision_step": "",
        "torchvision_transform": "batch (2, 3, 128, 128) first box [[38, 35, 86, 100]]",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(
    path: Path, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage", reason="the examples take scikit-image's photo: pip install 'deid-face[demo]'")
    if needed := NEEDS.get(path.stem):
        pytest.importorskip(needed, reason=f"the example needs {needed}: pip install 'deid-face[test]'")
    monkeypatch.chdir(tmp_path)
    # pytest's own arguments are none of the example's.
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    said = capsys.readouterr().out.strip()
    assert expected[path.stem] in said
    picture = tmp_path / said.splitlines()[-1]
    assert _differs_where_the_face_was(picture), said


def _differs_where_the_face_was(picture: Path) -> bool:
    """Whether the middle of the astronaut's face is another one, at the picture's own size."""
    from skimage import data

    before = PillowImage.fromarray(data.astronaut())
    box = (170, 65, 280, 220)
    with PillowImage.open(picture) as after:
        if after.size == (128, 128):
            before, box = before.crop((100, 0, 356, 256)), (70, 65, 180, 220)
        old, new = (np.asarray(p.convert("RGB").resize((512, 512)), float) for p in (before, after))
    scale = 512 / before.width
    x0, y0, x1, y1 = (int(v * scale) for v in box)
    quarter_x, quarter_y = (x1 - x0) // 4, (y1 - y0) // 4
    middle = np.s_[y0 + quarter_y : y1 - quarter_y, x0 + quarter_x : x1 - quarter_x]
    difference: Image = np.abs(old - new)[middle]
    return bool((difference.max(axis=2) > 12).mean() > 0.3)
