"""Plots of stored results, as PNG."""

import io
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evaluation.results import Curve, Results

_COLOURS = ("#c0392b", "#2471a3", "#7f8c8d", "#239b56", "#8e44ad", "#d68910")
_MARKERS = "osD^vP"
_SIZE_INCH = (4.6, 3.6)


def plots(results: Results) -> dict[str, bytes]:
    """PNG files by name without suffix, of the curves that a run has."""
    drawers: dict[str, Callable[[Any, Sequence[Curve]], None]] = {
        "distance": _draw_distance,
        "roc": _draw_roc,
        "cmc": _draw_cmc,
        "tradeoff": _draw_tradeoff,
        "strength": _draw_strength,
        "similarity": _draw_similarity,
        "auc": _draw_auc,
    }
    found = {}
    frontier = [c for c in results.curves if c.plot == "frontier"]
    if frontier:
        found["frontier"] = _frontier(frontier)
    for name, draw in drawers.items():
        curves = [c for c in results.curves if c.plot == name]
        if curves:
            found[name] = _figure(curves, draw)
    return found


def _figure(curves: Sequence[Curve], draw: Callable[[Any, Sequence[Curve]], None]) -> bytes:
    """One panel per recogniser."""
    names = list(dict.fromkeys(c.recogniser for c in curves))
    figure = Figure(figsize=(_SIZE_INCH[0] * len(names), _SIZE_INCH[1]), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        draw(panel, [c for c in curves if c.recogniser == name])
        panel.set_title(name, fontsize=10)
        panel.grid(alpha=0.25)
        panel.legend(fontsize=8, framealpha=0.6)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _frontier(curves: Sequence[Curve]) -> bytes:
    """One large panel, for readers who see nothing but it."""
    figure = Figure(figsize=(7.6, 5.4), dpi=150, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for curve, colour, marker in zip(curves, _COLOURS, _MARKERS, strict=False):
        x, y = [100 * v for v in curve.x], [100 * v for v in curve.y]
        # Lines pass behind the methods that are one point.
        style: dict[str, Any] = (
            {"linewidth": 2, "markersize": 8, "zorder": 3} if len(x) > 1 else {"linewidth": 0, "markersize": 11, "zorder": 4}
        )
        panel.plot(x, y, marker=marker, color=colour, label=curve.label, clip_on=False, **style)
    panel.annotate("better", (99, 1), (86, 9), arrowprops={"arrowstyle": "->", "color": "#666"}, color="#666", fontsize=12)
    panel.set(xlim=(0, 100), ylim=(0, 100))
    panel.set_xlabel("faces still detected (recall), %", fontsize=13)
    panel.set_ylabel("people still identified (rank 1), %", fontsize=13)
    panel.tick_params(labelsize=11)
    panel.grid(color="#ddd", zorder=0)
    panel.spines[["top", "right"]].set_visible(False)
    # What no detector finds no recogniser finds: this corner is empty.
    panel.legend(loc="upper left", fontsize=12, frameon=False)
    return _png(figure)


def _draw_distance(panel: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS, strict=False):
        panel.stairs(curve.y, curve.x, fill=True, alpha=0.35, color=colour, label=curve.label)
        panel.stairs(curve.y, curve.x, color=colour, linewidth=1.0)
    panel.set(xlabel="L2 distance between embeddings", ylabel="density", xlim=(0, 1.6 if curves[0].x[-1] > 1.6 else None))


def _draw_roc(panel: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS, strict=False):
        panel.plot(curve.x, curve.y, color=colour, label=curve.label)
    panel.plot(curves[0].x, curves[0].x, color="black", linestyle=":", label="chance")
    panel.set(xscale="log", xlim=(1e-4, 1), ylim=(0, 1.02), xlabel="false match rate", ylabel="true accept rate")


def _draw_cmc(panel: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS, strict=False):
        panel.plot(curve.x, curve.y, color=colour, label=curve.label)
    size = curves[0].x[-1]
    steps = [size ** (i / 40) for i in range(41)]
    panel.plot(steps, [k / size for k in steps], color="black", linestyle=":", label="chance")
    panel.set(xscale="log", xlim=(1, size), ylim=(0, 1.02), xlabel="rank", ylabel="identified")


def _draw_tradeoff(panel: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS, strict=False):
        panel.plot(curve.x, curve.y, marker="o", markersize=5, color=colour, label=curve.label)
    panel.set(
        xlabel="faces still detected (recall)",
        ylabel="people identified (rank 1, better of two attackers)",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )


def _draw_strength(panel: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS, strict=False):
        panel.plot(curve.x, curve.y, marker="o", markersize=5, color=colour, label=curve.label)
    panel.set(xlabel=curves[0].recogniser, ylabel="share", ylim=(-0.02, 1.02))


def _draw_similarity(panel: Any, curves: Sequence[Curve]) -> None:
    _draw_over_sigma(panel, curves)
    lowest = min(-0.1, *(min(curve.y) - 0.05 for curve in curves))
    panel.set(ylabel="mean cosine of a sharp and a blurred photo\nof one person", ylim=(lowest, 1.02))


def _draw_auc(panel: Any, curves: Sequence[Curve]) -> None:
    _draw_over_sigma(panel, curves)
    panel.axhline(0.5, color="black", linestyle=":", label="chance")
    panel.set(ylabel="AUC, sharp against blurred", ylim=(0.4, 1.02))


def _draw_over_sigma(panel: Any, curves: Sequence[Curve]) -> None:
    for curve, colour in zip(curves, _COLOURS, strict=False):
        panel.plot(curve.x, curve.y, marker="o", markersize=4, color=colour, label=curve.label)
    panel.set(xlabel="sigma of the blur, in pixels of the 128 px crop")
