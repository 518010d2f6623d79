import numpy as np

from evaluation.metrics.detection import points_within


def test_points_within_a_radius() -> None:
    points = np.zeros((5, 2))
    assert points_within(points, points + np.array([3.0, 4.0]), 5.0)
    assert not points_within(points, points + np.array([3.0, 4.1]), 5.0)
