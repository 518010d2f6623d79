"""Logistic regression on dlib's embeddings: what `deid.recognition.linear` reads with."""

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DependencyError
from deid.core.types import Embeddings

_MOST_STEPS = 3000


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
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise DependencyError("this training needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    fitted = LogisticRegression(C=penalty, class_weight="balanced", max_iter=_MOST_STEPS).fit(rows, is_one)
    return {"weight": fitted.coef_[0].astype(np.float32), "bias": fitted.intercept_.astype(np.float32)}
