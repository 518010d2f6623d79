"""Trains the reader of gender: dlib's embedding beside the attribute classifier."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.attributes.classify import MALE, AttributeReader
from deid.attributes.gender import logits
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.exceptions import DataError, DependencyError
from deid.structures import Embeddings
from deid.training.data import FaceData

_BATCH = 64


@dataclass(frozen=True, slots=True)
class GenderOptions:
    """Settings of a run.

    Args:
        penalty: of scikit-learn's logistic regression, as its inverse `C`.
    """

    penalty: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Faces:
    """What both networks see.

    Args:
        embeddings: (N, 128) dlib's.
        attributes: (N, 13) the classifier's probabilities.
        male: (N,) the labels.
        identities: (N,) whose face.
    """

    embeddings: Embeddings
    attributes: NDArray[np.float32]
    male: NDArray[np.bool_]
    identities: NDArray[np.str_]


def train(
    data: FaceData, out: Path, options: GenderOptions, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Fit dlib's part on the training people, and how the two parts weigh on the validation people.

    The classifier knows the training people by heart: asked there, it would be believed too much.

    Returns:
        The arrays of a `GenderReader`. ``out/gender.json`` holds what each part and both together get right on the validation
        people, half of whom set the weights for the other half.

    Raises:
        DataError: men or women are missing.
        DependencyError: scikit-learn is missing.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    except ImportError as error:
        raise DependencyError("training gender needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    data = data.where(data.labels[:, MALE] >= 0)
    lesson, exam = (_look(data.split(name), progress) for name in ("train", "validation"))
    if not all(faces.male.any() and not faces.male.all() for faces in (lesson, exam)):
        raise DataError("expected men and women with labels among the training and the validation people, got one of them only")
    by_dlib = LogisticRegression(C=options.penalty, class_weight="balanced", max_iter=1000).fit(lesson.embeddings, lesson.male)
    parts = np.column_stack([by_dlib.decision_function(exam.embeddings), logits(exam.attributes[:, MALE])])
    joint = LogisticRegression(class_weight="balanced")
    folds = StratifiedGroupKFold(2, shuffle=True, random_state=0)
    both = cross_val_predict(joint, parts, exam.male, groups=exam.identities, cv=folds, method="decision_function")
    scores = {"classifier": parts[:, 1], "dlib": parts[:, 0], "both": both}
    out.mkdir(parents=True, exist_ok=True)
    (out / "gender.json").write_text(json.dumps({name: _right(said > 0, exam.male) for name, said in scores.items()}, indent=2))
    share, own = joint.fit(parts, exam.male).coef_[0]
    weight = np.append(share * by_dlib.coef_[0], own)
    bias = share * by_dlib.intercept_ + joint.intercept_
    return {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}


def _look(data: FaceData, progress: Callable[[int, int, str], None] | None) -> _Faces:
    embedder, reader = DlibResNetEmbedder(), AttributeReader()
    embeddings, attributes = [], []
    for start in range(0, len(data), _BATCH):
        crops = data.crops[start : start + _BATCH]
        embeddings.append(embedder.embed(crops))
        attributes.append(reader.probabilities(crops))
        if progress:
            progress(min(start + _BATCH, len(data)), len(data), "faces")
    return _Faces(np.concatenate(embeddings), np.concatenate(attributes), data.labels[:, MALE] > 0, data.identities)


def _right(said: NDArray[np.bool_], male: NDArray[np.bool_]) -> dict[str, float]:
    return {"men": float(said[male].mean()), "women": float(1 - said[~male].mean()), "n": len(male)}
