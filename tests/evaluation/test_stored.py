import math
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deid.check.folders import Problem
from deid.core.errors import DataError
from evaluation import cli, stored
from evaluation.results import Curve, Measure, Results, from_json


@pytest.fixture
def results() -> Results:
    lines = (
        Measure(section="utility", name="recall", value=0.5, low=0.25, high=0.75, n=8, unit="%", recogniser="mtcnn", control=1.0),
        Measure(section="utility", name="recall", value=0.25, n=4, unit="%", recogniser="mtcnn", group="male"),
        Measure(section="privacy", name="EER", value=0.4, unit="%"),
        Measure(section="realism", name="KID x 1000", value=math.nan),
    )
    command = "python -m evaluation compare /home/me/a/originals 'b c' -o /tmp/out --store x --made-by 'deid run /q/a' --seed 3"
    return Results(
        kind="compare",
        title="b against a",
        settings={"photos": 4, "faces": 9, "seed": 3},
        environment={"commit": "abc123", "command": command},
        measures=lines,
        curves=(Curve(plot="roc", label="l", recogniser="r", x=[0.0], y=[1.0]),),
        problems=(Problem("/home/me/x.png", "missing", "gone"),),
        faces=({"file": "ada.jpg"},),
    )


def test_what_is_stored_names_no_machine_and_nobody(results: Results, tmp_path: Path) -> None:
    path = stored.store(results, "ours", ["deid dataset originals -o b"], tmp_path)
    text = path.read_text()
    assert [word for word in ("/home", "/tmp", "ada.jpg", "/q", '"roc"') if word in text] == []
    again = from_json(text)
    assert again.measures[:3] == results.measures[:3]
    assert again.environment["command"] == "python -m evaluation compare originals 'b c' -o out --seed 3"
    assert again.settings["files with problems"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["ours.json"]


def test_the_page_has_every_number_from_the_files(results: Results, tmp_path: Path) -> None:
    stored.store(results, "ours", ["deid dataset originals -o b"], tmp_path)
    better = replace(results.measures[0], value=1.0, low=math.nan, high=math.nan)
    stored.store(replace(results, measures=(better,)), "theirs", (), tmp_path)
    judged = replace(results.measures[2], group="women", limit="at most 30 %", passed=False)
    study = replace(results, kind="study", title="clones: pairs", measures=(judged,))
    stored.store(study, "twins", (), tmp_path)
    text = stored.write_page(tmp_path, tmp_path / "docs" / "benchmarks.md").read_text()
    assert "|  | measure | by | group | ours | theirs |" in text
    assert "| utility | recall | mtcnn | all | 50.0 % (25.0 % to 75.0 %); untouched 100.0 % | 100.0 %; untouched 100.0 % |" in text
    # Of a comparison only the main lines over all faces, of a study every line.
    assert "male" not in text
    assert "| privacy | EER |  | women | 40.0 %; limit at most 30 %: not kept |" in text
    assert "| realism | KID x 1000 |  | all | – |  |" in text
    assert "- **ours** (b against a; photos 4, faces 9, seed 3): `deid dataset originals -o b`; `python -m evaluation compare" in text
    assert "at commit abc123." in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Compare", "## Study: clones"]


@pytest.mark.parametrize("name", ["a/b", "../x", "", ".x"])
def test_a_name_is_a_file_name(name: str, results: Results, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="plain name"):
        stored.store(results, name, (), tmp_path)


def test_a_page_of_nothing_or_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--store NAME"):
        stored.write_page(tmp_path, tmp_path / "page.md")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match=r"bad\.json"):
        stored.write_page(tmp_path, tmp_path / "page.md")


def _readme(folder: Path) -> Path:
    """A README whose table is of the first stored result."""
    path = folder / "README.md"
    path.write_text(f"<!-- benchmarks of {next(iter(stored.read_all()))} -->\n<!-- end -->\n")
    return path


def test_the_command_writes_the_page(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored.write_page, "__defaults__", (tmp_path, tmp_path / "unused.md"))
    stored.store(results, "ours", (), tmp_path)
    answer = CliRunner().invoke(cli.app, ["benchmarks", "-o", str(tmp_path / "page.md"), "--readme", str(_readme(tmp_path))])
    assert answer.exit_code == 0, answer.output
    assert "ours" in (tmp_path / "page.md").read_text()


def test_the_page_in_the_documents_is_the_one_that_the_results_make() -> None:
    if stored.PAGE.is_file():
        assert stored.PAGE.read_text() == stored.page(stored.read_all())
