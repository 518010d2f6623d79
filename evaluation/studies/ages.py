"""An independent classifier of ages, not used for new faces: linear on a recogniser's maps, trained on UTKFace."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from deid.check.judges import mtcnn
from deid.core.types import Crops
from evaluation import datasets
from evaluation.studies.edits import aligned
from evaluation.studies.options import StudyOptions
from evaluation.studies.second_opinion import Look

#: Of the ridge penalty, in units of the number of features, as for the attributes.
_PENALTY = 2.0
_FOLDS = 5
_FILE = "ages.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class AgeReader:
    """Years from standardised features.

    Args:
        look: gives the features.
        mean: (D,) of the features.
        scale: (D,) what they are divided by.
        weights: (D,).
        bias: (1,) years.
        error: (1,) mean absolute error in years on people it was not taught on.
    """

    look: Look
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    error: NDArray[np.float32]

    def years(self, crops: Crops) -> NDArray[np.float64]:
        """Ages (N,) of aligned crops (N, 128, 128, 3)."""
        return np.asarray(((self.look(crops) - self.mean) / self.scale) @ self.weights + self.bias, np.float64)


def learned_ages(options: StudyOptions, look: Look) -> AgeReader:
    """The reader, taught once for a folder."""
    path = options.folder / _FILE if options.folder else None
    if path is not None and path.is_file():
        return AgeReader(look, **load_file(path))
    known = datasets.utkface()
    ages = {photo.name: age for photo, age, _ in known}
    options.stage("UTKFace", len(known))
    kept, crops = aligned([photo for photo, _, _ in known], mtcnn(), options.tick)
    reader = learn(look, crops, np.array([ages[p.name] for p in kept], np.float64))
    if path is not None:
        _write(reader, path)
    return reader


def learn(look: Callable[[Crops], NDArray[np.float32]], crops: Crops, years: NDArray[np.float64]) -> AgeReader:
    """Ridge regression of ages (N,) on features of crops (N, 128, 128, 3), with its error by cross-validation."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_predict

    features = look(crops)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    rows = (features - mean) / scale
    model = Ridge(_PENALTY * rows.shape[1])
    error = np.abs(cross_val_predict(model, rows, years, cv=_FOLDS) - years).mean()
    model.fit(rows, years)
    weights, bias, off = (np.asarray(v, np.float32).reshape(-1) for v in (model.coef_, model.intercept_, error))
    return AgeReader(look, mean, scale, weights, bias, off)


def _write(reader: AgeReader, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: getattr(reader, name) for name in ("mean", "scale", "weights", "bias", "error")}, path)
