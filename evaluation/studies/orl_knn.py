"""Blurred ORL faces, PCA and the nearest neighbour: how little a blur hides from an attacker who also blurs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from evaluation.results import Results
from evaluation.studies.options import StudyOptions
from evaluation.studies.orl import OrlStudy, run

_COMPONENTS = 120


def orl_knn(options: StudyOptions) -> Results:
    """1-NN on 120 principal components of blurred faces."""
    study = OrlStudy(
        title="orl-knn: blurred ORL faces, PCA and 1-NN",
        method="1-NN",
        features=flat,
        model=nearest,
        sigmas=(0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0),
        published="90 % (blurred, sigma not given)",
        differs="several sigmas, for the published one is not known; gallery and probe are blurred alike; all ten 90/10 splits",
        settings={"components": _COMPONENTS},
    )
    return run(study, options)


def flat(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images (N, 64, 64) in [0, 255] as rows (N, 4096) in [0, 1]."""
    return images.reshape(len(images), -1) / 255.0


def nearest() -> Any:
    """1-NN on principal components."""
    return make_pipeline(PCA(_COMPONENTS, svd_solver="full"), KNeighborsClassifier(1))
