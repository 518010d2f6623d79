"""Samples of more than 8 bits: conversion for detectors, and back.

A camera's 12 bits in a file of 16, one hot pixel, or a scene with the sun in it leave a face in a few dark levels of a plain
division by 256. So the curve to 8 bits follows what the picture holds, and where one curve hides much there is a second look.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: Levels that a picture's few brightest and darkest samples may lie beyond, as a share of all.
_OUTLIERS = 0.001
#: Least entropy of an 8-bit histogram, in bits. With less, much is hidden in few levels, and the picture is searched twice.
_LEAST_BITS = 6.0
#: Number of samples from which the curves are chosen.
_ENOUGH = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Tones:
    """A curve from 16-bit samples to 8 bits, and back.

    Args:
        view: (65536,) uint8 level of each sample; it never falls.
        back: (256,) uint16 sample of each level.
    """

    view: NDArray[np.uint8]
    back: NDArray[np.uint16]


def usual(samples: NDArray[np.uint16]) -> Tones:
    """The straight curve over what the picture holds, but for a few outliers."""
    some = np.sort(_some(samples))
    low, high = int(some[0]), int(some[-1])
    inner = some[int(_OUTLIERS * (len(some) - 1))], some[int(np.ceil((1 - _OUTLIERS) * (len(some) - 1)))]
    if high - low > 1.25 * (int(inner[1]) - int(inner[0])):
        low, high = int(inner[0]), int(inner[1])
    # Black stays black where the picture comes near it.
    low = 0 if low < high / 8 else low
    span = max(high - low, 1)
    view = np.clip(np.rint((np.arange(65536) - low) * 255 / span), 0, 255)
    return Tones(view.astype(np.uint8), np.rint(low + np.arange(256) * span / 255).astype(np.uint16))


def further(samples: NDArray[np.uint16], tones: Tones) -> Tones | None:
    """A curve that gives each level as many pixels, where the usual one leaves most of them in few levels; else None."""
    some = _some(samples)
    counts = np.bincount(tones.view[some], minlength=256) / len(some)
    bits = -float((counts[counts > 0] * np.log2(counts[counts > 0])).sum())
    if bits >= _LEAST_BITS or len(np.unique(some)) < 4 * np.count_nonzero(counts):
        return None
    ranks = np.cumsum(np.bincount(some, minlength=65536)) / len(some)
    view = np.rint(ranks * 255).astype(np.uint8)
    return Tones(view, np.searchsorted(ranks, np.arange(256) / 255).clip(some.min(), some.max()).astype(np.uint16))


def _some(samples: NDArray[np.uint16]) -> NDArray[np.uint16]:
    flat = samples.reshape(-1)
    return flat[:: -(-flat.size // _ENOUGH)]


def seen(samples: NDArray[np.uint16], tones: Tones) -> NDArray[np.uint8]:
    """Samples (H, W) or (H, W, 3) as (H, W, 3) uint8, with a trace of one level that any cover wipes out.

    An editor that leaves a pixel's 8 bits as they are, as a blur does on a plain wall, has covered it none the less, and its 16 bits
    must go. Only pixels that nobody touched still carry the trace, see `touched`.
    """
    levels = tones.view[samples]
    rgb = np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
    trace = np.random.default_rng(0).integers(0, 2, (*rgb.shape[:2], 2), np.uint8) * 2
    rgb = np.clip(rgb, 1, 254)
    rgb[..., ::2] += trace - 1
    return np.ascontiguousarray(rgb)


def touched(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W): where an editor was at work on an image of `seen`."""
    changed = (before != after).any(axis=2).astype(np.uint8)
    # Here and there a cover gives a pixel its trace by chance.
    return np.asarray(cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), bool)
