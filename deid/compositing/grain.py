"""Matching of a new face to the sharpness and grain of the photo."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.medians import median
from deid.core.remembered import remembered
from deid.core.temporal import steadied
from deid.core.types import Image, Steady
from deid.imaging.geometry import averaged, scaled
from deid.imaging.template import SIZE

Field = NDArray[np.float32]

#: Bands of detail: down to which sigma in pixels each reaches.
_SIGMAS = (0.8, 1.6, 3.2)
#: How far the detail of a band may be scaled; what is missing beyond is added as noise.
_SCALES = (0.35, 1.5)
#: Share of missing detail that is added as noise, per band: coarse noise is blotches.
_NOISE = (1.0, 0.7, 0.0)
#: What is still off after all bands, skin and features together, is scaled by this at least and at most.
_REST = (0.75, 1.4)
#: In the photo, border included, a new face has so much less fine detail than here.
_MORE = 1.08
#: Contrast: the same for what is coarser, by sigmas in pixels of 128, and how far lightness and colour are scaled. Studio light is softer
#: than a flash, and skin in it is more of one colour.
_COARSE, _CONTRAST, _COLOUR, _COLOUR_FROM = (1.6, 3.2, 6.4, 12.8), (0.9, 1.3), (0.95, 1.15), 2
#: Regions of fewer pixels say nothing.
_FEWEST = 50


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Where detail is compared.

    Args:
        skin: (n, n) bool, skin without features.
        features: (n, n) bool, brows, eyes, nose and mouth.
    """

    skin: NDArray[np.bool_]
    features: NDArray[np.bool_]

    @property
    def are_large(self) -> bool:
        return bool(min(self.skin.sum(), self.features.sum()) >= _FEWEST)


def match_grain(new: Field, old: Image, inside: Regions, around: Regions, steady: Steady | None = None) -> Field:
    """A new face (n, n, 3) with as much fine detail as the photo has.

    Args:
        new: the new face, in [0, 255].
        old: the photo at the same place and scale, uint8.
        inside: of the new face.
        around: of the photo.
        steady: in a video, what keeps sharpness from pumping.
    """
    if not (inside.are_large and around.are_large):
        return new
    bands = _bands(new)
    wanted = _detail(old, around.skin, around.features)
    own = _spreads([_grey(band) for band in bands], inside)
    own, wanted = steadied(steady, "own grain", own, 2.0), steadied(steady, "wanted grain", wanted, 2.0)
    out = new.copy()
    for band, have, want, grain, share in zip(bands, own, wanted, _noise(new.shape[0]), _NOISE, strict=True):
        # Eyes tell how sharp a photo is; its skin may be noise.
        gain = float(np.clip((want / np.maximum(have, 1e-3)).min(), *_SCALES))
        out += (gain - 1.0) * band
        missing = np.sqrt(max(want[0] ** 2 - (gain * have[0]) ** 2, 0.0))
        if share * missing > 0:
            out += cv2.merge([np.float32(share * missing) * grain] * 3)
    fine = _fine(out)
    out += (_left(fine, old, inside, around, steady) - 1.0) * fine
    return np.asarray(np.clip(out, 0, 255), np.float32)


def match_contrast(new: Field, old: Image, inside: Regions, around: Regions, steady: Steady | None = None) -> Field:
    """A new face (n, n, 3) with as much contrast as the photo's; arguments as for `match_grain`, at any scale."""
    if not (inside.are_large and around.are_large):
        return new
    small = averaged(new, SIZE)
    change = np.zeros_like(small)
    own, wanted = (_bands(image, _COARSE) for image in (small, averaged(old, SIZE)))
    for name, limits, first, part in (("contrast", _CONTRAST, 0, _lightness), ("colour", _COLOUR, _COLOUR_FROM, _colour)):
        bands = [part(band) for band in own[first:]]
        gains = _contrast([part(band) for band in wanted[first:]], around) / np.maximum(_contrast(bands, inside), 1e-3)
        gains = steadied(steady, name, np.clip(gains, *limits), 0.2)
        change += sum(((np.float32(gain) - 1) * band for gain, band in zip(gains, bands, strict=True)), np.zeros_like(small))
    return np.asarray(np.clip(new + scaled(change, new.shape[0]), 0, 255), np.float32)


def _grey(image: Field) -> Field:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _lightness(image: Field) -> Field:
    """The grey part of an image (n, n, 3)."""
    return np.asarray(cv2.merge([_grey(image)] * 3), np.float32)


def _colour(image: Field) -> Field:
    """What an image (n, n, 3) has beside its grey part."""
    return image - _lightness(image)


def _contrast(bands: Sequence[Field], face: Regions) -> NDArray[np.float64]:
    """(B,) spread of coarse bands (128, 128, 3) on a face."""
    where = cv2.resize((face.skin | face.features).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0
    return np.array([np.sqrt(np.square(band[where]).mean()) for band in bands])


@remembered(16)
def _detail(photo: Image, skin: NDArray[np.bool_], features: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(B, 2) spreads of a photo's bands, see `_spreads`: the same for each new face that is tried in it."""
    return _spreads(_bands(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)), Regions(skin, features))


def _left(fine: Field, old: Image, inside: Regions, around: Regions, steady: Steady | None) -> float:
    """How often the fine detail (n, n, 3) of a new face goes into that of the photo, skin and features together, within limits."""
    have, want = _spread(fine, inside), _photo_fine_detail(old, around.skin, around.features)[0]
    left = np.clip(np.array([_MORE * want / max(have, 1e-3)]), *_REST)
    return float(steadied(steady, "rest of grain", left, 0.3)[0])


@remembered(16)
def _photo_fine_detail(photo: Image, skin: NDArray[np.bool_], features: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(1,) the spread of a photo's fine detail."""
    return np.array([_spread(_fine(np.asarray(photo, np.float32)), Regions(skin, features))])


def _spread(detail: Field, where: Regions) -> float:
    """Spread of detail (n, n, 3), skin and features together."""
    return float(np.sqrt(np.square(_grey(detail)[where.skin | where.features]).mean()))


def _fine(image: Field) -> Field:
    return np.asarray(image - cv2.GaussianBlur(image, (0, 0), _SIGMAS[-2] * 1.5), np.float32)


@lru_cache(8)
def _noise(n: int) -> list[Field]:
    """Bands (n, n) of white noise, of spread 1 each. The same for all faces: noise reveals no identity."""
    bands = _bands(np.random.default_rng(0).standard_normal((n, n)).astype(np.float32))
    return [np.asarray(band / band.std(), np.float32) for band in bands]


def _bands(image: Field, sigmas: Sequence[float] = (0, *_SIGMAS)) -> list[Field]:
    """Detail of an image (n, n) or (n, n, C), finest first: between each sigma and the next."""
    levels: list[NDArray[Any]] = [cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image for sigma in sigmas]
    return [np.asarray(a - b, np.float32) for a, b in itertools.pairwise(levels)]


def _spreads(bands: Sequence[NDArray[Any]], where: Regions) -> NDArray[np.float64]:
    """(B, 2) spread of each band (n, n) on skin, by the median, for a wrinkle adds little to it, and on the features."""
    rows = [(1.48 * median(np.abs(b[where.skin])), np.sqrt(np.square(b[where.features]).mean())) for b in bands]
    return np.array(rows, np.float64)
