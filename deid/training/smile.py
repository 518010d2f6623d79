"""Training of the reader of smiles on the landmarks of CelebA."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.editing.portraits import mirrored
from deid.landmarks.face_points import FacePoints
from deid.recognition.linear import SmileReader, features
from deid.training import logistic
from deid.training.data import FaceData


@dataclass(frozen=True, slots=True)
class SmileOptions:
    """Settings of a run.

    Args:
        penalty: scikit-learn's `C`, the inverse of the penalty on the weights of standardised features.
    """

    penalty: float = 0.1


def train(
    data: FaceData,
    smiling: Mapping[str, bool],
    out: Path,
    options: SmileOptions,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Fit the training people's photos and their mirror images.

    Args:
        data: aligned faces.
        smiling: by file name; other faces are left out.
        out: receives ``smile.json``: the share of other people's photos that is read right, for each split.
        options: settings.
        progress: called with the number of faces, their total, and a word.

    Returns:
        The arrays of a `SmileReader`.

    Raises:
        DataError: smiling faces or others are missing.
        DependencyError: scikit-learn is missing.
    """
    data = data.where(np.array([name in smiling for name in data.names], bool))
    lesson = data.split("train")
    smiles = _labels(lesson, smiling)
    if not smiles.any() or smiles.all():
        raise DataError("expected faces of CelebA that smile and others among the training people, got one of both only")
    points = _landmarks(lesson, progress)
    rows = features(np.concatenate([points, np.stack([mirrored(p) for p in points])]))
    arrays = _fit(rows, np.tile(smiles, 2), options.penalty)
    out.mkdir(parents=True, exist_ok=True)
    exams = {name: data.split(name) for name in ("validation", "test")}
    right = {name: _right(SmileReader(arrays), exam, smiling, progress) for name, exam in exams.items() if len(exam)}
    (out / "smile.json").write_text(json.dumps(right, indent=2))
    return arrays


def _fit(rows: NDArray[np.float64], smiles: NDArray[np.bool_], penalty: float) -> dict[str, NDArray[np.float32]]:
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    fitted = logistic.fit(np.asarray((rows - mean) / spread, np.float32), smiles, penalty)
    weight = fitted["weight"] / spread
    return {"weight": weight.astype(np.float32), "bias": (fitted["bias"] - mean @ weight).astype(np.float32)}


def _right(
    reader: SmileReader, exam: FaceData, smiling: Mapping[str, bool], progress: Callable[[int, int, str], None] | None
) -> dict[str, float]:
    said, smiles = reader.smile(_landmarks(exam, progress)) > 0.5, _labels(exam, smiling)
    return {"faces": len(exam), "right": float((said == smiles).mean())}


def _labels(data: FaceData, smiling: Mapping[str, bool]) -> NDArray[np.bool_]:
    return np.array([smiling[str(name)] for name in data.names], bool)


def _landmarks(data: FaceData, progress: Callable[[int, int, str], None] | None) -> NDArray[np.float64]:
    reader, found = FacePoints(), np.zeros((len(data), 68, 2))
    for i, crop in enumerate(data.crops):
        found[i] = reader.points(crop)
        if progress:
            progress(i + 1, len(data), "faces")
    return found
