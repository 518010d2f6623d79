"""Glasses drawn on faces, with the pixels that they cover: lessons for the network that finds real ones."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Points = NDArray[np.float64]

#: Drawn so many times larger, and shrunk: lines are smooth and may be thinner than a pixel.
_FINER = 3
#: Frames as RGB in [0, 1], and how often each is drawn: black, brown, grey, gold, silver, colours, clear.
_COLOURS: tuple[tuple[tuple[float, float, float], float], ...] = (
    ((0.05, 0.05, 0.06), 0.38),
    ((0.22, 0.13, 0.08), 0.18),
    ((0.35, 0.35, 0.37), 0.12),
    ((0.68, 0.54, 0.30), 0.10),
    ((0.75, 0.76, 0.78), 0.08),
    ((0.45, 0.08, 0.12), 0.05),
    ((0.08, 0.15, 0.40), 0.05),
    ((0.85, 0.80, 0.76), 0.04),
)
_KINDS = (("full", 0.58), ("half", 0.13), ("rimless", 0.11), ("browline", 0.08), ("sun", 0.10))


@dataclass(frozen=True, slots=True, eq=False)
class Spectacles:
    """A pair of glasses on a face.

    Args:
        picture: (H, W, 3) uint8 RGB with it.
        frame: (H, W) in [0, 1]: rims, bridge and arms.
        lenses: (H, W) in [0, 1]: what lies behind the lenses.
    """

    picture: NDArray[np.uint8]
    frame: Picture
    lenses: Picture


@dataclass(frozen=True, slots=True, eq=False)
class _Lens:
    """One lens: its outline (N, 2), centre, half its width and height, and which way is outward (-1 or 1)."""

    outline: Points
    centre: Points
    half: Points
    outward: int


def put_on(picture: NDArray[np.uint8], points: Points, rng: np.random.Generator) -> Spectacles:
    """Draw glasses of any kind on a face (H, W, 3) with landmarks (68, 2) in its pixels."""
    kind, size = _drawn(_KINDS, rng), (picture.shape[1], picture.shape[0])
    frame, inside = (np.asarray(cv2.resize(m, size, interpolation=cv2.INTER_AREA), np.float32) for m in _shapes(size, points, kind, rng))
    inside = np.asarray(np.clip(inside - frame, 0, 1), np.float32)
    shown = _shadowed(np.asarray(picture / 255, np.float32), frame, rng)
    shown = _reflecting(_tinted(shown, inside, kind, rng), inside, kind, rng)
    shown = _framed(shown, frame, rng)
    return Spectacles((np.clip(shown, 0, 1) * 255).round().astype(np.uint8), frame, inside)


def _shapes(size: tuple[int, int], points: Points, kind: str, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Frame and insides of the lenses for a picture (w, h), at the finer scale."""
    frame, inside = (np.zeros((size[1] * _FINER, size[0] * _FINER), np.float32) for _ in range(2))
    own = (points + 0.5) * _FINER
    lenses, axes = _lenses(own, rng)
    thick = rng.uniform(0.035, 0.095) if rng.random() < 0.5 else rng.uniform(0.012, 0.035)
    width = thick * float(np.linalg.norm(own[42:48].mean(axis=0) - own[36:42].mean(axis=0)))
    for lens in lenses:
        _fill(inside, lens.outline)
        _rim(frame, lens, kind, width, rng)
    _bridge(frame, lenses, width, axes, rng)
    _arms(frame, lenses, own, width, axes, rng)
    return frame, inside


def _drawn(table: tuple[tuple[Any, float], ...], rng: np.random.Generator) -> Any:
    weights = np.array([weight for _, weight in table])
    return table[int(rng.choice(len(table), p=weights / weights.sum()))][0]


