"""Fits the appearance model: how faces look by gender and pose, and along which axes people differ."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deid.detect.face_points import FacePoints
from deid.edit.appearance import TEXTURE, circumstances, relief
from deid.exceptions import DataError
from deid.models.attgan import ATTRIBUTES, N_CODES
from deid.training.data import FaceData

_Number = TypeVar("_Number", np.float32, np.float64)
_MALE, _GLASSES = ATTRIBUTES.index("Male"), ATTRIBUTES.index("Eyeglasses")


@dataclass(frozen=True, slots=True)
class AppearanceOptions:
    """Settings of a run.

    Args:
        shape_share: what shape weighs beside texture, of which there is more, when the axes are found.
        penalty: on the influence of gender and pose, as a share of the number of faces.
    """

    shape_share: float = 0.7
    penalty: float = 1e-4


def train(
    data: FaceData, out: Path, options: AppearanceOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float16]]:
    """Fit the faces without glasses, of which a mean would make ghosts.

    Args:
        data: training people, labelled.
        out: ``appearance.json`` holds how much of what sets people apart the axes tell.

    Returns:
        The arrays of an `AppearanceModel`.

    Raises:
        DataError: there are fewer faces than a model needs.
    """
    data = data.where(data.labels[:, _GLASSES] <= 0)
    if len(data) <= N_CODES:
        raise DataError(f"expected more than {N_CODES} faces without glasses, got {len(data)}")
    finder = FacePoints()
    points = np.stack([finder.points(crop) for crop in data.crops])
    mean = points.mean(axis=0)
    textures = np.zeros((len(data), TEXTURE * TEXTURE * 3), np.float32)
    for i, crop in enumerate(data.crops):
        textures[i] = relief(crop, points[i], mean).ravel()
        if progress:
            progress(i + 1, len(data), "faces")
    told = np.stack([circumstances(p, bool(label > 0)) for p, label in zip(points, data.labels[:, _MALE], strict=True)])
    shapes = (points - points.mean(axis=1, keepdims=True)).reshape(len(data), -1)
    texture, textures = _explained(told, textures, options.penalty)
    _, shapes = _explained(told, shapes, options.penalty)
    scores, share = _scores(textures, shapes, options.shape_share)
    # The eyes' and the mouth's middle stays where crops are aligned to; what moves is where features lie to one another.
    shape_axes = (scores.T @ shapes / len(data)).reshape(N_CODES, 68, 2)
    shape_axes -= shape_axes[:, 17:].mean(axis=1, keepdims=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "appearance.json").write_text(json.dumps({"faces": len(data), "variance explained": share}, indent=2))
    arrays = {
        "shape": mean,
        "texture": texture.reshape(-1, TEXTURE, TEXTURE, 3),
        "texture_axes": (scores.T @ textures / len(data)).reshape(N_CODES, TEXTURE, TEXTURE, 3),
        "shape_axes": shape_axes,
    }
    return {name: array.astype(np.float16) for name, array in arrays.items()}


def _explained(told: NDArray[np.float64], rows: NDArray[_Number], penalty: float) -> tuple[NDArray[_Number], NDArray[_Number]]:
    """Ridge regression of rows (N, D) on what is told of them (N, C): coefficients (C, D), and what is left of the rows."""
    shrunk = np.eye(told.shape[1])
    # The mean is not.
    shrunk[0, 0] = 0
    found = np.linalg.solve(told.T @ told + penalty * len(told) * shrunk, told.T @ rows).astype(rows.dtype)
    return found, rows - told.astype(rows.dtype) @ found


def _scores(textures: NDArray[np.float32], shapes: NDArray[np.float64], shape_share: float) -> tuple[NDArray[np.float64], float]:
    """Where people lie on the principal axes of texture and shape together (N, N_CODES), each of variance 1, and the share of the
    variance that these axes hold."""
    gram = textures @ textures.T / np.square(textures).sum() + shape_share**2 * (shapes @ shapes.T) / np.square(shapes).sum()
    values, vectors = np.linalg.eigh(gram)
    scores = vectors[:, ::-1][:, :N_CODES] * np.sqrt(len(gram))
    return np.asarray(scores, np.float64), float(values[::-1][:N_CODES].sum() / values.sum())
