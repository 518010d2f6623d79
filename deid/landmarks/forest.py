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
        # Summed by hand: numpy takes ten times as long over an axis of three.
        grey = (image[..., 0].astype(np.int32) + image[..., 1] + image[..., 2]) // 3
        low, size = np.array(box[:2], float), np.array(box[2:], float) - box[:2]
        n_levels, n_trees, n_leaves, n_values = self.leaves.shape
        each = np.arange(n_trees) * n_leaves
        # Landmarks, and below them what each tree adds: one after the other, as rounding has it.
        rows = np.empty((n_trees + 1, n_values), np.float32)
        rows[0] = self.initial.ravel()
        for level in range(n_levels):
            seen = self._pixels(level, grey, rows[0].reshape(-1, 2), low, size)
            leaf = each + self._leaf(level, seen)
            # Every leaf is one of them; to make sure of it, numpy would fill a copy first.
            np.take(self.leaves[level].reshape(-1, n_values), leaf, axis=0, out=rows[1:], mode="clip")
            rows[0] = np.add.reduce(rows)
        return _whole(low + rows[0].reshape(-1, 2) * size).astype(float)

    def _pixels(
        self, level: int, grey: NDArray[np.int32], shape: NDArray[np.float32], low: NDArray[np.float64], size: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """(pixels,) brightness at the pixels of a level; 0 outside the image."""
        turn = _similarity(self.initial, shape)
        at = _whole(low + (self.deltas[level] @ turn.T + shape.take(self.anchors[level], axis=0)) * size)
        h, w = grey.shape
        x, y = at[:, 0], at[:, 1]
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        return np.where(inside, grey.take(np.where(inside, y * w + x, 0)), 0).astype(np.float32)

    def _leaf(self, level: int, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """(trees,) leaf that each tree leads to."""
        n_trees, n_splits = self.first.shape[1:]
        differences = seen.take(self.first[level]) - seen.take(self.second[level])
        second_branch = (differences <= self.threshold[level]).ravel()
        tree, node = np.arange(n_trees) * n_splits, np.zeros(n_trees, np.int64)
        while node[0] < n_splits:
            node = 2 * node + 1 + second_branch.take(tree + node)
        return np.asarray(node - n_splits)


def _similarity(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, 2) turn and scale that brings points (N, 2) nearest to others, as `deid.imaging.geometry.fit_similarity`, without its search
    for reflections, which no face is."""
    s, t = source.astype(float), target.astype(float)
    s, t = s - s.mean(axis=0), t - t.mean(axis=0)
    along, across = (s * t).sum(), (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()
    return np.array([[along, -across], [across, along]] / (s**2).sum(), np.float32)


def _whole(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest whole pixels."""
    return np.floor(points + 0.5).astype(np.int64)
