"""Every metric says how it is computed, which way is good, and where it comes from."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pytest

import evaluation.metrics

METRICS: dict[str, Callable[..., object]] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": function
    for info in pkgutil.iter_modules(evaluation.metrics.__path__, "evaluation.metrics.")
    for module in [importlib.import_module(info.name)]
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
}


def test_the_metrics_are_found() -> None:
    assert {"verification.auc", "identification.cmc", "linkability.d_sys", "realism.fid", "landmarks.head_pose"} <= set(METRICS)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_formula_direction_and_paper_are_told(name: str) -> None:
    text = inspect.getdoc(METRICS[name]) or ""
    assert [word for word in ("Formula:", "Direction:", "Paper:") if word not in text] == []
