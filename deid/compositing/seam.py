"""Pasting of a stand-in along a seam where it agrees with the photo, with the remaining difference spread inward.

Seam: a closed path of least cost around the face, J. Jia et al., "Drag-and-Drop Pasting", SIGGRAPH 2006, here by dynamic programming in
polar coordinates. Colours: the membrane of P. Perez, M. Gangnet, A. Blake, "Poisson Image Editing", SIGGRAPH 2003, by mean-value
coordinates, Z. Farbman et al., "Coordinates for Instant Image Cloning", SIGGRAPH 2009.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import outline, uncovered
from deid.compositing.fit import Fit
from deid.core.medians import median
from deid.core.temporal import held, steadied
from deid.core.types import StandIn, Steady
from deid.imaging.template import SIZE, filled
from deid.imaging.ways import cheapest_way

Field = NDArray[np.float32]

_ANGLES, _STEPS = 96, 24
#: The face must be new in brows, eyes, nose and mouth, and in this many pixels around them.
_AROUND = 3.0
#: How far above the brows the seam may lie, as a share of the distance from brow to nose, where both faces show skin there. With the
#: old forehead, people are identified six times as often (weights/EXPERIMENTS.md).
_LIFT = 0.7
#: Distance of the seam inside the jaw line, in pixels.
_INSIDE = 1.0
#: Costs of the path: distance inward, a step sideways, and hair.
_OUTWARD, _STRAIGHT, _HIDDEN = 120.0, 2.0, 400.0
#: A mean disagreement along the seam that halves the fit.
_ROUGH = 40.0
#: A strain up to which a stand-in does not look distorted, and from which it fits nowhere.
_STRAINS = (0.35, 0.7)
#: The fade across the seam, in pixels of 128.
_FADE = 1.6
#: The photo and the new face differ by more grey levels from the median along the seam where hair or a hat meets it.
_MOST_OFF = 28.0
#: How much the usual difference counts beside those along the seam, which count 1 where the photo shows skin there.
_USUAL = 0.1
_COMPLEX = np.array([1, 1j])


@dataclass(frozen=True, slots=True, eq=False)
class Seam:
    """A closed path around a face.

    Args:
        path: (K, 2) pixels of a 128 px crop, in the order of the angle.
        mask: (128, 128) in [0, 1], 1 inside, with a soft edge.
        fit: how well the new face fits the photo along the path.
        on_skin: (K,) in [0, 1], how much the photo shows skin there: hair that meets the seam is no shadow on the face.
    """

    path: NDArray[np.float64]
    mask: Field
    fit: Fit
    on_skin: NDArray[np.float64]


def find_seam(new: Field, old: Field, points: NDArray[np.float64], stand_in: StandIn, steady: Steady | None = None) -> Seam:
    """Seam along which a new face (128, 128, 3) and the photo ``old`` differ least.

    Args:
        new: the new face.
        old: the photo's aligned crop.
        points: (68, 2) landmarks of the photo's face.
        stand_in: where the new face may be shown, and its landmarks.
        steady: in a video, what keeps the seam from jumping.
    """
    centre = points[27:36].mean(axis=0)
    angles = np.linspace(-np.pi, np.pi, _ANGLES, endpoint=False)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    core = _core(points, stand_in.points)
    inner = reach(core, centre, rays)
    outer = np.maximum(reach(outline(points, _LIFT), centre, rays) - _INSIDE, inner + 1.0)
    radii = inner[:, None] + (outer - inner)[:, None] * np.linspace(0, 1, _STEPS)
    where = (centre + radii[..., None] * rays[:, None]).astype(np.float32)
    clear = uncovered(points, np.clip(old, 0, 255).astype(np.uint8))
    steps, along = held(steady, "seam", lambda: _way(new, old, np.minimum(stand_in.visible, clear), where))
    path = centre + steadied(steady, "seam", np.take_along_axis(radii, steps[:, None], 1), 25.0) * rays
    fit = Fit(_shown(core, stand_in.visible), along / _ROUGH, _unstrained(stand_in.strain))
    return Seam(path, _faded(path), fit, _on_skin(clear, path))


def _way(new: Field, old: Field, allowed: Field, where: NDArray[np.float32]) -> tuple[NDArray[np.int64], float]:
    """The cheapest of the places (A, S, 2) on every ray, (A,), within what is allowed (128, 128), and how much a seam there would show."""
    rough = _sampled(_disagreement(new, old), where)
    cost = rough + _OUTWARD * (1 - np.linspace(0, 1, _STEPS))
    # Outward from the core, all behind the first hair is hair.
    open_way = np.minimum.accumulate(_sampled(cv2.GaussianBlur(allowed, (0, 0), 0.8), where), axis=1)
    hidden = np.clip(0.6 - open_way, 0, 1)
    # Hair at the core hides the whole way: the seam then stays near, whatever it gains further out.
    cost += _HIDDEN * (hidden + hidden.cumsum(axis=1) / _STEPS)
    steps = _cheapest(cost)
    return steps, float(np.take_along_axis(rough, steps[:, None], 1).mean())


def _unstrained(strain: float) -> float:
    """How little a stand-in is distorted, in [0, 1]."""
    usual, most = _STRAINS
    return float(np.clip((most - strain) / (most - usual), 0, 1))


def _on_skin(clear: Field, path: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,): how much the photo shows skin, where it is clear (128, 128), beside each place of a path (K, 2)."""
    return _sampled(cv2.erode(clear, np.ones((5, 5), np.uint8)), path[:, None].astype(np.float32))[:, 0]