def _lenses(points: Points, rng: np.random.Generator) -> tuple[list[_Lens], Points]:
    """Both lenses, and the axes (2, 2) of the face: across, from its right eye to its left, and down."""
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    across = (eyes[1] - eyes[0]) / apart
    axes = np.stack([across, [-across[1], across[0]]])
    half = apart * rng.uniform(0.33, 0.5) * np.array([1.0, rng.uniform(0.5, 0.98)])
    shift = apart * np.array([rng.uniform(-0.02, 0.1), rng.uniform(-0.04, 0.16)])
    form = (rng.uniform(2, 6), rng.uniform(-0.05, 0.3), rng.uniform(-0.2, 0.1))
    # A turned head shows the far lens narrower.
    nose = float((points[27] - eyes.mean(axis=0)) @ across) / apart
    made = []
    for eye, outward in zip(eyes, (-1, 1), strict=True):
        narrow = np.array([np.clip(1 - 1.3 * outward * nose, 0.5, 1.15), 1.0])
        centre = eye + (shift * narrow * (outward, 1)) @ axes
        outline = centre + (_outline(*form, outward) * half * narrow) @ axes
        made.append(_Lens(outline, centre, half * narrow, outward))
    return made, axes


def _outline(power: float, taper: float, lean: float, outward: int) -> Points:
    """(64, 2): a rounded box of half a side 1, narrower below by ``taper`` and leaning outward by ``lean``."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    x, y = (np.sign(f) * np.abs(f) ** (2 / power) for f in (np.cos(angle), np.sin(angle)))
    return np.stack([x * (1 - taper * (y + 1) / 2) - lean * outward * y, y - 0.25 * lean * outward * x], axis=1)


def _fill(mask: Picture, outline: Points) -> None:
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1.0)


def _line(mask: Picture, way: Points, width: float, closed: bool = False) -> None:
    cv2.polylines(mask, [np.round(way).astype(np.int32)], closed, 1.0, max(1, round(width)))


def _rim(frame: Picture, lens: _Lens, kind: str, width: float, rng: np.random.Generator) -> None:
    """The rim of a lens: all around, above only, thicker above, or none."""
    above = lens.outline[(lens.outline - lens.centre)[:, 1] < lens.half[1] * rng.uniform(-0.1, 0.35)]
    above = above[np.argsort(above[:, 0])]
    if kind == "rimless":
        return
    if kind in ("full", "sun", "browline"):
        _line(frame, lens.outline, width if kind != "browline" else max(2.0, 0.35 * width), closed=True)
    if kind in ("half", "browline") or rng.random() < 0.3:
        _line(frame, above, width * rng.uniform(1.0, 1.9))


def _bridge(frame: Picture, lenses: list[_Lens], width: float, axes: Points, rng: np.random.Generator) -> None:
    right, left = (lens.centre - axes[0] * lens.outward * lens.half[0] * 0.95 for lens in lenses)
    high = lenses[0].half[1] * rng.uniform(-0.1, 0.6)
    start, end = right - axes[1] * high, left - axes[1] * high
    top = (start + end) / 2 - axes[1] * lenses[0].half[1] * rng.uniform(0.0, 0.35)
    t = np.linspace(0, 1, 12)[:, None]
    _line(frame, (1 - t) ** 2 * start + 2 * t * (1 - t) * top + t**2 * end, width * rng.uniform(0.8, 2.0))


def _arms(frame: Picture, lenses: list[_Lens], points: Points, width: float, axes: Points, rng: np.random.Generator) -> None:
    """From the outer edge of each lens to the ear, or to where hair or the turn of the head hides the arm."""
    apart = np.linalg.norm(lenses[1].centre - lenses[0].centre)
    high, thick, end = rng.uniform(0.05, 0.85), width * rng.uniform(0.7, 1.6), rng.uniform(-0.1, 0.12)
    for lens, ear in zip(lenses, (points[0], points[16]), strict=True):
        hinge = lens.centre + axes[0] * lens.outward * lens.half[0] * 0.97 - axes[1] * lens.half[1] * high
        far = (ear - hinge) @ axes[0] * lens.outward
        if far < 0.04 * apart:
            continue
        goal = ear + axes[0] * lens.outward * end * apart
        goal += axes[1] * ((hinge - goal) @ axes[1]) * rng.uniform(0.2, 1.0)
        shown = 1.0 if rng.random() < 0.6 else rng.uniform(0.15, 0.9)
        _line(frame, np.stack([hinge, hinge + (goal - hinge) * shown]), max(thick, 1.0))
        # The hinge itself is a block.
        _line(frame, np.stack([hinge, hinge + axes[0] * lens.outward * 0.05 * apart]), thick * rng.uniform(1.0, 1.8))


def _shadowed(picture: Picture, frame: Picture, rng: np.random.Generator) -> Picture:
    """A picture with the shadow of the frame on the skin."""
    moved = np.array([[1, 0, rng.uniform(-3, 3)], [0, 1, rng.uniform(0, 6)]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(frame, moved, frame.shape[::-1]), (0, 0), rng.uniform(0.8, 4))
    return np.asarray(picture * (1 - rng.uniform(0, 0.5) * shadow[..., None]), np.float32)


def _tinted(picture: Picture, inside: Picture, kind: str, rng: np.random.Generator) -> Picture:
    """A picture with what lies behind the lenses in their colour."""
    tint = rng.uniform(0, 0.35, 3) if kind == "sun" else rng.uniform(0.3, 1.0, 3)
    share = rng.uniform(0.55, 0.98) if kind == "sun" else rng.uniform(0, 0.12)
    alpha = (inside * share * np.linspace(1, rng.uniform(0.4, 1), len(inside))[:, None])[..., None]
    return np.asarray(picture * (1 - alpha) + tint * alpha, np.float32)


def _reflecting(picture: Picture, inside: Picture, kind: str, rng: np.random.Generator) -> Picture:
    """A picture with gleams on the lenses, and their edges where nothing else holds them."""
    h, w = inside.shape
    if rng.random() < 0.4:
        gleam = np.zeros((h, w), np.float32)
        for _ in range(int(rng.integers(1, 5))):
            middle = rng.uniform((0.2 * w, 0.25 * h), (0.8 * w, 0.75 * h))
            _fill(gleam, middle + rng.normal(0, w * rng.uniform(0.01, 0.06), (4, 2)))
        gleam = np.asarray(cv2.GaussianBlur(gleam, (0, 0), rng.uniform(0.5, 4)) * inside * rng.uniform(0.2, 0.9), np.float32)
        picture = np.asarray(picture + (rng.uniform(0.7, 1.0) - picture) * gleam[..., None], np.float32)
    if kind == "rimless":
        edge = inside - cv2.erode(inside, np.ones((3, 3), np.uint8))
        picture = np.asarray(picture + rng.uniform(-0.15, 0.2) * edge[..., None], np.float32)
    return picture


def _framed(picture: Picture, frame: Picture, rng: np.random.Generator) -> Picture:
    """A picture with the frame itself, in the light of the face behind it."""
    h, w = frame.shape
    colour = np.asarray(_drawn(_COLOURS, rng)) * rng.uniform(0.7, 1.3) + rng.normal(0, 0.02, 3)
    # Spotted as horn is, and with gleams where it turns to the light.
    coarse = cv2.resize(rng.normal(0, 1, (h // 8, w // 8)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    spots = rng.uniform(0.1, 0.45) if rng.random() < 0.25 else 0.04
    gleams = np.clip(cv2.GaussianBlur(rng.normal(0, 1, (h, w)).astype(np.float32), (0, 0), rng.uniform(2, 6)) * 12 - 0.6, 0, 1)
    light = float(np.clip(picture.mean() / 0.45, 0.4, 1.6))
    body = colour * light * (1 + spots * coarse[..., None]) + (gleams * rng.uniform(0, 0.5))[..., None]
    alpha = frame[..., None] * (rng.uniform(0.35, 0.7) if rng.random() < 0.08 else 1.0)
    return np.asarray(picture * (1 - alpha) + np.clip(body, 0, 1) * alpha, np.float32)
