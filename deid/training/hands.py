"""Hands drawn before a face."""

import numpy as np

from deid.training.scene import Points, Scene, capsule, goal_of, paint, skin_of, turned


def hand(scene: Scene, rng: np.random.Generator, goal: Points | None = None) -> None:
    """Fingers, the palm behind them, and an arm that leads out of the picture."""
    goal, skin, w = goal_of(scene, rng) if goal is None else goal, skin_of(scene, rng), scene.width
    thick, n = rng.uniform(0.05, 0.085) * w, int(rng.integers(1, 5))
    along = turned(-scene.outward, rng.normal(0, 0.7))
    beside = turned(along, np.pi / 2)
    long = thick * rng.uniform(1.5, 9)
    palm = goal - along * long + scene.outward * rng.uniform(0.05, 0.2) * w
    wrist = palm + scene.outward * rng.uniform(0.3, 0.55) * w
    far = wrist + turned(scene.outward, rng.normal(0, 0.4)) * 1.5 * w
    arm = rng.uniform(0.14, 0.22) * w
    cuff = wrist + (far - wrist) * rng.uniform(0, 0.3)
    capsule(scene, (wrist, far), (arm * 0.8, arm), skin, 0.02, rng)
    capsule(scene, (cuff, far), (arm * 1.1, arm * rng.uniform(1.1, 1.6)), paint(scene, rng), rng.uniform(0.02, 0.2), rng)
    capsule(scene, (palm, wrist), (max(thick * (0.6 + 0.5 * n), 0.1 * w), arm), skin, 0.02, rng)
    for i in rng.permutation(n):
        tip = goal + beside * (i - (n - 1) / 2) * thick * 2.1 + along * rng.normal(0, 0.5) * thick
        capsule(scene, (tip - along * long, palm), (1.25 * thick, 1.4 * thick), skin, 0.02, rng)
        _finger(scene, tip, along, (long, thick), skin, rng)
    if rng.random() < 0.5:
        side = beside * rng.choice([-1, 1])
        tip = palm + side * rng.uniform(0.2, 0.4) * w + along * rng.uniform(0, 0.4) * w
        _finger(scene, tip, turned(along, rng.normal(0, 0.5)), (float(np.linalg.norm(tip - palm)), 1.15 * thick), skin, rng, root=palm)


def _finger(
    scene: Scene, tip: Points, along: Points, size: tuple[float, float], skin: Points, rng: np.random.Generator, root: Points | None = None
) -> None:
    """A finger of this length and radius: two bones, bent, and a nail now and then."""
    long, thick = size
    along = turned(along, rng.normal(0, 0.12))
    joint = tip - along * long * rng.uniform(0.35, 0.6)
    root = joint - turned(along, rng.normal(0, 0.35)) * long * 0.6 if root is None else root
    own = skin * rng.uniform(0.92, 1.08)
    capsule(scene, (root, joint), (thick * 1.1, thick * 1.05), own, 0.02, rng)
    capsule(scene, (joint, tip), (thick * 1.05, thick * rng.uniform(0.75, 0.95)), own * rng.uniform(0.95, 1.08), 0.02, rng)
    if rng.random() < 0.4:
        pale = np.clip(own * rng.uniform(1.05, 1.3) + 0.03, 0, 1) if rng.random() < 0.85 else rng.uniform(0, 1, 3)
        capsule(scene, (tip - along * 0.5 * thick, tip + along * 0.3 * thick), (0.5 * thick, 0.45 * thick), pale, 0.0, rng)
