"""Training of the reader of snapshots: untouched photos against the new faces that the product makes of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError, DependencyError
from deid.core.protocols import Detector
from deid.core.types import Detection, Image, ImageResult
from deid.detection.central import central
from deid.imaging import codec
from deid.imaging.alignment import align
from deid.recognition import build_embedder
from deid.recognition.linear import SnapshotReader
from deid.training.data import split_of


class Engine(Protocol):
    """What makes new faces: a `deid.anonymizer.engine.Anonymizer`."""

    @property
    def detector(self) -> Detector: ...

    def process(self, image: Image, detections: Sequence[Detection] | None = None, seed: int | None = None) -> ImageResult: ...


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """Settings of a run.

    Args:
        people: of the training split, one photo each.
        exam: people of the validation split on whom it is measured.
        freedom: scikit-learn's `C`, the inverse of the penalty on the weights.
        seed: of people and new faces.
    """

    people: int = 800
    exam: int = 100
    freedom: float = 1.0
    seed: int = 0


def train(
    photos: Sequence[tuple[str, bytes]],
    engine: Engine,
    out: Path,
    options: SnapshotOptions,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Fit the people of the training split.

    Args:
        photos: who it is, and the bytes of a photo, of each person.
        engine: makes the new faces.
        out: folder for the result.
        options: of the run.
        progress: called with the number of finished photos, their total, and a note.

    Returns:
        The arrays of a `SnapshotReader`. ``out/snapshot.json`` holds, for the validation people, the area under the ROC curve.

    Raises:
        DataError: nobody of the training split got a new face.
        DependencyError: scikit-learn is missing.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise DependencyError("this training needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    splits, crops = _both(photos, engine, options.seed, progress)
    if "train" not in splits:
        raise DataError("expected training people whose face is replaced, found none")
    embedder = build_embedder(SnapshotReader.embedder, "cpu")
    rows = np.concatenate([embedder.embed(np.stack(side)) for side in zip(*crops, strict=True)])
    lesson, untouched = np.tile(np.array(splits) == "train", 2), np.repeat([True, False], len(splits))
    fitted: Any = LogisticRegression(C=options.freedom, max_iter=1000).fit(rows[lesson], untouched[lesson])
    arrays = {"weight": fitted.coef_[0].astype(np.float32), "bias": fitted.intercept_.astype(np.float32)}
    out.mkdir(parents=True, exist_ok=True)
    said = SnapshotReader(arrays).snapshot(rows[~lesson]) if not lesson.all() else np.zeros(0)
    exam = {"AUC": float(roc_auc_score(untouched[~lesson], said)), "people": len(said) // 2} if len(said) else {}
    (out / "snapshot.json").write_text(json.dumps(exam, indent=2))
    return arrays


def _both(
    photos: Sequence[tuple[str, bytes]], engine: Engine, seed: int, progress: Callable[[int, int, str], None] | None
) -> tuple[list[str], list[tuple[Image, Image]]]:
    """Which split each person is of, and crops (128, 128, 3) of their face before and after; who gets no new face is left out."""
    splits, crops = list[str](), list[tuple[Image, Image]]()
    for number, (identity, data) in enumerate(photos, 1):
        image = codec.decode(data, identity).frames[0].rgb
        found = central(engine.detector.detect(image), image)
        result = None if found is None else engine.process(image, [found], seed=seed + number)
        if found is not None and result is not None and result.faces[0].method == "attgan":
            splits.append(split_of(identity))
            crops.append((align(image, found).crop, align(result.image, found).crop))
        if progress:
            progress(number, len(photos), "new faces")
    return splits, crops
