"""Realism: likeness of the output's faces to faces of photos, as sets.

Both take features (N, D) of any network. Values on different features cannot be compared: the report names the network.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg


def fid(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Frechet distance of two sets of features.

    Formula: ``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`` with means m and covariances C. Direction: 0 for equal
    sets; lower means more real. Small sets push it up: the value of two halves of the untouched photos is the floor.
    Paper: M. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017, eq. 6.

    Args:
        a: (N, D) features of photos.
        b: (M, D) features of the output.
    """
    mean_gap = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    # The trace of the root of C_a C_b is the sum of the roots of its eigenvalues, which are real and not negative.
    roots = np.sqrt(np.maximum(linalg.eigvals(cov_a @ cov_b).real, 0.0)).sum()
    return float(max(mean_gap @ mean_gap + np.trace(cov_a) + np.trace(cov_b) - 2 * roots, 0.0))


def kid(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Squared maximum mean discrepancy with a cubic kernel, unbiased.

    Formula: ``mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_{i, j} k(a_i, b_j)`` with
    ``k(x, y) = (x . y / D + 1)^3``. Direction: about 0 for equal sets (it may fall below); lower means more real.
    Paper: M. Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4.

    Args:
        a: (N, D) features of photos.
        b: (M, D) features of the output.
    """

    return _off_diagonal_mean(_cubic(a, a)) + _off_diagonal_mean(_cubic(b, b)) - 2 * float(_cubic(a, b).mean())


def paired_kid(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """KID of the same photos before and after, unbiased however alike a photo and its output are.

    Formula: ``mean_{i != j} k(a_i, a_j) + k(b_i, b_j) - k(a_i, b_j) - k(a_j, b_i)`` with the kernel of `kid` on features that are
    standardised by the photos' mean and deviation, so that each counts alike and outputs of several tools share one scale. A photo is
    never held against its own output; `kid` would, and reads few, little changed photos as more real than real. Direction: 0 for
    untouched photos; lower means more real. Paper: A. Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, eq. 3.

    Args:
        before: (N, D) features of photos.
        after: (N, D) of their outputs, in the same order.
    """
    mean, scale = before.mean(axis=0), before.std(axis=0) + 1e-9
    a, b = (before - mean) / scale, (after - mean) / scale
    return _off_diagonal_mean(_cubic(a, a) + _cubic(b, b) - _cubic(a, b) - _cubic(b, a))


def _cubic(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3)


def _off_diagonal_mean(k: NDArray[np.float64]) -> float:
    n = len(k)
    return float((k.sum() - np.trace(k)) / (n * (n - 1)))
