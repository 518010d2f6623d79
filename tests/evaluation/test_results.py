import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.check.folders import Problem
from evaluation.criteria import Verdict, down_to_chance
from evaluation.metrics.bootstrap import Interval
from evaluation.plots import plots
from evaluation.report import markdown_table, number, study_markdown, verdict_line, write_report
from evaluation.results import Curve, Measure, Results, environment, from_json, measure, to_json, write


@pytest.fixture
def results() -> Results:
    lines = (
        measure(
            "privacy",
            "rank 1, another photo",
            Interval(0.25, 0.1, 0.4, 40, 20),
            Verdict("at most 1 %", False),
            unit="%",
            recogniser="r",
            better="lower",
        ),
        measure("utility", "recall", Interval(math.nan, math.nan, math.nan, 0, 0), note="<not> measured", unit="%"),
        measure("utility", "recall", Interval(1.0, 0.9, 1.0, 9, 9), group="male", unit="%"),
    )
    curves = (
        Curve(plot="cmc", label="output", recogniser="r", x=[1, 2], y=[0.5, 1.0]),
        Curve(plot="distance", label="d", recogniser="r", x=[0, 1, 2], y=[1.0, 0.0]),
    )
    return Results(
        kind="compare", title="a against b", settings={"seed": 1, "recognisers": {"r": {"sha256": "ab"}}}, environment={"python": "3"},
        measures=lines, curves=curves, problems=(Problem("x<y.png", "missing", "gone"),),
    )  # fmt: skip


def test_json_comes_back_as_it_was(results: Results) -> None:
    text = to_json(results)
    assert "NaN" not in text
    again = from_json(text)
    assert to_json(again) == text
    assert again.measures[0] == results.measures[0]
    assert math.isnan(again.measures[1].value)
    assert again.find("recall", group="male").value == 1.0


@pytest.mark.parametrize(
    ("passed", "beside", "expected"),
    [
        (
            True,
            {"control": 0.9, "chance": 0.1},
            "passes     naive: EER (r) = 45.0 %; limit: at least 40 %, untouched 90.0 %, chance 10.0 %",
        ),
        (False, {"control": 0.0}, "FAILS      naive: EER (r) = 45.0 %; limit: at least 40 %, untouched 0.0 %"),
        (None, {}, "undecided  naive: EER (r) = 45.0 %; limit: at least 40 %"),
    ],
)
def test_a_line_says_its_limit_and_its_controls(passed: bool | None, beside: dict[str, float], expected: str) -> None:
    line = Measure(section="naive", name="EER", value=0.45, unit="%", recogniser="r", limit="at least 40 %", passed=passed, **beside)
    assert verdict_line(line) == expected


def test_the_report_is_one_file_with_its_plots_inside(results: Results, tmp_path: Path) -> None:
    write(results, tmp_path)
    page = write_report(results, tmp_path).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "x&lt;y.png" in page
    assert "&lt;not&gt; measured" in page
    assert {p.name for p in tmp_path.iterdir()} == {"results.json", "report.html", "cmc.png", "distance.png"}
    assert write_report(from_json((tmp_path / "results.json").read_text()), tmp_path).read_text() == page


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(0.123, "%", "12.3 %"), (None, "", "\u2013"), (math.nan, "%", "\u2013"), (12.34, "deg", "12.3 deg")]
)
def test_numbers(value: float | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_markdown(results: Results) -> None:
    assert "| rank 1, another photo | r | 25.0 % | 10.0 % to 40.0 % | 40 |" in markdown_table(results.measures)
    assert markdown_table(results.measures, ("name", "published", "chance", "n")).splitlines()[0] == "| name | n |"


def test_a_study_shows_untouched_photos_and_chance_where_it_has_them(results: Results, tmp_path: Path) -> None:
    def page(*measures: Measure) -> str:
        return write_report(replace(results, kind="study", measures=measures), tmp_path).read_text()

    found = replace(results.measures[0], control=0.95, chance=0.01, published="9 of 10")
    assert "<th>Untouched<th>Chance" in page(found)
    assert "<td class='n'>95.0 %<td class='n'>1.0 %<td class=''>9 of 10" in page(found)
    assert "<th>Untouched" not in page(results.measures[0])


def test_the_frontier_is_one_picture_of_all_methods() -> None:
    curves = tuple(Curve(plot="frontier", label=name, recogniser="", x=[0.1, 0.9], y=[0.2, 0.8]) for name in "abc")
    empty = Results(kind="study", title="t", settings={}, environment={}, measures=(), curves=curves)
    images = plots(empty)
    assert list(images) == ["frontier"]
    picture = np.asarray(Image.open(io.BytesIO(images["frontier"])).convert("RGB")).astype(int)
    assert picture.shape[1] > 1000
    assert (picture[:5] == 255).all()
    # Three methods in three colours beside black, grey and white.
    hues = picture[np.ptp(picture, axis=2) > 100]
    assert len(np.unique(hues // 64, axis=0)) >= 3


def test_the_environment_names_versions_and_hashes_of_weights() -> None:
    found = environment()
    assert found["packages"]["torch"] != "absent"
    assert all(len(sha256) == 64 for sha256 in found["weights"].values())
    assert "attributes" in found["weights"]


def test_a_study_says_where_its_setting_differs(results: Results) -> None:
    assert study_markdown(replace(results, settings={"differs": "more photos"})).endswith("\nWhere the setting differs: more photos.\n")
    assert "differs" not in study_markdown(results)


@pytest.mark.parametrize(
    ("low", "untouched", "passed", "limit"),
    [
        (0.1, 0.9, True, "interval reaches 50.0 % (upper end of chance)"),
        (0.6, 0.9, False, "interval reaches 50.0 % (upper end of chance)"),
        (0.1, 0.4, None, "too few people: untouched photos reach 50.0 % too (upper end of chance)"),
    ],
)
def test_where_untouched_photos_pass_too_nothing_is_decided(low: float, untouched: float, passed: bool | None, limit: str) -> None:
    found = down_to_chance(Interval(low, low, 1.0, 6, 6), 0.5, Interval(untouched, untouched, 1.0, 6, 6))
    assert found == Verdict(limit, passed)
