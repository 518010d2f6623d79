"""Logistic regression on dlib's embeddings: what `deid.recognition.linear` reads with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DependencyError
from deid.core.types import Embeddings

_MOST_STEPS = 3000


@dataclass(frozen=True, slots=True)
class LogisticOptions:
    """Settings of a run.

    Args:
        penalty: scikit-learn's `C`, the inverse of the penalty on the weights.
    """

    penalty: float = 10.0


def fit(rows: Embeddings, is_one: NDArray[np.bool_], penalty: float) -> dict[str, NDArray[np.float32]]:
    """Fit who has a property, both sides weighing alike.

    Args:
        rows: (N, 128).
        is_one: (N,), with both sides.
        penalty: scikit-learn's `C`, the inverse of the penalty on the weights.

    Returns:
        ``weight`` (128,) and ``bias`` (1,).

    Raises:
        DependencyError: scikit-learn is missing.
    """
    fitted = _regression(penalty).fit(rows, is_one)
    return {"weight": fitted.coef_[0].astype(np.float32), "bias": fitted.intercept_.astype(np.float32)}


def fit_several(rows: Embeddings, kinds: NDArray[np.int64], penalty: float) -> dict[str, NDArray[np.float32]]:
    """Fit which of K kinds a face is of, all weighing alike.

    Args:
        rows: (N, 128).
        kinds: (N,) from 0 to K - 1, three or more of them, with faces of each.
        penalty: see `fit`.

    Returns:
        ``weight`` (128, K) and ``bias`` (K,) of a softmax.

    Raises:
        DependencyError: scikit-learn is missing.
    """
    fitted = _regression(penalty).fit(rows, kinds)
    return {"weight": np.ascontiguousarray(fitted.coef_.T, np.float32), "bias": fitted.intercept_.astype(np.float32)}


def _regression(penalty: float) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise DependencyError("this training needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    return LogisticRegression(C=penalty, class_weight="balanced", max_iter=_MOST_STEPS)
