"""Faces moved from one shape to another."""

import numpy as np
import pytest

from deid.core.types import Image
from deid.editing.thin_plate import warp_to, yaw
from deid.landmarks.face_points import FacePoints


@pytest.fixture(scope="module")
def crop(hopper: Image, officer: object) -> Image:
    from deid.imaging.alignment import align

    return align(hopper, officer).crop  # type: ignore[arg-type]


def test_warp_to_the_same_shape_changes_nothing(crop: Image) -> None:
    points = FacePoints().points(crop)
    difference = np.abs(warp_to(crop, points, points).astype(int) - crop)
    assert difference[16:112, 16:112].mean() < 1.0


def test_warp_moves_landmarks_where_they_shall_lie(crop: Image) -> None:
    """A mark on the nose tip comes to lie on the nose tip of the other shape."""
    points = FacePoints().points(crop)
    shape = points.copy()
    shape[27:36] += (3.0, -4.0)
    marked = np.zeros((128, 128, 3), np.uint8)
    x, y = points[30].astype(int)
    marked[y - 1 : y + 2, x - 1 : x + 2] = 255
    moved = warp_to(marked, points, shape)[..., 0].astype(float)
    ys, xs = np.mgrid[:128, :128]
    centre = np.array([(moved * xs).sum(), (moved * ys).sum()]) / moved.sum()
    assert np.linalg.norm(centre - (x + 3, y - 4)) < 1.0


def test_colours_below_0_are_moved_too(crop: Image) -> None:
    points = FacePoints().points(crop)
    shape = points + np.array([2.0, 1.0])
    moved = warp_to(-crop.astype(np.float32), points, shape)
    assert moved.dtype == np.float32
    assert np.abs(moved + warp_to(crop, points, shape))[16:112, 16:112].mean() < 1.0


def test_a_head_turned_the_other_way_is_its_mirror_image(crop: Image) -> None:
    points = FacePoints().points(crop)
    mirrored = points.copy()
    mirrored[:, 0] = 127 - mirrored[:, 0]
    mirrored[[0, 16]] = mirrored[[16, 0]]
    assert yaw(points) + yaw(mirrored) == pytest.approx(1.0)
