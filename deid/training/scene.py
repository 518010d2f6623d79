"""Where objects are drawn before a face, and the bodies and surfaces that they are made of."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Points = NDArray[np.float64]

#: How far around a capsule its contact shadow reaches, in shares of its radius.
_CONTACT = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is drawn on.

    Args:
        face: (H, W, 3) in [0, 1].
        points: (68, 2) landmarks in its pixels.
        other: (H, W, 3) in [0, 1], another photo, whose textures are used.
        colour: (H, W, 3), what was drawn so far.
        alpha: (H, W), where.
        light: (3,) towards the light: right, down, to the viewer.
        outward: (2,) where the object comes from.
    """

    face: Picture
    points: Points
    other: Picture
    colour: Picture
    alpha: Picture
    light: Points
    outward: Points

    @property
    def width(self) -> float:
        """Of the face, in pixels."""
        return float(np.linalg.norm(self.points[16] - self.points[0]))

    @property
    def across(self) -> Points:
        """(2,) at a right angle to ``outward``."""
        return np.array([-self.outward[1], self.outward[0]])

    def lay(self, colour: Picture, alpha: Picture, where: tuple[slice, slice] = np.s_[:, :]) -> None:
        """Lay a colour (h, w, 3) over what was drawn, as much as ``alpha`` (h, w) says."""
        part = self.colour[where]
        part += alpha[..., None] * (colour - part)
        self.alpha[where] = np.maximum(self.alpha[where], alpha)


def goal_of(scene: Scene, rng: np.random.Generator) -> Points:
    """Where an object ends: about the mouth, the chin, a cheek, the nose, seldom an eye."""
    p = scene.points
    places = (p[48:68].mean(axis=0), p[8], (p[30] + p[4]) / 2, (p[30] + p[12]) / 2, p[30], p[5], p[11], p[36:42].mean(axis=0), p[45])
    shares = np.array([0.25, 0.25, 0.08, 0.08, 0.08, 0.1, 0.1, 0.03, 0.03])
    return np.asarray(places[int(rng.choice(len(places), p=shares))] + rng.normal(0, 0.06 * scene.width, 2), np.float64)


def turned(direction: Points, angle: float) -> Points:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([c * direction[0] - s * direction[1], s * direction[0] + c * direction[1]])


def paint(scene: Scene, rng: np.random.Generator) -> Points:
    """(3,): the colour of something: black, grey, white, strong, or one of the other photo."""
    lit = float(np.clip(scene.face.mean() / 0.45, 0.4, 1.6)) * rng.uniform(0.7, 1.2)
    draw = rng.random()
    if draw < 0.4:
        return np.clip(rng.uniform(0.02, 0.3) + rng.normal(0, 0.015, 3), 0, 1) * lit
    if draw < 0.65:
        return np.clip(rng.uniform(0.3, 1.0) + rng.normal(0, 0.02, 3), 0, 1) * lit
    if draw < 0.85:
        return rng.uniform(0.02, 0.95, 3) * lit
    return np.asarray(scene.other[tuple(rng.integers(0, scene.other.shape[0], 2))], np.float64)


def skin_of(scene: Scene, rng: np.random.Generator) -> Points:
    """(3,): the colour of a hand: mostly the face's own, or somebody else's, or a glove's."""
    draw = rng.random()
    if draw < 0.1:
        return paint(scene, rng)
    photo = scene.face if draw < 0.75 else scene.other
    x, y = (scene.points[30] + rng.normal(0, 0.12 * scene.width, 2)).astype(int).clip(4, len(photo) - 5)
    own = np.median(photo[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3), axis=0)
    return np.asarray(own * rng.uniform(0.85, 1.35) * rng.uniform(0.93, 1.07, 3), np.float64)


def middle_colour(face: NDArray[Any], points: Points) -> Points:
    """(3,): the colour about the nose of a face (H, W, 3)."""
    x, y = points[30].round().astype(int).clip(12, len(face) - 13)
    return np.asarray(np.median(face[y - 12 : y + 13, x - 12 : x + 13].reshape(-1, 3), axis=0), np.float64)


