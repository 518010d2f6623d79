"""The reader of smiles: its features, and whom it takes to smile."""

import numpy as np

from deid.editing.portraits import Portraits, mirrored
from deid.recognition.linear import N_FEATURES, SmileReader, features


def test_features_do_not_tell_where_a_face_lies() -> None:
    points = np.random.default_rng(0).uniform(20, 110, (3, 68, 2))
    assert features(points).shape == (3, N_FEATURES)
    np.testing.assert_allclose(features(points + np.array([5, -3])), features(points), atol=1e-12)
    assert not np.allclose(features(points * np.array([1, 1.1])), features(points))


def test_the_formula() -> None:
    points = np.random.default_rng(1).uniform(20, 110, (2, 68, 2))
    weight = np.zeros(N_FEATURES, np.float32)
    weight[3] = 2.0
    said = SmileReader({"weight": weight, "bias": np.array([0.5], np.float32)}).smile(points)
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-(2 * features(points)[:, 3] + 0.5))), rtol=1e-5)


def test_lifted_corners_of_the_mouth_are_a_smile(bank: Portraits) -> None:
    """The same face, its mouth drawn wide and up, and narrow and down."""
    grave = bank.points[int(np.argmin(np.abs(bank.smile - 0.5)))]
    said = []
    for lift in (-4.0, 0.0, 4.0):
        drawn = grave.copy()
        drawn[[48, 60]] += (-lift, -lift)
        drawn[[54, 64]] += (lift, -lift)
        said.append(SmileReader().smile(drawn[None])[0])
    assert said[0] < said[1] < said[2]
    assert said[2] - said[0] > 0.5


def test_mirror_images_smile_alike(bank: Portraits) -> None:
    n = bank.n_pictures
    both = np.stack([bank.points[:n], np.stack([mirrored(p) for p in bank.points[:n]])])
    left, right = (SmileReader().smile(points) for points in both)
    assert ((left > 0.5) == (right > 0.5)).mean() > 0.93
    assert np.corrcoef(left, right)[0, 1] > 0.95


def test_no_faces() -> None:
    assert SmileReader().smile(np.zeros((0, 68, 2))).shape == (0,)