def _shown(core: NDArray[np.float64], visible: Field) -> float:
    """Share of the core in which the new face shows; what is hidden, and filled with skin, counts half as much again."""
    inside: NDArray[Any] = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillConvexPoly(inside, np.round(core).astype(np.int32), 1)
    # Landmarks may lie outside of the crop.
    return max(0.0, 1 - 1.5 * float(1 - visible[inside > 0].mean())) if inside.any() else 0.0


def _core(points: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convex hull (K, 2) of the features of both faces, and a margin."""
    inner = np.concatenate([points[17:], shape[17:]])
    middle = inner.mean(axis=0)
    away = inner - middle
    grown = inner + away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1.0) * _AROUND
    return _convex(grown)


def _convex(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float64)


def reach(hull: NDArray[np.float64], centre: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each ray (A, 2) from a centre inside a convex hull (K, 2) goes before it leaves it, (A,)."""
    start, edge = hull - centre, np.roll(hull, -1, axis=0) - hull
    cross = rays[:, None, 0] * edge[None, :, 1] - rays[:, None, 1] * edge[None, :, 0]
    safe = np.where(np.abs(cross) < 1e-9, 1e-9, cross)
    along = (start[None, :, 0] * edge[None, :, 1] - start[None, :, 1] * edge[None, :, 0]) / safe
    on = (start[None, :, 0] * rays[:, None, 1] - start[None, :, 1] * rays[:, None, 0]) / safe
    hit = (on >= -1e-6) & (on <= 1 + 1e-6) & (along > 0)
    return np.asarray(np.where(hit, along, 0).max(axis=1))


def _disagreement(new: Field, old: Field) -> Field:
    """(128, 128): how much a seam would show, whatever constant the colours are off by: gradients that differ, and edges."""
    # Summed so, the mean takes a tenth of numpy's time over an axis of three.
    a, b = (cv2.GaussianBlur((x[..., 0] + x[..., 1] + x[..., 2]) / 3, (0, 0), 1.0) for x in (new, old))
    off = [np.abs(cv2.Sobel(a - b, cv2.CV_32F, dx, 1 - dx, ksize=3)) for dx in (0, 1)]
    edges = [np.abs(cv2.Sobel(b, cv2.CV_32F, dx, 1 - dx, ksize=3)) for dx in (0, 1)]
    return np.asarray(cv2.GaussianBlur(0.25 * (off[0] + off[1]) + 0.15 * (edges[0] + edges[1]), (0, 0), 1.0), np.float32)


def _sampled(field: NDArray[Any], where: NDArray[np.float32]) -> NDArray[np.float64]:
    found = cv2.remap(np.asarray(field, np.float32), where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float64)


def _cheapest(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cheapest closed way (A,) through costs (A, S), at most one step inward or outward an angle."""
    # Two rounds: what is read from the second one no longer depends on where the first began.
    return cheapest_way(np.concatenate([cost, cost]), _STRAIGHT)[len(cost) :]


def _faded(path: NDArray[np.float64]) -> Field:
    # The fade lies inside: what is beyond the seam is the photo's alone.
    inside = cv2.erode(filled(path), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), _FADE), np.float32)


def membrane(new: Field, old: Field, seam: Seam) -> Field:
    """(128, 128, 3): what to add to a new face so that it meets the photo along a seam, and is smooth inside."""
    a, b = (cv2.GaussianBlur(x, (0, 0), 2.0) for x in (new, old))
    off = np.stack([_sampled(b[..., c] - a[..., c], seam.path[:, None].astype(np.float32))[:, 0] for c in range(3)], axis=1)
    on_skin = seam.on_skin > 0.5
    middle = median(off[on_skin] if on_skin.any() else off)
    off = _round(np.clip(off, middle - _MOST_OFF, middle + _MOST_OFF), seam.on_skin, middle)
    every = 2
    side = 32
    grid = np.stack(np.meshgrid(*[np.arange(side) * SIZE / side + (SIZE / side - 1) / 2] * 2), axis=-1).reshape(-1, 2)
    field = _mean_value(grid, seam.path[::every]) @ off[::every]
    return np.asarray(cv2.resize(field.reshape(side, side, 3).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.float32)


def _round(off: NDArray[np.float64], counts: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (K, 3) along a closed path, smoothed; where they count for little they are those beside them, or the usual ones (3,)."""
    n = len(off)
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / 3.0) ** 2)
    kernel /= kernel.sum()

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.convolve(np.concatenate([values[-9:], values, values[:9]]), kernel, "valid")[:n]

    total = smooth(counts) + _USUAL
    return np.stack([(smooth(off[:, c] * counts) + _USUAL * usual[c]) / total for c in range(off.shape[1])], axis=1)


def _mean_value(grid: NDArray[np.float64], path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean-value coordinates (G, K) of points (G, 2) within a closed path (K, 2); each row sums to 1."""
    # Points as complex numbers: the angle between two spokes is that of one times the other's mirror image.
    spokes = (path @ _COMPLEX)[None] - (grid @ _COMPLEX)[:, None]
    angle = np.angle(np.conj(spokes) * np.roll(spokes, -1, axis=1))
    half = np.tan(np.clip(angle / 2, -1.5, 1.5))
    weight = (half + np.roll(half, 1, axis=1)) / np.maximum(np.abs(spokes), 1e-6)
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(weight / np.where(np.abs(total) < 1e-9, 1e-9, total))
