"""The report: stored results as one HTML file with PNG plots beside it. It computes nothing."""

import base64
import html
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from evaluation.plots import plots
from evaluation.results import Measure, Results

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2em auto; padding: 0 1.2em; }
h1 { font-size: 1.6em; margin-bottom: .1em; } h2 { margin-top: 2em; border-bottom: 1px solid #ddd; } .sub { color: #666; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; margin: .8em 0; }
th { text-align: left; border-bottom: 2px solid #bbb; padding: .3em .6em; font-weight: 600; vertical-align: bottom; }
td { border-bottom: 1px solid #eee; padding: .28em .6em; vertical-align: top; } td.n { text-align: right; white-space: nowrap; }
.pass { color: #1e7e34; font-weight: 600; } .fail { color: #b71c1c; font-weight: 600; } .none { color: #888; }
.cards { display: flex; flex-wrap: wrap; gap: .8em; margin: 1em 0; }
.card { flex: 1 1 170px; border: 1px solid #ddd; border-radius: 6px; padding: .7em .9em; }
.card b { display: block; font-size: 1.5em; } .card span { color: #666; font-size: .88em; }
img { max-width: 100%; } .note { color: #777; font-size: .9em; } details { margin: .6em 0; } code { background: #f4f4f4; padding: 0 .25em; }
"""
#: Recall under which a report says that detection is destroyed, and over which it is kept.
_DESTROYED, _KEPT = 0.5, 0.95
_TITLES = {
    "privacy": "Privacy: what a recogniser still finds",
    "coverage": "Coverage: what became of every face",
    "utility": "Utility: what the output is still good for",
    "realism": "Realism",
}
_PLOTS = {
    "distance": "Distance of each face to itself before, against that of two photos of one person and of strangers",
    "roc": "Verification against untouched photos",
    "cmc": "Search in a gallery of untouched photos",
    "strength": "Over the strength of the setting",
    "similarity": "Similarity over the blur",
    "auc": "Verification over the blur",
    "frontier": "Detection against identification by the strongest attacker: the lower right corner is best",
    "tradeoff": "Detection against identification: the lower right corner is best",
}


def write_report(results: Results, folder: Path) -> Path:
    """Write ``report.html`` and a PNG per plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    images = plots(results)
    for name, data in images.items():
        (folder / f"{name}.png").write_bytes(data)
    path, part = folder / "report.html", folder / "report.html.part"
    part.write_text(render(results, images), encoding="utf-8")
    os.replace(part, path)
    return path


def render(results: Results, images: dict[str, bytes]) -> str:
    """The HTML text."""
    sections = list(dict.fromkeys(m.section for m in results.measures))
    if results.kind == "study":
        tables = [_study_table(results.measures)]
    else:
        tables = [_section(name, [m for m in results.measures if m.section == name]) for name in sections]
    if results.kind == "attack":
        tables = [_overview(results.measures), *tables]
    pictures = [_plot(name, data) for name, data in images.items()]
    body = [
        f"<h1>{'Study' if results.kind == 'study' else 'De-identification report'}</h1>",
        f"<p class=sub>{_text(results.title)}; {_text(results.kind)}</p>",
        _cards(results),
        _summary(results),
        _problems(results),
        *(pictures + tables if results.kind == "study" else tables + pictures),
        _groups([m for m in results.measures if m.group != "all"]),
        _settings(results),
    ]
    head = (
        f"<meta charset=utf-8><title>{_text(results.title)}</title><meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    )
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _cards(results: Results) -> str:
    judged = [m for m in results.measures if m.passed is not None and m.group == "all"]
    if not judged:
        return ""
    passed = sum(bool(m.passed) for m in judged)
    cards = [("fail" if passed < len(judged) else "pass", f"{passed} of {len(judged)}", "privacy lines passed")]
    for name, label in (
        ("exposed", "faces exposed"),
        ("rank 1, another photo", "identified, rank 1"),
        ("recall", "faces still detected"),
        ("gender agreement", "gender kept"),
    ):
        found = [m for m in results.measures if m.name == name and m.group == "all"]
        if found:
            worst = max(found, key=lambda m: m.value if m.better == "lower" else -m.value)
            verdict = {True: "pass", False: "fail", None: ""}[worst.passed]
            cards.append((verdict, number(worst.value, worst.unit), f"{label} {f'({worst.recogniser})' if worst.recogniser else ''}"))
    return (
        "<div class=cards>"
        + "".join(f"<div class=card><b class='{c}'>{_text(v)}</b><span>{_text(t)}</span></div>" for c, v, t in cards)
        + "</div>"
    )


def _summary(results: Results) -> str:
    """The two questions of a privacy officer in two sentences, from the stored lines."""
    judged = [m for m in results.measures if m.passed is not None and m.group == "all"]
    recalls = [m for m in results.measures if m.name == "recall"]
    if not judged or not recalls:
        return ""
    failed = list(dict.fromkeys(m.name for m in judged if not m.passed))
    privacy = f"It fails: {', '.join(failed)}." if failed else "It passes every privacy line."
    low = min(recalls, key=lambda m: m.value)
    use = f"Of the faces that {low.recogniser} found before, it finds {number(low.value, '%')} after"
    use += ": face detection is destroyed." if low.value < _DESTROYED else "." if low.value > _KEPT else ": face detection suffers."
    return f"<p><b>Privacy.</b> {_text(privacy)} <b>Use.</b> {_text(use)}</p>"


def _problems(results: Results) -> str:
    if not results.problems:
        return "<p class=note>Every original has a readable output of its size.</p>" if results.kind == "compare" else ""
    rows = "".join(f"<tr><td>{_text(p.file)}<td>{_text(p.kind)}<td>{_text(p.detail)}" for p in results.problems)
    return f"<h2>Files with problems ({len(results.problems)})</h2><table><tr><th>File<th>Problem<th>What was done{rows}</table>"


def _plot(name: str, data: bytes) -> str:
    text = base64.b64encode(data).decode("ascii")
    return f"<h2>{_text(_PLOTS[name])}</h2><img alt='{_text(name)}' src='data:image/png;base64,{text}'>"


def _section(name: str, measures: Sequence[Measure]) -> str:
    shown = [m for m in measures if m.group == "all"]
    judged = any(m.limit for m in shown)
    rows = "".join(_row(m, judged) for m in shown)
    verdict = "<th>Chance<th>Requested limit<th>Verdict" if judged else ""
    head = f"<tr><th>Measure<th>By<th>Value<th>95 % interval<th>n (people)<th>Untouched{verdict}<th>Note"
    return f"<h2>{_text(_TITLES.get(name, name))}</h2><table>{head}{rows}</table>"


def _overview(measures: Sequence[Measure]) -> str:
    """Rank 1 of every attack by every recogniser, beside untouched photos and blank faces."""
    found = {(m.section, m.recogniser): m for m in measures if m.name.startswith("rank 1,")}
    blank = {(m.section, m.recogniser): m.value for m in measures if m.name == "mask blank, rank 1"}
    recognisers = list(dict.fromkeys(r for _, r in found))
    head = "".join(f"<th>{_text(r)}<th>untouched<th>mask blank" for r in recognisers)
    rows = []
    for attack in dict.fromkeys(a for a, _ in found):
        keys = [(attack, r) for r in recognisers]
        cells = [(_cell(m), number(m.control, m.unit), number(blank.get(k), m.unit)) if (m := found.get(k)) else ("",) * 3 for k in keys]
        rows.append(f"<tr><td>{_text(attack)}" + "".join(f"<td class=n>{text}" for row in cells for text in row))
    note = "<p class=note>Mask blank: one colour inside the mask of the face, as far as an edit of the face alone could come.</p>"
    return f"<h2>People found first, by attack</h2>{note}<table><tr><th>Attack{head}{''.join(rows)}</table>"


#: Head, style and text of the columns of a study's table.
_STUDY_COLUMNS: tuple[tuple[str, str, Callable[[Measure], str]], ...] = (
    ("Setting", "", lambda m: m.section),
    ("Measure", "", lambda m: m.name),
    ("By", "", lambda m: m.recogniser),
    ("Group", "", lambda m: "" if m.group == "all" else m.group),
    ("Value", "n", lambda m: number(m.value, m.unit)),
    ("95 % interval", "n", lambda m: span(m)),
    ("n (people)", "n", lambda m: f"{m.n} ({m.n_people})" if m.n else ""),
    ("Untouched", "n", lambda m: "" if m.control is None else number(m.control, m.unit)),
    ("Chance", "n", lambda m: "" if m.chance is None else number(m.chance, m.unit)),
    ("Published", "", lambda m: m.published),
    ("Note", "note", lambda m: m.note),
)


def _study_table(measures: Sequence[Measure]) -> str:
    """A study's figures beside the published ones; columns that no measure fills are left out."""
    shown = [column for column in _STUDY_COLUMNS if any(column[2](m) for m in measures)]
    head = "".join(f"<th>{_text(name)}" for name, _, _ in shown)
    rows = ("".join(f"<td class='{style}'>{_text(text(m))}" for _, style, text in shown) for m in measures)
    return f"<h2>Figures</h2><table><tr>{head}{''.join(f'<tr>{row}' for row in rows)}</table>"


def _row(m: Measure, judged: bool) -> str:
    arrow = {"lower": " \u2193", "higher": " \u2191"}.get(m.better, "")
    figures = [number(m.value, m.unit), span(m), f"{m.n} ({m.n_people})" if m.n else "", number(m.control, m.unit)]
    if judged:
        figures.append(number(m.chance, m.unit))
    verdict = f"<td>{_text(m.limit)}<td>{_verdict(m.passed)}" if judged else ""
    cells = "".join(f"<td class=n>{f}" for f in figures)
    return f"<tr><td>{_text(m.name)}{arrow}<td>{_text(m.recogniser)}{cells}{verdict}<td class=note>{_text(m.note)}"


def _groups(measures: Sequence[Measure]) -> str:
    """Parts of the faces side by side: a line a measure, a column a group."""
    groups = list(dict.fromkeys(m.group for m in measures))
    if not groups:
        return ""
    lines = dict.fromkeys((m.section, m.name, m.recogniser) for m in measures)
    cells = {(m.section, m.name, m.recogniser, m.group): m for m in measures}
    head = "".join(f"<th>{_text(g)}" for g in groups)
    rows = []
    for line in lines:
        row = "".join(f"<td class=n>{_cell(cells.get((*line, g)))}" for g in groups)
        rows.append(f"<tr><td>{_text(line[1])}<td>{_text(line[2])}{row}")
    return f"<h2>By gender and face size</h2><table><tr><th>Measure<th>By{head}{''.join(rows)}</table>"


def _cell(m: Measure | None) -> str:
    if m is None:
        return ""
    style = {True: "pass", False: "fail", None: ""}[m.passed]
    return f"<span class='{style}'>{number(m.value, m.unit)}</span><br><span class=note>{span(m)}, n {m.n}</span>"


def _settings(results: Results) -> str:
    rows = "".join(f"<tr><td>{_text(k)}<td>{_value(v)}" for part in (results.settings, results.environment) for k, v in part.items())
    how = (
        "Intervals are 95 %, bootstrap over people (exact binomial where all agree). "
        "A face that is not found in the output is scored all the same. "
        "A line passes where the output comes down to what a guess gives; untouched photos fail every line."
    )
    return f"<h2>Settings</h2><p class=note>{how}</p><table>{rows}</table>"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "<br>".join(
            f"{_text(k)}: {_value(v) if not isinstance(v, dict) else ', '.join(f'{_text(a)} {_text(b)}' for a, b in v.items())}"
            for k, v in value.items()
        )
    if isinstance(value, (list, tuple)):
        return "<br>".join(_text(v) for v in value) or "nothing"
    return _text(value)


def number(value: float | None, unit: str = "") -> str:
    """A number as the report prints it."""
    if value is None or math.isnan(value):
        return "\u2013"
    if unit == "%":
        return f"{100 * value:.1f} %"
    digits = 3 if abs(value) < 10 else 1
    return f"{value:.{digits}f}" + (f" {unit}" if unit else "")


def span(m: Measure) -> str:
    """The interval of a measure as the report prints it; empty where it has none."""
    unit = m.unit if m.unit == "%" else ""
    return "" if math.isnan(m.low) else f"{number(m.low, unit)} to {number(m.high, unit)}"


def verdict_line(m: Measure) -> str:
    """A judged measure in one line: verdict, value, limit, and the controls that it has."""
    verdict = {True: "passes", False: "FAILS", None: "undecided"}[m.passed]
    by = f" ({m.recogniser})" if m.recogniser else ""
    beside = [f"limit: {m.limit}"]
    beside += [f"{name} {number(v, m.unit)}" for name, v in (("untouched", m.control), ("chance", m.chance)) if v is not None]
    return f"{verdict:9}  {m.section}: {m.name}{by} = {number(m.value, m.unit)}; {', '.join(beside)}"


def _verdict(passed: bool | None) -> str:
    return {True: "<span class=pass>passes</span>", False: "<span class=fail>fails</span>", None: "<span class=none>\u2013</span>"}[passed]


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def study_markdown(results: Results) -> str:
    """A study's figures beside the published ones, and where its setting differs, as Markdown."""
    columns = ("section", "name", "recogniser", "group", "value", "interval", "n", "untouched", "chance", "published")
    differs = f"\nWhere the setting differs: {results.settings['differs']}.\n" if "differs" in results.settings else ""
    return markdown_table(results.measures, columns) + differs


def markdown_table(measures: Iterable[Measure], columns: Sequence[str] = ("name", "recogniser", "value", "interval", "n")) -> str:
    """Measures as a Markdown table, without columns that no measure fills."""
    rows = [_markdown_cells(m) for m in measures]
    shown = [c for c in columns if any(row[c] not in ("", number(None)) for row in rows)]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    return "\n".join(lines + ["| " + " | ".join(row[c] for c in shown) + " |" for row in rows]) + "\n"


def _markdown_cells(m: Measure) -> dict[str, str]:
    return {
        "section": m.section,
        "name": m.name,
        "recogniser": m.recogniser,
        "group": m.group,
        "value": number(m.value, m.unit),
        "interval": span(m),
        "n": str(m.n),
        "untouched": number(m.control, m.unit),
        "chance": number(m.chance, m.unit),
        "published": m.published,
        "note": m.note,
    }
