"""Training of the reader of origins on dlib's embeddings of UTKFace."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.recognition.linear import ORIGINS, OriginReader
from deid.training import logistic, utkface
from deid.training.logistic import LogisticOptions


def train(
    data: Path, out: Path, options: LogisticOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Fit three of four UTKFace photos whose label is one of `ORIGINS`.

    Returns:
        The arrays of an `OriginReader`. ``out/origin.json`` holds the share of the other photos that it reads right, for each origin.

    Raises:
        DataError: `utkface.tar` is missing, or one of the origins is.
        DependencyError: scikit-learn is missing.
    """
    faces = utkface.load(data, progress)
    lesson, exam = faces.where(faces.origins < len(ORIGINS)).split()
    if len(np.unique(lesson.origins)) < len(ORIGINS):
        raise DataError(f"expected photos of all of {', '.join(ORIGINS)}, some are missing")
    arrays = logistic.fit_several(lesson.rows, lesson.origins, options.penalty)
    said = OriginReader(arrays).origins(exam.rows).argmax(axis=1)
    right = {name: float((said == i)[exam.origins == i].mean()) for i, name in enumerate(ORIGINS) if (exam.origins == i).any()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "origin.json").write_text(json.dumps(right, indent=2))
    return arrays
