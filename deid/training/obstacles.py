"""Objects drawn before faces, with the pixels that they cover: lessons for the network that finds real ones."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.training.hands import hand
from deid.training.scene import Picture, Points, Scene, blob, capsule, flat, goal_of, middle_colour, noise, paint, polygon, texture, turned

Draw = Callable[[Scene, np.random.Generator], None]


@dataclass(frozen=True, slots=True, eq=False)
class Obstacle:
    """An object before a face.

    Args:
        picture: (H, W, 3) uint8 RGB with it.
        mask: (H, W) in [0, 1]: what it covers.
    """

    picture: NDArray[np.uint8]
    mask: Picture


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """A real object before a face.

    Args:
        picture: (H, W, 3) uint8 RGB, an aligned crop of that face.
        mask: (H, W) in [0, 1], where the object is.
        points: (68, 2) landmarks of the face in its pixels.
    """

    picture: NDArray[np.uint8]
    mask: Picture
    points: Points


def put_before(
    picture: NDArray[np.uint8], points: Points, other: NDArray[np.uint8], rng: np.random.Generator, cut_out: CutOut | None = None
) -> Obstacle:
    """Draw an object before a face.

    Args:
        picture: (H, W, 3) uint8 RGB, an aligned crop.
        points: (68, 2) its landmarks in its pixels.
        other: (H, W, 3) another one, whose textures are used.
        rng: what is drawn, and how.
        cut_out: what to put there, from an aligned crop of the same size; an object of any kind is drawn when None.
    """
    face = np.asarray(picture / 255, np.float32)
    turn = rng.normal(0, 0.9)
    outward = np.array([np.sin(turn), np.cos(turn)])
    light = np.array([rng.normal(0, 0.5), rng.normal(-0.4, 0.4), rng.uniform(0.5, 1.2)])
    nothing = np.zeros(face.shape[:2], np.float32)
    scene = Scene(face, points, np.asarray(other / 255, np.float32), face.copy(), nothing, light / np.linalg.norm(light), outward)
    if cut_out is None:
        kinds, shares = zip(*_KINDS, strict=True)
        kinds[int(rng.choice(len(kinds), p=shares))](scene, rng)
    else:
        _paste(scene, cut_out, rng)
    return _shown(scene, rng)


def _shown(scene: Scene, rng: np.random.Generator) -> Obstacle:
    """What was drawn, before the face: out of focus now and then, with its shadow on the face."""
    alpha = scene.alpha
    blur = rng.uniform(0.4, 1.2) if rng.random() < 0.7 else rng.uniform(1.2, 4)
    # Colours are blurred with what they cover, so that no face shines through a border.
    weight = np.minimum(cv2.GaussianBlur(alpha, (0, 0), blur), np.float32(1))
    colour = np.asarray(cv2.GaussianBlur(scene.colour * alpha[..., None], (0, 0), blur), np.float32) / np.maximum(weight, 1e-3)[..., None]
    moved = np.array([[1, 0, rng.normal(0, 5)], [0, 1, rng.normal(2, 5)]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(weight, moved, weight.shape[::-1]), (0, 0), rng.uniform(1.5, 9))
    behind = scene.face * (1 - rng.uniform(0, 0.55) * shadow[..., None])
    shown = behind + weight[..., None] * (np.clip(colour, 0, 1) - behind)
    return Obstacle((np.clip(shown, 0, 1) * 255).round().astype(np.uint8), weight)


def shadowed(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with a shadow on it, of which nothing is to be found."""
    h, w = picture.shape[:2]
    shape = np.zeros((h, w), np.float32)
    cv2.fillPoly(shape, [blob(rng.uniform(0, w, 2), rng.uniform(0.15, 0.6) * w, rng)], 1.0)
    soft = cv2.GaussianBlur(shape, (0, 0), float(np.exp(rng.uniform(np.log(1.0), np.log(20)))))
    tint = np.clip(rng.uniform(0.25, 0.9) + rng.normal(0, 0.04, 3), 0, 1)
    return np.asarray(np.clip(picture * (1 - soft[..., None] * (1 - tint)), 0, 255).round(), np.uint8)


def _paste(scene: Scene, cut_out: CutOut, rng: np.random.Generator) -> None:
    """A cut-out about where it was, in the colours of this face mostly."""
    h, w = scene.alpha.shape
    turn = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), rng.normal(0, 10), rng.uniform(0.8, 1.25)))
    turn[:, 2] = turn[:, 2] + rng.normal(0, 0.05, 2) * (w, h)
    # Beyond the crop's border an object goes on.
    mask, picture = (cv2.warpAffine(a, turn, (w, h), borderMode=cv2.BORDER_REPLICATE) for a in (cut_out.mask, cut_out.picture))
    light = rng.uniform(0.85, 1.2) * rng.uniform(0.95, 1.05, 3)
    if rng.random() < 0.7:
        own, its = middle_colour(scene.face, scene.points), middle_colour(cut_out.picture / 255, cut_out.points)
        light = light * np.clip(own / np.maximum(its, 0.02), 0.4, 2.5)
    scene.lay(np.asarray(picture / 255 * light, np.float32), np.asarray(mask, np.float32))


