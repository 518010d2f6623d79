"""Training of the age reader, on embeddings: UTKFace's ages, and for children also their portraits."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Embeddings
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import AgeReader
from deid.recognition.mobilenet import MobileNetEmbedder
from deid.training import logistic, utkface
from deid.training.data import portrait_children, portraits
from deid.training.utkface import UtkFaces

#: Greatest age of a child in years.
_CHILD = 12


@dataclass(frozen=True, slots=True)
class AgeOptions:
    """Settings of a run.

    Args:
        penalty: scikit-learn's `C`, the inverse of the penalty on the weights that tell children from adults.
        years_penalty: scikit-learn's `alpha`, the penalty on the weights of the years.
    """

    penalty: float = 3.0
    years_penalty: float = 0.3


def train(
    data: Path, out: Path, options: AgeOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Fit three of four UTKFace photos and all portraits.

    Returns:
        The arrays of an `AgeReader`. ``out/age.json`` holds, of the other photos, the share of each age group that is taken for children
        at probability 0.7, and the mean error in years, by both embeddings and by dlib's alone.

    Raises:
        DataError: `utkface.tar` is missing.
        DependencyError: scikit-learn is missing.
    """
    lesson, exam = utkface.load(data, progress).split()
    nobody = portraits(data)
    child = np.concatenate([lesson.ages <= _CHILD, portrait_children(data)])
    first, second = DlibResNetEmbedder().embed(nobody.crops), MobileNetEmbedder().embed(nobody.crops)
    both = np.hstack([lesson.rows, lesson.second])
    arrays = _fit(lesson.rows, first, child, lesson.ages, options)
    arrays |= {f"both.{name}": a for name, a in _fit(both, np.hstack([first, second]), child, lesson.ages, options).items()}
    out.mkdir(parents=True, exist_ok=True)
    reader = AgeReader(arrays)
    said = {"both": _exam(reader, exam, exam.second), "dlib alone": _exam(reader, exam, None)}
    (out / "age.json").write_text(json.dumps(said, indent=2))
    return arrays


def _fit(
    rows: Embeddings, nobody: Embeddings, child: NDArray[np.bool_], ages: NDArray[np.int64], options: AgeOptions
) -> dict[str, NDArray[np.float32]]:
    """Children of people and of portraits, (N + M,), and years of people (N,), from embeddings (N, D) and (M, D)."""
    arrays = logistic.fit(np.concatenate([rows, nobody]), child, options.penalty)
    # Here, after one that says how to install it.
    from sklearn.linear_model import Ridge

    years = Ridge(options.years_penalty).fit(rows, ages)
    return arrays | {"years.weight": years.coef_.astype(np.float32), "years.bias": np.atleast_1d(years.intercept_).astype(np.float32)}


def _exam(reader: AgeReader, exam: UtkFaces, second: Embeddings | None) -> dict[str, float]:
    off = np.abs(reader.years(exam.rows, second) - exam.ages)
    return _shares(reader.child(exam.rows, second) > 0.7, exam.ages) | {"mean error in years": float(off.mean())}


def _shares(said: NDArray[np.bool_], ages: NDArray[np.int64]) -> dict[str, float]:
    groups = {"0-10": (0, 10), "11-12": (11, 12), "13-18": (13, 18), "19 and over": (19, 200)}
    return {name: float(said[here].mean()) for name, (a, b) in groups.items() if (here := (ages >= a) & (ages <= b)).any()}
