"""Report of a run on one page: figures, failures, and the worst faces as they look in the output."""

import base64
import html
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from deid.core.errors import ImageReadError
from deid.core.types import Image
from deid.dataset.ledger import Ledger, notes_of
from deid.imaging import atomic, codec, geometry

_N_WORST, _N_FAILURES = 24, 500
#: Size of a thumbnail in boxes of the face, and in pixels.
_VIEW, _SIDE = 1.8, 112
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.bar{background:#4a7ab5;height:.8rem;display:inline-block}
figure{display:inline-block;width:130px;margin:.3rem;vertical-align:top;font-size:12px;overflow-wrap:anywhere}
figure img{width:112px;height:112px;object-fit:contain;background:#eee}code{overflow-wrap:anywhere}"""


def write(ledger: Ledger, path: Path, read: Callable[[int, str], bytes]) -> None:
    """Write the page.

    Args:
        ledger: of the run.
        path: of the page.
        read: gives the output of a file by its number and name.
    """
    body = [
        "<h1>Data set run</h1>",
        _figures(ledger),
        "<h2>What is in place of the faces</h2>",
        _bars(_methods(ledger)),
        "<h2>Distance from the old face, as a multiple of the threshold</h2>",
        _bars(_margins(ledger)),
        "<h2>Faces nearest to the threshold</h2>",
        _gallery(ledger, read, "margin IS NOT NULL AND method != 'solid'", "margin"),
        "<h2>Faces that needed a harder method</h2>",
        _gallery(ledger, read, "faces.status = 'fallback'", "score DESC"),
        "<h2>Files without an output</h2>",
        _failures(ledger),
        "<h2>What was left out of pictures, or changed</h2>",
        _notes(ledger),
        "<h2>Settings</h2>",
        _settings(ledger),
    ]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>Data set run</title><style>{_STYLE}</style>{''.join(body)}</html>\n"
    atomic.write(page.encode("utf-8", "backslashreplace"), path, overwrite=True)


def _figures(ledger: Ledger) -> str:
    totals = asdict(ledger.totals())
    ((seconds, size),) = ledger.select("SELECT COALESCE(SUM(seconds), 0), COALESCE(SUM(size), 0) FROM files WHERE status = 'done'")
    rows = [*((name.replace("_", " "), f"{n:,}") for name, n in totals.items() if name != "pending")]
    n_done = max(totals["done"], 1)
    rows += [("seconds of work a picture", f"{seconds / n_done:.3f}"), ("bytes written", f"{size:,}")]
    return _table(rows)


def _methods(ledger: Ledger) -> list[tuple[str, int]]:
    found = ledger.select("SELECT method, status, COUNT(*) FROM faces GROUP BY method, status ORDER BY COUNT(*) DESC")
    return [(f"{method}, {status}", n) for method, status, n in found]


def _margins(ledger: Ledger) -> list[tuple[str, int]]:
    """Faces by distance in steps of a quarter of the threshold."""
    query = "SELECT CAST(margin * 4 AS INTEGER) AS bin, COUNT(*) FROM faces WHERE margin IS NOT NULL GROUP BY bin ORDER BY bin"
    return [(f"{step / 4:.2f} to {step / 4 + 0.25:.2f}", n) for step, n in ledger.select(query)]


def _gallery(ledger: Ledger, read: Callable[[int, str], bytes], where: str, order: str) -> str:
    query = (
        "SELECT files.id, name, frame, box, method, margin, faces.why FROM faces JOIN files ON files.id = faces.file "
        f"WHERE files.status = 'done' AND {where} ORDER BY {order}, files.id LIMIT {_N_WORST}"
    )
    figures = [_figure(read, *row) for row in ledger.select(query)]
    return "".join(figures) or "<p>None.</p>"


def _figure(
    read: Callable[[int, str], bytes], number: int, name: str, frame: int, box: str, method: str, margin: float | None, why: str
) -> str:
    caption = f"{method}, {'no distance' if margin is None else f'{margin:.2f} x'}<br>{html.escape(name)}"
    reasons = html.escape("; ".join(json.loads(why)), quote=True)
    try:
        source = _thumbnail(codec.decode(read(number, name), name).frames[frame].rgb, json.loads(box))
    except (OSError, ImageReadError, IndexError) as error:
        return f"<figure>{caption}<br>{html.escape(str(error))}</figure>"
    return f'<figure title="{reasons}"><img alt="" src="data:image/jpeg;base64,{source}"><figcaption>{caption}</figcaption></figure>'


def _thumbnail(picture: Image, box: Sequence[float]) -> str:
    rows, columns = geometry.box_to_slices(geometry.expand_box(np.array(box), _VIEW), picture.shape[:2])
    page = PillowImage.fromarray(np.ascontiguousarray(picture[rows, columns]))
    buffer = io.BytesIO()
    ImageOps.contain(page, (_SIDE, _SIDE)).save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def _failures(ledger: Ledger) -> str:
    query = "SELECT name, status, why FROM files WHERE status IN ('failed', 'left out') ORDER BY status, id LIMIT ?"
    rows = [(name, f"{status}: {why}") for name, status, why in ledger.select(query, (_N_FAILURES + 1,))]
    more = "<p>And more; the ledger has them all.</p>" if len(rows) > _N_FAILURES else ""
    return (_table(rows[:_N_FAILURES]) if rows else "<p>None.</p>") + more


def _notes(ledger: Ledger) -> str:
    rows = [(note, f"{n:,} {'picture' if n == 1 else 'pictures'}: {name}{', ...' if n > 1 else ''}") for note, n, name in notes_of(ledger)]
    return _table(rows) if rows else "<p>Nothing.</p>"


def _settings(ledger: Ledger) -> str:
    # The seed stays in the ledger: who has it can draw the edits again.
    facts = {key: value for key, value in ledger.facts().items() if key != "seed"}
    sessions = ledger.select("SELECT started, engine, workers, versions FROM sessions ORDER BY id")
    rows: list[tuple[str, Any]] = [(key, json.dumps(value)) for key, value in facts.items()]
    rows += [(f"begun {started}", f"{engine}, {workers} workers, {versions}") for started, engine, workers, versions in sessions]
    return _table(rows)


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    cells = (f"<tr><td>{html.escape(str(name))}<td>{html.escape(str(value))}" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _bars(rows: Sequence[tuple[str, int]]) -> str:
    most = max((n for _, n in rows), default=1)
    cells = (
        f"<tr><td>{html.escape(name)}<td class=n>{n:,}<td><span class=bar style='width:{max(1, round(400 * n / most))}px'></span>"
        for name, n in rows
    )
    return f"<table>{''.join(cells)}</table>"
