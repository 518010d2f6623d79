"""Recall and precision of each detector on old group photos."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from deid.core.options import Options
from deid.core.types import Detection
from deid.detection import build_detector
from deid.imaging.geometry import box_iou
from evaluation import datasets
from evaluation.detectors import second_detector
from evaluation.metrics.bootstrap import share_interval
from evaluation.results import Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions

_NAMES = ("mtcnn_once", "mtcnn", "centerface", "faster_rcnn", "haar", Options().detector)
#: Scores of our own network that are measured besides its own threshold.
_SCORES = (0.7, 0.9, 0.95, 0.99)
#: The labels are drawn by hand: boxes that overlap so much, or hold each other's middle, are one face.
_LEAST_IOU = 0.3
_DIFFERS = "grey group photos, some of them drawings or scanned from newspapers; people are not named: intervals are over photos"


def detectors(options: StudyOptions) -> Results:
    """Recall and precision of every detector on all labelled photos of CMU-MIT, whatever `--people` says."""
    photos = list(datasets.cmu_mit())
    built = {name: build_detector(name, Options().min_face, Options().device) for name in options.detectors or _NAMES}
    if not options.detectors:
        built["scrfd"] = second_detector()
    options.stage("photos", len(photos) * len(built))
    lines: list[Measure] = []
    for name, detector in built.items():
        found: list[list[Detection]] = []
        for _, image, _ in photos:
            found.append(detector.detect(image))
            options.tick()
        for score in (0.0, *(_SCORES if name == "faster_rcnn" else ())):
            sure = [[d for d in some if d.score >= score] for some in found]
            lines += _lines(name, f"score over {score:g}" if score else "as it comes", sure, photos, options.seed)
    return Results(
        kind="study",
        title="detectors: labelled faces found, and finds that are labelled",
        settings={"data": "CMU-MIT", "photos": len(photos), "smallest face": Options().min_face, "differs": _DIFFERS},
        environment=environment(),
        measures=tuple(lines),
    )


def _lines(
    detector: str,
    section: str,
    found: Sequence[Sequence[Detection]],
    photos: Sequence[tuple[str, NDArray[np.uint8], NDArray[np.float64]]],
    seed: int,
) -> list[Measure]:
    """Recall over the labels and precision over the detections."""
    hits: list[bool] = []
    right: list[bool] = []
    owners: tuple[list[str], list[str]] = ([], [])
    for some, (name, _, labels) in zip(found, photos, strict=True):
        hit, good = pairs(labels, np.array([d.box_xyxy for d in some]).reshape(-1, 4))
        hits += hit.tolist()
        right += good.tolist()
        owners[0].extend([name] * len(hit))
        owners[1].extend([name] * len(good))
    published = "wanted: 75 %" if detector == "faster_rcnn" else ""
    return [
        measure(section, what, share_interval(values, names, seed), unit="%", better="higher", recogniser=detector, published=published)
        for what, values, names in (("recall", hits, owners[0]), ("precision", right, owners[1]))
    ]


def pairs(labels: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which labelled boxes (N, 4) have a detection of their own, and which detections (M, 4) a label: (N,) and (M,)."""
    overlap = box_iou(labels, found)
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (labels, found)]
    inside = _holds(found, middles[0]).T & _holds(labels, middles[1])
    worth = np.where((overlap >= _LEAST_IOU) | inside, 1.0 + overlap, 0.0)
    hit, good = np.zeros(len(labels), bool), np.zeros(len(found), bool)
    for i, j in zip(*linear_sum_assignment(-worth), strict=True):
        hit[i] = good[j] = worth[i, j] > 0
    return hit, good


def _holds(boxes: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N, M): whether box n holds point m."""
    return np.asarray(((boxes[:, None, :2] <= points) & (points <= boxes[:, None, 2:])).all(axis=2))
