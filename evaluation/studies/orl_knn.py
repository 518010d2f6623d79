"""Blurred ORL faces, PCA and the nearest neighbour: how little a blur hides from an attacker who blurs too."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from evaluation import datasets
from evaluation.metrics.bootstrap import share_interval
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions

_SIDE, _COMPONENTS = 64, 120
#: Sigma in pixels of the 64 px face. The seed says "Gaussian blur" and no more.
_SIGMAS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
_PUBLISHED = "90 % (blurred, sigma not given)"


def orl_knn(options: StudyOptions) -> Results:
    """1-NN on 120 principal components of blurred faces; nine photos a person to train on and one to test, each once."""
    small, labels = orl_faces()
    fold = folds(labels, options.seed)
    options.stage("sigmas", len(_SIGMAS))
    lines: list[Measure] = []
    for sigma in _SIGMAS:
        hit = _hits(ndimage.gaussian_filter(small, (0, sigma, sigma)), labels, fold)
        interval = share_interval(hit, [str(i) for i in labels], options.seed)
        note = "gallery and probe blurred alike; all ten 90/10 splits, every photo tested once"
        lines.append(measure(f"sigma {sigma:g}", "rank 1, 1-NN", interval, unit="%", better="lower", published=_PUBLISHED, note=note))
        options.tick()
    curve = Curve(plot="strength", label="PCA and 1-NN", recogniser="sigma in pixels of 64", x=list(_SIGMAS), y=[m.value for m in lines])
    settings = {"data": "ORL, 40 people, 400 photos", "side_px": _SIDE, "components": _COMPONENTS, "seed": options.seed}
    return Results(
        kind="study",
        title="orl-knn: blurred ORL faces, PCA and 1-NN",
        settings=settings,
        environment=environment(),
        measures=tuple(lines),
        curves=(curve,),
    )


def orl_faces() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """ORL at 64 px: grey (400, 64, 64) in [0, 255], and the person (400,) of each."""
    images, labels = datasets.orl()
    return np.stack([cv2.resize(i, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for i in images]).astype(np.float64), labels


def folds(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Which of the ten splits tests each photo (N,): one photo of every person in each."""
    rng, fold = np.random.default_rng(seed), np.zeros(len(labels), np.int64)
    for person in np.unique(labels):
        rows = np.nonzero(labels == person)[0]
        fold[rows] = rng.permutation(len(rows))
    return fold


def _hits(images: NDArray[np.float64], labels: NDArray[np.int64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Whether the nearest neighbour of each photo (N,) is of its person."""
    flat, hit = images.reshape(len(images), -1) / 255.0, np.zeros(len(images))
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        pca = PCA(_COMPONENTS, svd_solver="full").fit(flat[train])
        nearest = KNeighborsClassifier(1).fit(pca.transform(flat[train]), labels[train])
        hit[test] = nearest.predict(pca.transform(flat[test])) == labels[test]
    return hit