def _microphone(scene: Scene, rng: np.random.Generator) -> None:
    """A head of foam or wire on a stick, with a ring or a box below; held in a hand now and then."""
    for _ in range(1 if rng.random() < 0.75 else 2):
        _one_microphone(scene, goal_of(scene, rng), turned(scene.outward, rng.normal(0, 0.35)), rng)


def _one_microphone(scene: Scene, goal: Points, down: Points, rng: np.random.Generator) -> None:
    w = scene.width
    radius, long = rng.uniform(0.08, 0.22) * w, rng.uniform(0.0, 1.2)
    neck = goal + down * radius * (0.8 + long)
    stick = radius * rng.uniform(0.25, 0.75)
    body = paint(scene, rng) if rng.random() < 0.3 else np.full(3, rng.uniform(0.02, 0.3))
    capsule(scene, (neck, neck + down * 2 * w), (stick, stick * rng.uniform(0.6, 1)), body, 0.03, rng)
    if rng.random() < 0.3:
        _box(scene, neck + down * radius * rng.uniform(0.5, 2), down, radius * rng.uniform(0.8, 1.7), rng)
    capsule(
        scene, (goal, goal + down * radius * long), (radius, radius * rng.uniform(0.7, 1)), _foam(scene, rng), rng.uniform(0.02, 0.35), rng
    )
    if rng.random() < 0.4:
        _mesh(scene, goal, radius, rng)
    if rng.random() < 0.5:
        capsule(scene, (neck - down * 0.05 * w, neck), (stick * 1.3, stick * 1.3), paint(scene, rng), 0.02, rng)
    if rng.random() < 0.25:
        hand(scene, rng, goal + down * (radius * (2 + long) + rng.uniform(0.05, 0.4) * w))


def _foam(scene: Scene, rng: np.random.Generator) -> Points:
    """(3,): the colour of a microphone's head: mostly black or grey."""
    return np.full(3, rng.uniform(0.02, 0.25)) if rng.random() < 0.6 else paint(scene, rng)


def _mesh(scene: Scene, middle: Points, radius: float, rng: np.random.Generator) -> None:
    """Wires over a head, in two directions."""
    h, w = scene.alpha.shape
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    step, turn = rng.uniform(2.5, 7), rng.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    wires = np.maximum(np.cos(2 * np.pi * u / step), np.cos(2 * np.pi * v / step))
    inside = np.clip(radius - np.hypot(x - middle[0], y - middle[1]), 0, 1)
    scene.colour[...] = scene.colour * (1 + rng.uniform(0.1, 0.6) * (wires * inside)[..., None])


