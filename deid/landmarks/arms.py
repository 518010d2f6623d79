"""Follows the arms of glasses to the ears: thin lines on skin and hair, of which a network sees the first part only.

The way outward is the one along which a line stands out most, by dynamic programming; where none does, it ends.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.types import Glasses, Image
from deid.imaging.template import SIZE
from deid.imaging.ways import cheapest_sums, way_to

Field = NDArray[np.float32]

#: The side at which arms are followed; all lengths below are in its pixels.
_SIDE = 256
#: How thick an arm may be, how thick what is taken for one is drawn, how far beyond the jaw line's end, at the ear, it ends.
_THICK, _DRAWN, _EAR = 9, 2, 6
#: By so many grey levels an arm stands out at least, and by so many times what is usual around it; more than three times that counts no
#: more.
_CLEAR, _USUAL, _MOST = 5.0, 1.5, 3.0
#: A step up or down costs so much of what is clear, and an arm begins so near to the middle of the frame's end.
_STEEP, _BEGIN = 0.2, 4
#: From these probabilities on a pixel is a frame's, or a lens's.
_FRAME, _LENS = 0.25, 0.5


def with_arms(glasses: Glasses, crop: Image, points: NDArray[np.float64]) -> Glasses:
    """Glasses whose frame reaches to the ears.

    Args:
        glasses: as a network finds them.
        crop: (n, n, 3) uint8 RGB, aligned.
        points: (68, 2) landmarks in pixels of 128.
    """
    n = len(crop)
    small = cv2.cvtColor(cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 0.8)
    upright = np.ones((_THICK, 1), np.uint8)
    lines = [np.asarray(cv2.morphologyEx(grey, how, upright), np.float32) for how in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)]
    found = _worn(glasses)
    arms = np.zeros((_SIDE, _SIDE), np.float32)
    ears = np.sort(points[[0, 16], 0]) * _SIDE / SIZE + (-_EAR, _EAR)
    for ear, mirror in zip((ears[0], _SIDE - 1 - ears[1]), (np.s_[:, :], np.s_[:, ::-1]), strict=True):
        _follow([line[mirror] for line in lines], found[mirror], round(float(ear)), arms[mirror])
    arms = np.asarray(cv2.resize(arms, (n, n), interpolation=cv2.INTER_LINEAR), np.float32)
    return replace(glasses, frame=np.maximum(glasses.frame, arms))


def _worn(glasses: Glasses) -> NDArray[np.bool_]:
    """(256, 256): where frame and lenses are, in one part or one for each eye."""
    frame, lenses = (cv2.resize(m, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR) for m in (glasses.frame, glasses.lenses))
    found = (frame > _FRAME) | (lenses > _LENS)
    _, parts = cv2.connectedComponents(found.astype(np.uint8))
    return found & np.isin(parts, np.unique(parts[lenses > _LENS]))


def _follow(lines: list[Field], found: NDArray[np.bool_], ear: int, arms: Field) -> None:
    """Draw the arm from the left end of what was found (256, 256) to the ear's column, in place; it is dark or bright (256, 256)."""
    half = found[:, : _SIDE // 2]
    columns = np.flatnonzero(half.any(axis=0))
    if not len(columns) or columns[0] <= max(ear, 0):
        return
    end = int(columns[0])
    row = round(float(np.flatnonzero(half[:, end : end + 4].any(axis=1)).mean()))
    ways = [_way(line[:, max(ear, 0) : end][:, ::-1], row) for line in lines]
    for step, y in enumerate(max(ways, key=lambda way: way[1])[0]):
        arms[max(0, y - _DRAWN) : y + _DRAWN + 1, end - 1 - step] = 1


def _way(line: Field, row: int) -> tuple[list[int], float]:
    """The rows of the way that begins near a row of the first column of a picture (h, w), and by how much it stands out in all."""
    near = line[max(0, row - 24) : row + 25]
    usual = max(_CLEAR, _USUAL * float(np.median(near)))
    worth = np.minimum(line / usual, _MOST) - 1
    start = np.full(len(worth), np.inf)
    start[max(0, row - _BEGIN) : row + _BEGIN + 1] = 0
    sums, back = cheapest_sums(np.vstack([start, -worth.T]), _STEEP)
    last = int(sums.min(axis=1).argmin())
    most = -float(sums[last].min())
    return (way_to(back, last, int(sums[last].argmin()))[1:].tolist(), most) if most > 0 else ([], 0.0)
