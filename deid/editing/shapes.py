"""Which shapes faces have: the principal components of a bank's landmarks.

T. Cootes et al., "Active Shape Models: Their Training and Application", CVIU 1995.
"""

import numpy as np
from numpy.typing import NDArray

#: Landmarks from here on are the features; those before are the jaw line.
INNER = 17
#: Which landmarks are the brows, the eyes and the mouth.
EYES, MOUTH = (slice(36, 42), slice(42, 48)), slice(48, 68)
#: Of the mouth, the inner outline of the lips.
LIPS = slice(60, 68)
#: So many principal components of a mouth are its expression: how it smiles, opens and turns, 92 % of what there is. One is followed by no
#: more than so many standard deviations: what is farther off is an error of the landmarks. Held tighter, people who speak would smile.
_EXPRESSION, _FOLLOWED = 4, 4.0
#: A head is turned by no more than this, in the units of `pose`: farther than a bank's own turns nothing is known.
_MOST_TURNED = 5.0
#: So many components are kept within bounds, in standard deviations; finer ones are noise of the landmarks. A bank of fewer portraits
#: than the last number says nothing about shapes.
_COMPONENTS, _BOUND, _LEAST = 16, 2.2, 64


class Shapes:
    """The shapes of brows, nose, eyes and mouth in a bank, apart from how heads are held, and the expressions of its mouths.

    Args:
        points: (N, 68, 2) landmarks.
        held: (N, K) how each head is held.
    """

    def __init__(self, points: NDArray[np.float64], held: NDArray[np.float64]) -> None:
        self._mean = points[:, INNER:].mean(axis=0)
        # The nearest affine map of each: what its landmarks span of the mean.
        span, _ = np.linalg.qr(_homogeneous(points[:, INNER:]))
        off = (span @ (span.transpose(0, 2, 1) @ self._mean) - self._mean).reshape(len(points), -1)
        # What such a map leaves of a turn: a nose sticks out of its face, and moves farther than the eyes.
        self._turn = np.linalg.lstsq(held - held.mean(axis=0), off, rcond=None)[0] * (len(points) >= _LEAST)
        _, values, axes = np.linalg.svd(off, full_matrices=False)
        n = _COMPONENTS if len(points) >= _LEAST else 0
        self._axes, self._deviations = axes[:n], values[:n] / np.sqrt(max(len(points) - 1, 1))
        mouths = _centred(points[:, MOUTH]).reshape(len(points), -1)
        _, values, axes = np.linalg.svd(mouths - mouths.mean(axis=0), full_matrices=False)
        self._expression, self._most = axes[:_EXPRESSION], _FOLLOWED * values[:_EXPRESSION] / np.sqrt(max(len(points) - 1, 1)) + 1e-9

    def bounded(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features (51, 2) whose components lie within what is usual: farther out a face is a caricature."""
        there = affine(features, self._mean)
        at = self._axes @ (there - self._mean).ravel() / self._deviations
        off = (_BOUND * np.tanh(at / _BOUND) - at) * self._deviations
        back = np.linalg.lstsq(_homogeneous(there), features, rcond=None)[0]
        return np.asarray(features + (off @ self._axes).reshape(-1, 2) @ back[:2])

    def turned(self, features: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
        """(51, 2) how features (51, 2) move, beside an affine map, when their head is held otherwise by (K,)."""
        back = np.linalg.lstsq(_homogeneous(self._mean), features, rcond=None)[0]
        return np.asarray((_MOST_TURNED * np.tanh(by / _MOST_TURNED) @ self._turn).reshape(-1, 2) @ back[:2])

    def with_expression(self, mouth: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        """A mouth (20, 2) with the expression of another one (20, 2). Whatever else differs stays."""
        off = self._expression @ (_centred(other) - _centred(mouth)).ravel()
        return np.asarray(mouth + (self._expression.T @ (self._most * np.tanh(off / self._most))).reshape(-1, 2))


def _centred(mouths: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(mouths - mouths.mean(axis=-2, keepdims=True))


def affine(features: NDArray[np.float64], onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features (51, 2) after the affine map that brings them nearest to others (51, 2)."""
    own = _homogeneous(features)
    return np.asarray(own @ np.linalg.lstsq(own, onto, rcond=None)[0])


def affine_map(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) affine map that brings points (N, 2) nearest to others (N, 2)."""
    return np.asarray(np.linalg.lstsq(_homogeneous(source), target, rcond=None)[0].T)


def _homogeneous(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
