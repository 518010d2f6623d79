"""Blurred ORL faces in ten splits, shared by the studies on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evaluation import datasets
from evaluation.metrics.bootstrap import share_interval
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions

_SIDE = 64
#: From images (N, 64, 64) in [0, 255] to rows (N, D).
Features: TypeAlias = Callable[[NDArray[np.float64]], NDArray[Any]]
#: A new classifier of scikit-learn.
Model: TypeAlias = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class OrlStudy:
    """What differs between two studies.

    Args:
        title: of the report.
        method: in words.
        features: what the classifier sees of the blurred faces.
        model: makes a classifier.
        sigmas: of the blur, in pixels of the 64 px face. The seeds say "Gaussian blur" and no more.
        published: what was printed.
        differs: where the setting differs.
        settings: for the report.
    """

    title: str
    method: str
    features: Features
    model: Model
    sigmas: Sequence[float]
    published: str
    differs: str
    settings: dict[str, Any]


def run(study: OrlStudy, options: StudyOptions) -> Results:
    """Rank 1 over the blur: nine photos a person to train on and one to test, each once."""
    images, labels = orl_faces()
    fold = folds(labels, options.seed)
    options.stage("sigmas", len(study.sigmas))
    lines: list[Measure] = []
    for sigma in study.sigmas:
        hit = hits(study.features(ndimage.gaussian_filter(images, (0, sigma, sigma))), labels, fold, study.model)
        interval = share_interval(hit, [str(i) for i in labels], options.seed)
        name = f"rank 1, {study.method}"
        lines.append(measure(f"sigma {sigma:g}", name, interval, unit="%", better="lower", published=study.published))
        options.tick()
    values = [m.value for m in lines]
    curve = Curve(plot="strength", label=study.method, recogniser=f"sigma in pixels of {_SIDE}", x=list(study.sigmas), y=values)
    return Results(
        kind="study",
        title=study.title,
        settings={"data": "ORL, 40 people, 400 photos", "side_px": _SIDE, **study.settings, "differs": study.differs, "seed": options.seed},
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


def hits(features: NDArray[Any], labels: NDArray[np.int64], fold: NDArray[np.int64], model: Model) -> NDArray[np.float64]:
    """Whether each photo (N,) is given to its person by a classifier that learned on the other splits.

    Args:
        features: (N, D) of all photos.
        labels: (N,) people.
        fold: (N,) of `folds`.
        model: makes a classifier.
    """
    hit = np.zeros(len(features))
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        hit[test] = model().fit(features[train], labels[train]).predict(features[test]) == labels[test]
    return hit
