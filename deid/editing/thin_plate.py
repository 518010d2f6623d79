"""Warping of aligned faces from one shape to another, by thin-plate splines.

F. Bookstein, "Principal Warps: Thin-Plate Splines and the Decomposition of Deformations", PAMI 1989.
"""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

_BORDER = np.array([[0.0, 0], [64, 0], [127, 0], [127, 64], [127, 127], [64, 127], [0, 127], [0, 64]])
_SIDE = 128
#: Where the warp is worked out (1024, 2): it is smooth, and a quarter of the resolution is enough.
_GRID = np.stack(np.meshgrid(*[np.arange(2.0, _SIDE, 4) - 0.5] * 2), axis=-1).reshape(-1, 2)
_Number = TypeVar("_Number", np.uint8, np.float32)


def warp_to(crop: NDArray[_Number], points: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[_Number]:
    """A crop (128, 128, 3) moved so that its landmarks (68, 2) come to lie on others."""
    return moved(crop, maps_to(shape, points)[0])


def maps_to(shape: NDArray[np.float64], *sources: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    """For each of several shapes (68, 2), where in its crop the pixels of a crop of shape ``shape`` come from: (128, 128, 2)."""
    here = np.concatenate([shape, _BORDER])
    there = np.concatenate([np.concatenate([points, _BORDER]) for points in sources], axis=1)
    n = len(here)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(here, here) + 0.5 * np.eye(n)
    system[:n, n], system[:n, n + 1 :] = 1.0, here
    system[n:, :n] = system[:n, n:].T
    weights = np.linalg.solve(system, np.concatenate([there, np.zeros((3, there.shape[1]))]))
    fields = _kernel(_GRID, here) @ weights[:n] + weights[n] + _GRID @ weights[n + 1 :]
    coarse = fields.reshape(_SIDE // 4, _SIDE // 4, -1, 2).astype(np.float32)
    return [cv2.resize(coarse[:, :, i], (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR) for i in range(len(sources))]


def moved(crop: NDArray[_Number], maps: NDArray[np.float32]) -> NDArray[_Number]:
    """A crop (128, 128, 3) whose pixels come from where one of `maps_to` says."""
    return np.asarray(cv2.remap(crop, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), crop.dtype)


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = np.square(a[:, :1] - b[:, 0]) + np.square(a[:, 1:] - b[:, 1])
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-12)))


def yaw(points: NDArray[np.float64]) -> float:
    """How far a head with landmarks (68, 2) is turned: where the tip of the nose lies between the ends of the jaw, in [0, 1]."""
    left, right = points[0, 0], points[16, 0]
    return float((points[30, 0] - left) / max(1.0, right - left))
