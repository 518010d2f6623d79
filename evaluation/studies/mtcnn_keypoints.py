"""Accuracy of MTCNN's five points."""

import numpy as np
from numpy.typing import NDArray

from deid.check.judges import mtcnn
from deid.core.types import Detection, Image
from deid.detection.central import central
from deid.imaging import geometry
from deid.imaging.alignment import align_matrix, warp
from deid.landmarks.face_points import FacePoints
from evaluation import datasets
from evaluation.metrics.bootstrap import share_interval
from evaluation.metrics.detection import points_within
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions

_RADII_PX = (30.0, 20.0, 10.0, 5.0)
_DIFFERS = (
    "more photos; LFW has no labelled points, the reference are dlib's 68 points placed by the data set's own alignment; "
    "photos of 250 px, eyes 42 px apart; a face that is not found fails"
)


def mtcnn_keypoints(options: StudyOptions) -> Results:
    """Share of LFW photos in which all five points lie within a radius of the reference points."""
    photos = datasets.people(datasets.lfw("test"), options.people, 1, options.seed)
    detector, points = mtcnn(), FacePoints()
    options.stage("photos", len(photos))
    within: list[list[bool]] = []
    for photo in photos:
        image = photo.image()
        found = central(detector.detect(image), image)
        within.append([_succeeds(found, _reference(image, points), r) for r in _RADII_PX])
        options.tick()
    table, owners = np.array(within, bool), [p.identity for p in photos]
    lines: list[Measure] = [
        measure(
            f"within {r:g} px",
            "detection succeeds",
            share_interval(table[:, k], owners, options.seed),
            unit="%",
            better="higher",
            recogniser=detector.name,
            published="18 of 20 (90 %), image size not given" if r == _RADII_PX[0] else "",
        )
        for k, r in enumerate(_RADII_PX)
    ]
    curve = Curve(plot="strength", label="mtcnn", recogniser="radius in pixels", x=list(_RADII_PX), y=[m.value for m in lines])
    return Results(
        kind="study",
        title="mtcnn-keypoints: five points within a radius",
        settings={"data": "LFW test people, one photo each", "photos": len(photos), "differs": _DIFFERS, "seed": options.seed},
        environment=environment(),
        measures=tuple(lines),
        curves=(curve,),
    )


def _reference(image: Image, points: FacePoints) -> NDArray[np.float64]:
    """Five points (5, 2) in the photo by dlib's regression trees, from where the data set says the face is."""
    matrix = align_matrix(datasets.LFW_POINTS)
    every = geometry.apply(geometry.invert(matrix), points.points(warp(image, matrix)))
    return np.stack([every[36:42].mean(axis=0), every[42:48].mean(axis=0), every[30], every[48], every[54]])


def _succeeds(found: Detection | None, reference: NDArray[np.float64], radius_px: float) -> bool:
    return found is not None and found.landmarks is not None and points_within(found.landmarks, reference, radius_px)
