"""The map of the code shows every room, and no room that is not there."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text()


def test_the_map_has_every_room_of_the_package() -> None:
    rooms = set(re.findall(r"^\| `deid/(\w+)/` \|", PAGE, re.MULTILINE))
    assert rooms == {path.parent.name for path in (ROOT / "deid").glob("*/__init__.py")}


def test_every_file_that_the_map_names_is_there() -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE + CONTRIBUTING)
    missing = [name for name in named if not (ROOT / name).is_file() and not (ROOT / "deid" / name).is_file()]
    # The detector that a newcomer adds.
    assert set(missing) <= {"deid/detection/haar_alt.py", "tests/detection/test_haar_alt.py"}
    assert len(named) > 10


def test_every_name_to_change_is_in_its_file() -> None:
    named = re.findall(r"`(_?\w+)` in `(deid/[\w/]+)\.py`", CONTRIBUTING)
    missing = [(name, file) for name, file in named if not hasattr(importlib.import_module(file.replace("/", ".")), name)]
    # A default is a field of `Options`.
    assert set(missing) <= {("margin", "deid/core/options")}
    assert len(named) >= 4
