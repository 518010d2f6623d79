"""The model card lists every weights file with its size."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "weights"
ROWS = re.findall(r"^\| `([\w.]+)` \|[^|]*\| ([\d.]+) (MB|kB) \|", (FOLDER / "MODEL_CARD.md").read_text(), re.MULTILINE)


def test_the_card_lists_the_files_that_are_there() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(path.name for path in FOLDER.glob("*.safetensors"))


@pytest.mark.parametrize(("name", "size", "unit"), ROWS, ids=[name for name, _, _ in ROWS])
def test_the_size_of_a_file_is_right(name: str, size: str, unit: str) -> None:
    have = (FOLDER / name).stat().st_size / {"MB": 1e6, "kB": 1e3}[unit]
    assert have == pytest.approx(float(size), rel=0.05, abs=0.05 if unit == "MB" else 0.5)
