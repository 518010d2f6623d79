"""Plot of losses over steps."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)
_SMOOTHED = 10


def plot(curves: Sequence[dict[str, float]], path: Path) -> None:
    """One panel per loss, each point and their running mean; left out, with a line in the log, where matplotlib is missing.

    Args:
        curves: rows with `step` and losses by name; not every row has every loss.
        path: of the PNG.
    """
    names = list(dict.fromkeys(name for row in curves for name in row if name != "step"))
    if not names:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:
        log.info("no %s: pip install matplotlib", path.name)
        return
    figure = Figure(figsize=(9, 1.6 * len(names)), layout="constrained")
    for panel, name in zip(figure.subplots(len(names), sharex=True, squeeze=False)[:, 0], names, strict=True):
        rows = [(row["step"], row[name]) for row in curves if name in row]
        steps, values = np.array(rows).T
        window = min(_SMOOTHED, len(values))
        panel.plot(steps, values, color="0.8", linewidth=0.8)
        panel.plot(steps[window - 1 :], np.convolve(values, np.ones(window) / window, "valid"), linewidth=1.2)
        panel.set_ylabel(name)
    panel.set_xlabel("step")
    figure.savefig(path, dpi=80)
