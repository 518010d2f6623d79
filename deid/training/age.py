"""Training of the age reader, on dlib's embeddings: UTKFace's ages, and for children also their portraits."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Embeddings
from deid.detection.central import central
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging.alignment import align
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import AgeReader
from deid.training import logistic
from deid.training.data import pictures, portrait_children, portraits

#: UTKFace's photos are cut close to the face: a detector wants some surroundings, in pixels of 200.
_SURROUNDINGS = 60
#: Greatest age of a child in years; every n-th photo validates and does not train.
_CHILD, _EXAM = 12, 4


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
    rows, ages = _utkface(data, progress)
    exam = np.arange(len(rows)) % _EXAM == 0
    nobody = portraits(data)
    lesson = np.concatenate([rows[~exam], DlibResNetEmbedder().embed(nobody.crops)])
    child = np.concatenate([ages[~exam] <= _CHILD, portrait_children(data)])
    arrays = logistic.fit(lesson, child, options.penalty) | _years(rows[~exam], ages[~exam], options.years_penalty)
    reader = AgeReader(arrays)
    said = _shares(reader.child(rows[exam]) > 0.7, ages[exam])
    said["mean error in years"] = float(np.abs(reader.years(rows[exam]) - ages[exam]).mean())
    out.mkdir(parents=True, exist_ok=True)
    (out / "age.json").write_text(json.dumps(said, indent=2))
    return arrays


def _years(rows: Embeddings, ages: NDArray[np.int64], penalty: float) -> dict[str, NDArray[np.float32]]:
    from sklearn.linear_model import Ridge

    fitted = Ridge(penalty).fit(rows, ages)
    return {"years.weight": fitted.coef_.astype(np.float32), "years.bias": np.atleast_1d(fitted.intercept_).astype(np.float32)}


def _utkface(data: Path, progress: Callable[[int, int, str], None] | None) -> tuple[Embeddings, NDArray[np.int64]]:
    """Embeddings (N, 128) and ages (N,) of the photos in which a face is found."""
    named = list(_with_age(data))
    detector, embedder = MtcnnDetector(min_face=40), DlibResNetEmbedder()
    rows, ages = [], []
    for i, (age, read) in enumerate(named):
        photo = np.asarray(PillowImage.open(io.BytesIO(read())).convert("RGB"))
        wide = np.pad(photo, ((_SURROUNDINGS,) * 2, (_SURROUNDINGS,) * 2, (0, 0)), mode="edge")
        face = central(detector.detect(wide), wide)
        if face is not None:
            rows.append(embedder.embed(align(wide, face).crop[None])[0])
            ages.append(age)
        if progress:
            progress(i + 1, len(named), "faces")
    if not rows:
        raise DataError(f"expected utkface.tar, or a folder utkface, in {data}")
    return np.stack(rows), np.array(ages)


def _with_age(data: Path) -> Iterator[tuple[int, Callable[[], bytes]]]:
    for name, read in pictures(data, "utkface.tar", "utkface"):
        parts = Path(name).name.split("_")
        if len(parts) == 4 and parts[0].isdigit():
            yield int(parts[0]), read


def _shares(said: NDArray[np.bool_], ages: NDArray[np.int64]) -> dict[str, float]:
    groups = {"0-10": (0, 10), "11-12": (11, 12), "13-18": (13, 18), "19 and over": (19, 200)}
    return {name: float(said[here].mean()) for name, (a, b) in groups.items() if (here := (ages >= a) & (ages <= b)).any()}
