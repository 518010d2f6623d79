"""Training of the reader of brows: what another photo of somebody shows, from one photo and its embedding."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError, DependencyError
from deid.editing.looks import contrast
from deid.landmarks.face_points import FacePoints
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import BrowReader
from deid.training.data import FaceData


@dataclass(frozen=True, slots=True)
class BrowOptions:
    """Settings of a run.

    Args:
        penalty: scikit-learn's `alpha`, the penalty on the weights.
        photos: so many photos of one person at most.
    """

    penalty: float = 0.3
    photos: int = 4


def train(
    data: FaceData, out: Path, options: BrowOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Fit the training people of whom there are several photos.

    Returns:
        The arrays of a `BrowReader`. ``out/brows.json`` holds, for the validation people, how well the reader and one photo tell what
        another photo shows: the correlation, and the mean error.

    Raises:
        DataError: nobody has several photos.
        DependencyError: scikit-learn is missing.
    """
    try:
        from sklearn.linear_model import Ridge
    except ImportError as error:
        raise DependencyError("this training needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    seen, rows, other = _pairs(data.split("train"), options.photos, progress)
    if not len(seen):
        raise DataError("expected training people with several photos, found none")
    fitted = Ridge(options.penalty).fit(np.column_stack([rows, seen]), other)
    arrays = {"weight": fitted.coef_.astype(np.float32), "bias": np.atleast_1d(fitted.intercept_).astype(np.float32)}
    seen, rows, other = _pairs(data.split("validation"), options.photos, progress)
    out.mkdir(parents=True, exist_ok=True)
    said = {"reader": BrowReader(arrays).darkness(seen, rows), "one photo": seen} if len(seen) else {}
    (out / "brows.json").write_text(json.dumps({name: _fits(values, other) for name, values in said.items()}, indent=2))
    return arrays


def _pairs(
    data: FaceData, most: int, progress: Callable[[int, int, str], None] | None
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
    """What one photo shows (N,), its embedding (N, 128), and what another photo of the same person shows (N,)."""
    photos: dict[str, list[int]] = defaultdict(list)
    for number, identity in enumerate(data.identities):
        photos[identity].append(number)
    pairs = [pair for own in photos.values() for a, b in pairwise(own[:most]) for pair in ((a, b), (b, a))]
    finder, embedder, read = FacePoints(), DlibResNetEmbedder(), {}
    wanted = sorted({number for pair in pairs for number in pair})
    for i, number in enumerate(wanted):
        crop = data.crops[number]
        read[number] = contrast(crop, finder.points(crop)), embedder.embed(crop[None])[0]
        if progress:
            progress(i + 1, len(wanted), "faces")
    rows = np.array([read[a][1] for a, _ in pairs], np.float32).reshape(-1, 128)
    return np.array([read[a][0] for a, _ in pairs], np.float64), rows, np.array([read[b][0] for _, b in pairs], np.float64)


def _fits(said: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float]:
    return {"correlation": float(np.corrcoef(said, other)[0, 1]), "off": float(np.abs(said - other).mean())}