def _box(scene: Scene, middle: Points, down: Points, half: float, rng: np.random.Generator) -> None:
    """A box in a colour of a broadcaster's, with strokes of letters on it."""
    side = turned(down, np.pi / 2)
    corners = [
        middle + half * (i * side * rng.uniform(0.9, 1.1) + j * down * rng.uniform(0.6, 1.1))
        for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    colour, ink = paint(scene, rng), paint(scene, rng)
    polygon(scene, np.array(corners), colour, rng)
    for _ in range(int(rng.integers(0, 7))):
        start = middle + half * 0.8 * (rng.uniform(-1, 1) * side + rng.uniform(-0.6, 0.6) * down)
        end = start + half * rng.normal(0, 0.4, 2)
        capsule(scene, (start, end), (half * 0.09, half * 0.09), ink, 0.0, rng)


def _cup(scene: Scene, rng: np.random.Generator) -> None:
    """A cup, a glass or a bottle, in a hand mostly."""
    goal, w = goal_of(scene, rng), scene.width
    down = turned(scene.outward, rng.normal(0, 0.4))
    half, long = rng.uniform(0.08, 0.25) * w, rng.uniform(0.3, 0.8) * w
    colour = paint(scene, rng)
    capsule(scene, (goal, goal + down * long), (half, half * rng.uniform(0.6, 1)), colour, rng.uniform(0, 0.1), rng)
    if rng.random() < 0.6:
        capsule(scene, (goal, goal), (half * 0.9, half * 0.9), colour * rng.uniform(0.4, 1.2), 0.05, rng)
    if rng.random() < 0.7:
        hand(scene, rng, goal + down * long * rng.uniform(0.3, 0.9))
    else:
        capsule(scene, (goal + down * long, goal + down * 2 * w), (half, half), colour, 0.05, rng)


def _sheet(scene: Scene, rng: np.random.Generator) -> None:
    """Paper, a book, a card or a phone: four corners, with lines or a picture on it; in a hand now and then."""
    w, out, side = scene.width, turned(scene.outward, rng.normal(0, 0.4)), turned(scene.across, rng.normal(0, 0.4))
    near = goal_of(scene, rng)
    half, long = rng.uniform(0.1, 0.7) * w, rng.uniform(0.5, 1.5) * w
    corners = np.array([near - side * half, near + side * half, near + side * half + out * long, near - side * half + out * long])
    corners += rng.normal(0, 0.05 * w, (4, 2))
    if rng.random() < 0.3:
        mask = np.zeros(scene.alpha.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255, cv2.LINE_AA)
        flat(scene, np.asarray(mask / 255, np.float32), texture(scene, rng), rng)
    else:
        polygon(scene, corners, paint(scene, rng) if rng.random() < 0.5 else np.full(3, rng.uniform(0.6, 1)), rng)
    ink = rng.uniform(0, 0.6, 3)
    for i in range(int(rng.integers(0, 9)) if rng.random() < 0.5 else 0):
        start = near + side * half * rng.uniform(-0.8, -0.4) + out * (i + 1) * long / 10
        capsule(scene, (start, start + side * half * rng.uniform(0.8, 1.5)), (1.0, 1.0), ink, 0.0, rng)
    if rng.random() < 0.5:
        hand(scene, rng, near + side * half * rng.uniform(-1, 1) + out * long * rng.uniform(0.1, 0.6))


def _rod(scene: Scene, rng: np.random.Generator) -> None:
    """A cigarette, a straw, a flute, the boom of a headset: thin, from outside the face to the mouth or across it."""
    goal, w, colour = goal_of(scene, rng), scene.width, paint(scene, rng)
    thick = rng.uniform(0.012, 0.05) * w
    away = turned(scene.outward, rng.normal(0, 0.5))
    start = goal - away * (rng.uniform(0.3, 1) * w if rng.random() < 0.2 else 0.0)
    capsule(scene, (start, goal + away * 2 * w), (thick, thick * rng.uniform(0.8, 1.5)), colour, 0.03, rng)
    if rng.random() < 0.4:
        capsule(scene, (goal, goal), (thick * rng.uniform(1.5, 4),) * 2, _foam(scene, rng), 0.1, rng)
    if rng.random() < 0.4:
        hand(scene, rng, goal + away * rng.uniform(0.1, 0.4) * w)


def _patch(scene: Scene, rng: np.random.Generator) -> None:
    """Anything: a ball, a flower, an animal, a shoulder, somebody's head: a texture with an outline, from outside the face."""
    goal, w = goal_of(scene, rng), scene.width
    mask: Picture = np.zeros(scene.alpha.shape, np.float32)
    radius = rng.uniform(0.12, 0.6) * w
    middle = goal + scene.outward * radius * rng.uniform(0.3, 1.0)
    cv2.fillPoly(mask, [blob(middle, radius, rng)], 1.0, cv2.LINE_AA)
    if rng.random() < 0.7:
        # It leads outward.
        beyond = np.zeros_like(mask)
        ends = [middle - scene.across * radius * rng.uniform(0.3, 1), middle + scene.across * radius * rng.uniform(0.3, 1)]
        ends += [end + scene.outward * 3 * w for end in ends[::-1]]
        cv2.fillPoly(beyond, [np.round(np.array(ends)).astype(np.int32)], 1.0, cv2.LINE_AA)
        mask = np.maximum(mask, beyond)
    colour = texture(scene, rng)
    if rng.random() < 0.4:
        body, rough = paint(scene, rng), rng.uniform(0.02, 0.35)
        colour = np.asarray(body * (1 + rough * noise(scene.alpha.shape, rng.uniform(2, 40), rng)[..., None]), np.float32)
    flat(scene, mask, colour, rng)
    if rng.random() < 0.4:
        # Round: darker towards its border.
        deep = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        edge = np.clip(1 - deep / (rng.uniform(0.05, 0.2) * w), 0, 1)
        scene.colour[...] = scene.colour * (1 - rng.uniform(0.1, 0.6) * (edge * mask)[..., None])


_KINDS: tuple[tuple[Draw, float], ...] = ((hand, 0.36), (_microphone, 0.26), (_patch, 0.18), (_sheet, 0.08), (_cup, 0.07), (_rod, 0.05))
