"""An ensemble of regression trees that moves 68 landmarks to where a face has them.

V. Kazemi, J. Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees", CVPR 2014; as dlib computes it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Levels of trees; each tree compares the brightness of two pixels at a split, and adds what its leaf holds to the landmarks.

    Args:
        initial: (68, 2) landmarks to begin with, in a box of side 1.
        anchors: (levels, pixels) landmark that each pixel lies near.
        deltas: (levels, pixels, 2) how it lies from there.
        first: (levels, trees, splits) pixel at a split.
        second: the pixel that is taken from it.
        threshold: the difference above which the first branch is taken.
        leaves: (levels, trees, splits + 1, 136); may be a memory-mapped file.
    """

    initial: NDArray[np.float32]
    anchors: NDArray[np.int64]
    deltas: NDArray[np.float32]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    threshold: NDArray[np.float32]
    leaves: NDArray[np.float32]

    def points(self, image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float64]:
        """(68, 2) whole pixels of an image (H, W, 3), of the face in a box whose right and lower edges belong to it."""
        # With a black border, which stands for all that lies outside.
        grey = np.zeros((image.shape[0] + 2, image.shape[1] + 2), np.float32)
        # Summed by hand: numpy takes ten times as long over an axis of three.
        grey[1:-1, 1:-1] = (image[..., 0].astype(np.int32) + image[..., 1] + image[..., 2]) // 3
        low, size, mean = np.array(box[:2], float), np.array(box[2:], float) - box[:2], _centred(self.initial)
        n_levels, n_trees, n_leaves, n_values = self.leaves.shape
        each = np.arange(n_trees) * n_leaves
        # Landmarks, and below them what each tree adds: one after the other, as rounding has it.
        rows = np.empty((n_trees + 1, n_values), np.float32)
        rows[0] = self.initial.ravel()
        for level in range(n_levels):
            shape = rows[0].reshape(-1, 2)
            turn = _similarity(mean, _centred(shape))
            at = (self.deltas[level] @ turn.T + shape.take(self.anchors[level], axis=0)) * size + low
            seen = _pixels(grey, _whole(at))
            leaf = each + self._leaf(level, seen)
            # Every leaf is one of them; to make sure of it, numpy would fill a copy first.
            np.take(self.leaves[level].reshape(-1, n_values), leaf, axis=0, out=rows[1:], mode="clip")
            rows[0] = np.add.reduce(rows)
        return _whole(low + rows[0].reshape(-1, 2) * size).astype(float)

    def _leaf(self, level: int, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """(trees,) leaf that each tree leads to."""
        n_trees, n_splits = self.first.shape[1:]
        differences = seen.take(self.first[level]) - seen.take(self.second[level])
        second_branch = (differences <= self.threshold[level]).ravel()
        tree, node = np.arange(n_trees) * n_splits, np.zeros(n_trees, np.int64)
        while node[0] < n_splits:
            node = 2 * node + 1 + second_branch.take(tree + node)
        return np.asarray(node - n_splits)


def _pixels(grey: NDArray[np.float32], at: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N,) brightness of an image, which has a border of one pixel here, at whole pixels (N, 2); that of the border outside the image."""
    h, w = grey.shape
    x, y = at[:, 0] + 1, at[:, 1] + 1
    return np.asarray(grey.take(np.minimum(np.maximum(y, 0), h - 1) * w + np.minimum(np.maximum(x, 0), w - 1)))


def _centred(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Points (N, 2) about their mean."""
    exact = points.astype(float)
    return np.asarray(exact - exact.mean(axis=0))


def _similarity(s: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float32]:
    """(2, 2) turn and scale that brings centred points (N, 2) nearest to others, as `deid.imaging.geometry.fit_similarity`."""
    along, across = (s * t).sum(), (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()
    return np.array([[along, -across], [across, along]] / (s**2).sum(), np.float32)


def _whole(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest whole pixels."""
    return np.floor(points + 0.5).astype(np.int64)
