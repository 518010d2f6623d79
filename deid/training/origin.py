"""Training of the reader of origins on embeddings of UTKFace."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.recognition.linear import ORIGINS, OriginReader
from deid.training import logistic, utkface
from deid.training.logistic import LogisticOptions
from deid.training.utkface import UtkFaces


def train(
    data: Path, out: Path, options: LogisticOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Fit three of four UTKFace photos whose label is one of `ORIGINS`.

    Returns:
        The arrays of an `OriginReader`. ``out/origin.json`` holds the share of the other photos that it reads right, by both
        embeddings and by dlib's alone, for each origin.

    Raises:
        DataError: `utkface.tar` is missing, or one of the origins is.
        DependencyError: scikit-learn is missing.
    """
    faces = utkface.load(data, progress)
    lesson, exam = faces.where(faces.origins < len(ORIGINS)).split()
    if len(np.unique(lesson.origins)) < len(ORIGINS):
        raise DataError(f"expected photos of all of {', '.join(ORIGINS)}, some are missing")
    arrays = logistic.fit_several(lesson.rows, lesson.origins, options.penalty)
    both = logistic.fit_several(np.hstack([lesson.rows, lesson.second]), lesson.origins, options.penalty)
    arrays |= {f"both.{name}": array for name, array in both.items()}
    reader = OriginReader(arrays)
    said = {"both": reader.origins(exam.rows, exam.second), "dlib alone": reader.origins(exam.rows)}
    out.mkdir(parents=True, exist_ok=True)
    (out / "origin.json").write_text(json.dumps({name: _right(read.argmax(axis=1), exam) for name, read in said.items()}, indent=2))
    return arrays


def _right(said: NDArray[np.int64], exam: UtkFaces) -> dict[str, float]:
    """The share of each origin that is read right."""
    return {name: float((said == i)[exam.origins == i].mean()) for i, name in enumerate(ORIGINS) if (exam.origins == i).any()}
