"""Portraits of nobody, each made of the portraits of four real people: the eyes of one, the nose of another, the mouth of the third and the
skin of the fourth, in the mean of their shapes and light.

The mean of a few people in one shape is k-Same after alignment, see `deid.editing.portraits`; the parts keep it sharp.

P. Burt, E. Adelson, "A Multiresolution Spline With Application to Image Mosaics", ACM Transactions on Graphics 1983.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.compositing.blend import outline, shrunk
from deid.core.options import Options
from deid.core.protocols import Embedder
from deid.core.types import Image
from deid.editing.light import coarse_light, light_of
from deid.editing.looks import Looks
from deid.editing.portrait_bank import encoded
from deid.editing.portraits import SIDE, Portraits
from deid.editing.stand_in import shown_of, warped
from deid.editing.thin_plate import maps_to
from deid.imaging import atomic
from deid.imaging.geometry import scaled
from deid.imaging.template import SIZE
from deid.recognition import build_embedder
from deid.recognition.linear import PortraitReader

#: People in a composite, and how many are tried for each that is wanted.
PEOPLE, _TRIES = 4, 60
#: The mean of four shapes is an average face; so much farther from that it is as special as a person's.
_SPECIAL = 1.4
#: Bands of detail, from the first sigma to the second (pixels of 128), and how softly parts meet in each; what is coarser is the mean.
_BANDS = ((0.0, 1.5, 1.5), (1.5, 3.0, 3.0), (3.0, 6.0, 4.5))
#: What lies farther outside the face than this, in pixels of 128, is blurred: hair and ears are somebody's.
_RIM, _BLUR = 5, 7.0
#: Partners are drawn from so many that suit a portrait best; they are other people by dlib's network. A difference of skin (Lab, 0 to 255)
#: counts so much more than in `Portraits.mismatch`, for here no photo gives the colour.
_PARTNERS, _OTHER, _SKIN = 12, 0.42, 1 / 6
#: A composite lies at least so many thresholds of each recogniser from the people whose parts it has, and from all others: among real
#: portraits of one gender, the nearest other person is as near as that.
_FAR, _FAR_FROM_OTHERS = 1.0, 0.95

Field = NDArray[np.float32]


def composites(bank: Portraits, embedders: Sequence[Embedder], n: int, rng: np.random.Generator) -> Iterator[Image]:
    """Composites that no recogniser takes for any of the people in a bank.

    Args:
        bank: portraits of real people.
        embedders: the recognisers.
        n: how many to make; many lie too near to somebody, and more are tried.
        rng: where the randomness comes from.

    Yields:
        (384, 384, 3) uint8 RGB, aligned; fewer than ``n`` where too few of `_TRIES` times ``n`` are far enough.
    """
    known = [_embedded(embedder, [bank.picture(i) for i in range(bank.n_pictures)]) for embedder in embedders]
    made = 0
    for number in itertools.islice(_in_turns(bank.n_pictures, rng), _TRIES * n):
        numbers = partners(bank, number, rng)
        if len(numbers) < PEOPLE:
            continue
        small, own = composite(bank, numbers, SIZE), [i % bank.n_pictures for i in numbers]
        if all(_is_nobody(e, small, rows, own) for e, rows in zip(embedders, known, strict=True)):
            yield composite(bank, numbers)
            made += 1
            if made == n:
                return


def write(bank: Path, out: Path, n: int, seed: int) -> int:
    """Write up to ``n`` composites of the portraits in a bank's file into a new folder, and say how many there are.

    Raises:
        WeightsError: the file cannot be read or is no bank.
        DeidError: the folder or a file in it cannot be written.
    """
    portraits = Portraits(weights.read_bank(bank), PortraitReader())
    embedders = [build_embedder(name, "cpu") for name in Options().embedders]
    made = 0
    for picture in composites(portraits, embedders, n, np.random.default_rng(seed)):
        out.mkdir(parents=True, exist_ok=True)
        atomic.write(encoded(picture), out / f"{made:04d}.webp")
        made += 1
    return made


def _in_turns(n: int, rng: np.random.Generator) -> Iterator[int]:
    """Every number below ``n`` in random order, again and again."""
    while True:
        yield from (int(i) for i in rng.permutation(n))


def partners(bank: Portraits, number: int, rng: np.random.Generator) -> list[int]:
    """A portrait and others that suit it, of other people, in random order; fewer than `PEOPLE` where too few suit."""
    chosen = [number]
    off = bank.mismatch(_looks(bank, number)) + _SKIN * np.abs(bank.skin - bank.skin[number]).sum(axis=1)
    while len(chosen) < PEOPLE:
        for i in chosen:
            off[np.linalg.norm(bank.embedding - bank.embedding[i], axis=1) < _OTHER] = np.inf
        best = np.argsort(off, kind="stable")[:_PARTNERS]
        best = best[np.isfinite(off[best])]
        if not len(best):
            break
        chosen.append(int(rng.choice(best)))
    return [int(i) for i in rng.permutation(chosen)]


def composite(bank: Portraits, numbers: Sequence[int], side: int = SIDE) -> Image:
    """One face of four portraits: (side, side, 3) uint8 RGB, aligned.

    Args:
        bank: where they are.
        numbers: who gives brows and eyes, who the nose, who mouth and chin, and who the rest.
        side: a multiple of 128.
    """
    usual = bank.points[bank.male == bank.male[numbers[0]]].mean(axis=0)
    shape = usual + _SPECIAL * (bank.points[list(numbers)].mean(axis=0) - usual)
    maps = maps_to(shape, *(bank.points[i] for i in numbers))
    small = [warped(bank.picture(i), m, SIZE) for i, m in zip(numbers, maps, strict=True)]
    shown = [shown_of(bank.points[i], shrunk(bank.picture(i)), m) for i, m in zip(numbers, maps, strict=True)]
    here, everywhere = _mean(small), np.minimum.reduce(shown)
    own = coarse_light(here, everywhere)
    lights = [light_of(picture, where, own) for picture, where in zip(small, shown, strict=True)]
    lit = [light.on(warped(bank.picture(i), m, side)) for light, i, m in zip(lights, numbers, maps, strict=True)]
    face = _mean([_blurred(x, _BANDS[-1][1]) for x in lit])
    for fine, rough, soft in _BANDS:
        for picture, part in zip(lit, _parts(shape, soft), strict=True):
            face += (_blurred(picture, fine) - _blurred(picture, rough)) * scaled(part, side)[..., None]
    face += scaled(_outside(shape), side)[..., None] * (_blurred(face, _BLUR) - face)
    return np.asarray(np.clip(face, 0, 255).round(), np.uint8)


def _parts(shape: NDArray[np.float64], soft: float) -> list[Field]:
    """How much (128, 128) of each person shows: brows and eyes, nose, mouth and chin, the rest; they sum to 1."""
    jaw = shape[3:14]
    eyes = np.concatenate([shape[17:27] - np.array([0, 2]), shape[36:48] + np.array([0, 4])])
    nose = np.concatenate([shape[29:36], shape[[31, 35]] + np.array([(-3, 0), (3, 0)])])
    mouth = np.concatenate([jaw[jaw[:, 1] > shape[51, 1]], shape[48:60], (shape[33:34] + shape[51:52]) / 2])
    masks: list[Field] = []
    for points in (eyes, nose, mouth):
        mask: NDArray[Any] = np.zeros((SIZE, SIZE), np.float32)
        cv2.fillConvexPoly(mask, np.round(cv2.convexHull(points.astype(np.float32))).astype(np.int32), 1.0)
        masks.append(np.asarray(cv2.GaussianBlur(cv2.dilate(mask, np.ones((3, 3))), (0, 0), soft), np.float32))
    whole = np.maximum(np.sum(masks, axis=0), 1.0)
    masks = [m / whole for m in masks]
    return [*masks, 1 - np.sum(masks, axis=0)]


def _outside(shape: NDArray[np.float64]) -> Field:
    """(128, 128), soft: 1 outside the face and its forehead."""
    face: NDArray[Any] = np.zeros((SIZE, SIZE), np.float32)
    cv2.fillConvexPoly(face, np.round(outline(shape, 0.75)).astype(np.int32), 1.0)
    face = cv2.dilate(face, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RIM + 1, 2 * _RIM + 1)))
    return np.asarray(1 - cv2.GaussianBlur(face, (0, 0), 2.0), np.float32)


def _mean(images: Sequence[Field]) -> Field:
    return np.asarray(np.mean(images, axis=0), np.float32)


def _blurred(image: Field, sigma: float) -> Field:
    """An image (n, n, 3) without what is finer than ``sigma`` pixels of 128."""
    return image if sigma == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * len(image) / SIZE), np.float32)


def _looks(bank: Portraits, i: int) -> Looks:
    who = bank.attributes[i], bank.embedding[i], float(bank.male[i]), float(bank.child[i])
    return Looks(bank.pose[i], bank.light[i], bank.skin[i], *who, bank.points[i], float(bank.brows[i]))


def _embedded(embedder: Embedder, pictures: Sequence[Image]) -> NDArray[np.float32]:
    """(N, D) of aligned pictures (384, 384, 3)."""
    return embedder.embed(np.stack([shrunk(p) for p in pictures]))


def _is_nobody(embedder: Embedder, picture: Image, known: NDArray[np.float32], own: Sequence[int]) -> bool:
    """Whether a picture is taken for none of the people with embeddings (N, D), of whom it has parts of some, by their numbers."""
    distance = np.linalg.norm(known - _embedded(embedder, [picture]), axis=1) / embedder.threshold
    return bool(distance[own].min() >= _FAR and distance.min() >= _FAR_FROM_OTHERS)
