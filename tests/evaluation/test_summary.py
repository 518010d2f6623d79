"""The README's table of numbers comes from a stored result."""

from pathlib import Path

import pytest

from deid.core.errors import DataError
from evaluation import stored, summary
from evaluation.results import Measure, Results


@pytest.fixture
def results() -> dict[str, Results]:
    lines = (
        Measure(section="privacy", name="rank 1, another photo", value=0.25, n=8, unit="%", recogniser="dlib_resnet", control=1.0),
        Measure(section="privacy", name="rank 1, another photo", value=0.5, unit="%", recogniser="dlib_resnet", group="male"),
        Measure(section="coverage", name="covered", value=0.125, unit="%"),
        Measure(section="realism", name="FID", value=9.0),
    )
    run = Results(kind="compare", title="b", settings={"photos": 4, "faces": 9}, environment={"commit": "abcdef123"}, measures=lines)
    return {"ours": run}


def test_the_table_stands_between_its_marks(results: dict[str, Results], tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# A\n\n<!-- benchmarks of ours -->\nold | 7\n<!-- end -->\n\nB\n")
    text = summary.write_summary(results, readme).read_text()
    assert "old" not in text
    assert text.startswith("# A\n\n<!-- benchmarks of ours -->\n")
    assert text.endswith("<!-- end -->\n\nB\n")
    assert "| recognised at rank 1 in a gallery, by dlib | 100.0 % | 25.0 % |" in text
    assert "| faces covered, mostly small or turned | \u2013 | 12.5 % |" in text
    assert "`ours`: 4 photos, 9 faces; commit abcdef1." in text
    assert text.count("|---") == 3
    assert summary.write_summary(results, readme).read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("text", ["no marks", "<!-- benchmarks of theirs -->\n<!-- end -->\n"], ids=["no marks", "another name"])
def test_a_readme_without_a_stored_result_is_refused(text: str, results: dict[str, Results], tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(DataError, match="NAME one of ours"):
        summary.write_summary(results, readme)
    assert readme.read_text() == text


def test_the_readme_has_the_table_that_the_results_make() -> None:
    text = summary.README.read_text()
    name = text.partition("<!-- benchmarks of ")[2].partition(" -->")[0]
    assert summary.table(name, stored.read_all()[name]) in text
