"""The commands for curl on the page, run word for word."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deid.serve.desk import Desk
from tests.serve.conftest import listening

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"


@pytest.fixture
def port(desk_of: Callable[..., Desk]) -> Iterator[int]:
    """Where a server with a fake engine listens."""
    with listening(desk_of()) as number:
        yield number


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "jq"))), reason="the page's commands need bash, curl and jq")
def test_the_commands_for_curl_run_word_for_word(port: int, photo: bytes, tmp_path: Path) -> None:
    (block,) = [text.partition("```")[0] for text in PAGE.read_text().split("```sh\n") if text.startswith("SERVER=")]
    (tmp_path / "party.jpg").write_bytes(photo)
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.replace(":8321", f":{port}")], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "anonymous.jpg").read_bytes().startswith(photo)
    assert json.loads((tmp_path / "report.json").read_text())["saved"] is True
    assert '"state": "saved"' in told.stdout
