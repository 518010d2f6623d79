"""Every code block of the README and the pages runs, or says why not."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from deid.core.types import Image
from tests.docs.blocks import SHOWN, Block, blocks, run

ROOT = Path(__file__).parents[2]
_FOLDERS = ("docs", "weights", "evaluation", "findings")
_FILES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(p for folder in _FOLDERS for p in (ROOT / folder).rglob("*.md"))]
PAGES = {str(path.relative_to(ROOT)): list(blocks(path.read_text())) for path in sorted(_FILES)}
RUN = {name: found for name, found in PAGES.items() if any(not b.reason and b.language not in SHOWN for b in found)}


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page: str, workplace: Path, astronaut: Image) -> None:
    pytest.importorskip("torchvision")
    names: dict[str, Any] = {"__name__": page, "image": astronaut, "picture": PillowImage.fromarray(astronaut)}
    for block in RUN[page]:
        if not block.reason and block.language not in SHOWN:
            run(block, names)


@pytest.mark.parametrize("page", PAGES)
def test_a_block_that_is_not_run_gives_a_reason(page: str) -> None:
    assert [b.line for b in PAGES[page] if b.language not in {"sh", "python", "toml", *SHOWN}] == []
    assert [b.line for b in PAGES[page] if b.reason and len(b.reason.split()) < 3] == []


def test_the_first_two_blocks_of_the_readme_are_those_of_the_checks() -> None:
    install, tests = [b for b in PAGES["README.md"] if b.language == "sh"][:2]
    assert "deid demo" in install.text
    assert "pytest" in tests.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```sh\nls\n```\n", Block("sh", "ls\n", 1)),
        ("a\n\n<!-- not run: it asks a camera -->\n\n```sh\nls\n```\n", Block("sh", "ls\n", 5, "it asks a camera")),
        ("<!-- run with 900 -> 9 -->\n\n```python\nx = 900\n```\n", Block("python", "x = 9\n", 3)),
        ("<!-- not run: far -->\n\ntext\n\n```python\nx = 1\n```\n", Block("python", "x = 1\n", 5)),
    ],
    ids=["plain", "marked", "a smaller number", "a mark before a text marks nothing"],
)
def test_blocks(text: str, expected: Block) -> None:
    assert list(blocks(text)) == [expected]


def test_a_command_that_fails_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="ended with 2"):
        run(Block("sh", "deid run nothing.jpg -o out.jpg  # no such file\n", 1), {})
    with pytest.raises(ValueError, match="expected deid, python or cat"):
        run(Block("sh", "rm -rf x\n", 1), {})
