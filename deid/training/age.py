"""Training of the age reader, on dlib's embeddings: UTKFace's ages, and for children also their portraits."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Embeddings
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import AgeReader
from deid.training import logistic, utkface
from deid.training.data import portrait_children, portraits

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
        at probability 0.7, and the mean error in years.

    Raises:
        DataError: `utkface.tar` is missing.
        DependencyError: scikit-learn is missing.
    """
    lesson, exam = utkface.load(data, progress).split()
    nobody = portraits(data)
    rows = np.concatenate([lesson.rows, DlibResNetEmbedder().embed(nobody.crops)])
    child = np.concatenate([lesson.ages <= _CHILD, portrait_children(data)])
    arrays = logistic.fit(rows, child, options.penalty) | _years(lesson.rows, lesson.ages, options.years_penalty)
    reader = AgeReader(arrays)
    said = _shares(reader.child(exam.rows) > 0.7, exam.ages)
    said["mean error in years"] = float(np.abs(reader.years(exam.rows) - exam.ages).mean())
    out.mkdir(parents=True, exist_ok=True)
    (out / "age.json").write_text(json.dumps(said, indent=2))
    return arrays


def _years(rows: Embeddings, ages: NDArray[np.int64], penalty: float) -> dict[str, NDArray[np.float32]]:
    from sklearn.linear_model import Ridge

    fitted = Ridge(penalty).fit(rows, ages)
    return {"years.weight": fitted.coef_.astype(np.float32), "years.bias": np.atleast_1d(fitted.intercept_).astype(np.float32)}


def _shares(said: NDArray[np.bool_], ages: NDArray[np.int64]) -> dict[str, float]:
    groups = {"0-10": (0, 10), "11-12": (11, 12), "13-18": (13, 18), "19 and over": (19, 200)}
    return {name: float(said[here].mean()) for name, (a, b) in groups.items() if (here := (ages >= a) & (ages <= b)).any()}