def noise(shape: tuple[int, ...], cell: float, rng: np.random.Generator) -> Picture:
    """(h, w) smooth noise of spread about 1, of so many pixels a spot."""
    small = (max(2, round(shape[1] / cell)), max(2, round(shape[0] / cell)))
    return np.asarray(
        cv2.resize(rng.standard_normal(small[::-1]).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32
    )


def capsule(
    scene: Scene, ends: tuple[Points, Points], radii: tuple[float, float], colour: Points, rough: float, rng: np.random.Generator
) -> None:
    """A round body from one end to the other, lit, with a contact shadow on what lies under it, ``rough`` as its texture is."""
    (a, b), (ra, rb) = ends, radii
    around = max(ra, rb) * (1 + _CONTACT) + 2
    low = np.floor(np.minimum(a, b) - around).astype(int).clip(0, len(scene.face))
    high = np.ceil(np.maximum(a, b) + around).astype(int).clip(0, len(scene.face))
    if (high - low).min() < 2:
        return
    x, y = np.meshgrid(np.arange(low[0], high[0], dtype=np.float32), np.arange(low[1], high[1], dtype=np.float32))
    span = b - a
    t = np.clip(((x - a[0]) * span[0] + (y - a[1]) * span[1]) / max(float(span @ span), 1e-6), 0, 1)
    r = np.asarray(ra + (rb - ra) * t, np.float32)
    nx, ny = (x - a[0] - t * span[0]) / r, (y - a[1] - t * span[1]) / r
    off = np.sqrt(nx * nx + ny * ny)
    where = np.s_[low[1] : high[1], low[0] : high[0]]
    dark = rng.uniform(0.1, 0.5) * np.clip((1 + _CONTACT - off) / _CONTACT, 0, 1)
    scene.colour[where] *= (1 - dark * scene.alpha[where])[..., None]
    nz = np.sqrt(np.clip(1 - off * off, 0, 1))
    lit = np.clip(nx * scene.light[0] + ny * scene.light[1] + nz * scene.light[2], 0, 1)
    ambient = rng.uniform(0.45, 0.85)
    shade = (ambient + (1 - ambient) * lit) * (1 + rough * noise(off.shape, rng.uniform(1.5, 4), rng))
    scene.lay(np.asarray(shade[..., None] * colour, np.float32), np.asarray(np.clip((1 - off) * r + 0.5, 0, 1), np.float32), where)


def polygon(scene: Scene, corners: Points, colour: Points, rng: np.random.Generator) -> None:
    """A flat face of a body, darker to one side."""
    mask = np.zeros(scene.alpha.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    flat(scene, np.asarray(mask / 255, np.float32), np.asarray(np.broadcast_to(colour, scene.face.shape), np.float32), rng)


def flat(scene: Scene, mask: Picture, colour: Picture, rng: np.random.Generator) -> None:
    """Something flat of these colours (H, W, 3) where ``mask`` (H, W) is, brighter to one side."""
    h, w = mask.shape
    turn, much = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    ramp = np.linspace(-1, 1, w)[None] * np.cos(turn) + np.linspace(-1, 1, h)[:, None] * np.sin(turn)
    scene.lay(np.asarray(colour * (1 + much * ramp[..., None]), np.float32), mask)


def texture(scene: Scene, rng: np.random.Generator) -> Picture:
    """(H, W, 3): the other photo, turned, scaled and in another light."""
    h, w = scene.alpha.shape
    turn = np.asarray(
        cv2.getRotationMatrix2D((float(rng.uniform(0, w)), float(rng.uniform(0, h))), rng.uniform(0, 360), rng.uniform(0.7, 3))
    )
    turn[:, 2] = turn[:, 2] + rng.normal(0, 0.3 * w, 2)
    shown = cv2.warpAffine(scene.other, turn, (w, h), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(shown * rng.uniform(0.5, 1.3) * rng.uniform(0.85, 1.15, 3), np.float32)


def blob(middle: Points, radius: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """(64, 1, 2): an outline that is round, or has so many bays."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    reach, rough = np.ones(64), rng.uniform(0, 0.16)
    for k in range(2, 9):
        reach += rough * rng.normal() / np.sqrt(k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    stretch = np.array([1.0, rng.uniform(0.5, 1.0)])
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None] * radius * stretch
    turn = rng.uniform(0, np.pi)
    around = around @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(np.round(middle + around)[:, None], np.int32)
