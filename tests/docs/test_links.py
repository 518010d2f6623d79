"""Links of the pages that the site does not check, and the page that is made of the commands."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", *ROOT.glob("*/README.md"), *ROOT.glob("weights/*.md")]


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_readme_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120


def test_the_page_of_commands_has_each_with_its_whole_summary() -> None:
    pytest.importorskip("mkdocs", reason="the site needs mkdocs: pip install 'deid-face[docs]'")
    path = ROOT / "docs" / "hooks" / "command_line.py"
    spec = importlib.util.spec_from_file_location("command_line", path)
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    text = hook.page()
    for command in ("deid run", "deid dataset", "deid live", "deid check", "deid portraits build", "deid train attgan"):
        assert f"## `{command}`" in text
    assert [line for line in text.splitlines() if line.startswith("* `") and line.endswith("...")] == []
