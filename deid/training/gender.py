"""Training of the gender classifier on dlib's embeddings."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import MALE
from deid.core.errors import DataError
from deid.core.types import Embeddings
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import GenderReader
from deid.training import logistic
from deid.training.data import FaceData
from deid.training.logistic import LogisticOptions

_BATCH = 64


def train(
    data: FaceData, out: Path, options: LogisticOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Fit the training people who have a label, men and women weighing alike.

    Returns:
        The arrays of a `GenderReader`. ``out/gender.json`` holds the share of the validation people whom it reads right, for each data set
        and gender.

    Raises:
        DataError: men or women are missing.
        DependencyError: scikit-learn is missing.
    """
    data = data.where(data.labels[:, MALE] >= 0)
    lesson, exam = data.split("train"), data.split("validation")
    male = lesson.labels[:, MALE] > 0
    if not male.any() or male.all():
        raise DataError("expected labelled men and women among the training people, got one of them only")
    arrays = logistic.fit(_embed(lesson, progress), male, options.penalty)
    said = GenderReader(arrays).male(_embed(exam, progress)) > 0.5
    out.mkdir(parents=True, exist_ok=True)
    (out / "gender.json").write_text(json.dumps(_right(said, exam), indent=2))
    return arrays


def _embed(data: FaceData, progress: Callable[[int, int, str], None] | None) -> Embeddings:
    embedder, rows = DlibResNetEmbedder(), []
    for start in range(0, len(data), _BATCH):
        rows.append(embedder.embed(data.crops[start : start + _BATCH]))
        if progress:
            progress(min(start + _BATCH, len(data)), len(data), "faces")
    return np.concatenate([np.zeros((0, 128), np.float32), *rows])


def _right(said: NDArray[np.bool_], exam: FaceData) -> dict[str, dict[str, float]]:
    male = exam.labels[:, MALE] > 0
    return {
        str(source): {
            name: float((said == male)[here & side].mean()) for name, side in (("men", male), ("women", ~male)) if (here & side).any()
        }
        for source in np.unique(exam.sources)
        for here in [exam.sources == source]
    }
