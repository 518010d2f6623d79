"""Changes around a new face: jaw line, ears and hairline of another head, hair in another shade.

Recognisers that were trained on de-identified pictures know people by their heads. The head is found by GrabCut, C. Rother et al.,
"GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts", SIGGRAPH 2004; the background beyond it stays as it is.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing import blend
from deid.compositing.skin import cheeks
from deid.core.types import Image
from deid.imaging import geometry
from deid.imaging.alignment import warp
from deid.imaging.template import SIZE, disc

Field = NDArray[np.float32]

#: Width of a head's crop, as a multiple of a face's, with the face a little below its middle.
_WIDE, _BELOW = 2.0, 8.0
_SIDE = int(SIZE * _WIDE)
#: Most by which widths and heights change, and the random field, as shares of the head's size; and cells of that field.
_STRETCH, _FIELD, _CELLS = 0.09, 0.045, 5
#: Most by which the shade of hair changes: lightness as a factor's logarithm, colour in Lab units.
_LIGHTER, _COLOUR = 0.30, 8.0
#: How much of what is darker, and lighter, than the cheeks counts against a pixel's being skin; hue counts in full.
_DARKER_SKIN, _LIGHTER_SKIN = 0.6, 0.2
#: How far outside the head the background may give way, in pixels of the crop.
_GIVES = 12.0
_ROUNDS = 3
#: What lies this far above the brows, times the distance to the nose, may be hair.
_FOREHEAD = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How another head differs.

    Args:
        stretch: (3,) of the jaw's width, the hair's height and the head's width, as shares.
        field: (cells, cells, 2) a smooth random displacement, of spread 1.
        shade: (3,) of the hair: logarithm of lightness, and shift of a and b.
    """

    stretch: NDArray[np.float64]
    field: Field
    shade: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Shape":
        """Another head's, never nearly the same: every stretch and the shade is at least half of its range."""
        some = rng.uniform(0.5, 1.0, 6) * rng.choice([-1.0, 1.0], 6)
        field = rng.standard_normal((_CELLS, _CELLS, 2)).astype(np.float32)
        return cls(some[:3] * _STRETCH, field, some[3:] * (_LIGHTER, _COLOUR, _COLOUR))


def reshape(
    image: Image, touched: NDArray[np.bool_], matrix: NDArray[np.float64], points: NDArray[np.float64], shape: Shape
) -> tuple[Image, NDArray[np.bool_]]:
    """A photo with another head around a face.

    Args:
        image: (H, W, 3) uint8 RGB, with the new face in it already.
        touched: (H, W) where it was edited so far.
        matrix: (2, 3) from the photo to the face's aligned crop.
        points: (68, 2) landmarks in that crop.
        shape: how the head differs.

    Returns:
        A new photo and map.
    """
    wide = matrix.copy()
    wide[:, 2] += (_SIDE - SIZE) / 2, (_SIDE - SIZE) / 2 + _BELOW
    times = int(np.clip(np.ceil(1 / geometry.scale_of(matrix)), 1, 3))
    crop = warp(image, geometry.enlarged(wide, times), times * _SIDE)
    small = np.asarray(cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    here = points + wide[:, 2] - matrix[:, 2]
    head = _head(small, here)
    face = _inner(here)
    moved = _displaced(crop, _displacement(here, head, face, shape))
    hair = _hair(small, here, head)
    out = _shaded(moved, geometry.scaled(hair, moved.shape[0]), shape.shade)
    mask = np.clip(cv2.dilate(head, disc(_GIVES)) * 1.0, 0, 1) * (1 - face) * _edge()
    edited, where = blend.paste(image, out, geometry.enlarged(wide, times), geometry.scaled(np.asarray(mask, np.float32), out.shape[0]))
    return edited, touched | where


def reach(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) box in the photo around all that `reshape` may change."""
    low = np.array([(SIZE - _SIDE) / 2, (SIZE - _SIDE) / 2 - _BELOW])
    return blend.footprint(matrix, np.concatenate([low, low + _SIDE]))


def _head(crop: Image, points: NDArray[np.float64]) -> Field:
    """(s, s) soft: 1 on head and hair."""
    middle, width = points[27], np.ptp(points[:17, 0])
    top, chin = points[17:27, 1].min(), points[8, 1]
    height = chin - top
    labels: NDArray[Any] = np.full(crop.shape[:2], cv2.GC_BGD, np.uint8)
    centre = (float(middle[0]), float(top + 0.12 * height))
    cv2.ellipse(labels, (centre, (1.75 * width, 2.25 * height), 0.0), cv2.GC_PR_BGD, -1)
    cv2.ellipse(labels, (centre, (1.3 * width, 1.75 * height), 0.0), cv2.GC_PR_FGD, -1)
    face = cv2.convexHull(np.concatenate([points[:17], points[17:27] - (0, 0.2 * height)]).astype(np.float32))
    cv2.fillConvexPoly(labels, np.round(face).astype(np.int32), cv2.GC_FGD)
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(crop), labels, (0, 0, 1, 1), back, front, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found: NDArray[Any] = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.morphologyEx(cv2.morphologyEx(found, cv2.MORPH_OPEN, disc(3)), cv2.MORPH_CLOSE, disc(5))
    _, parts = cv2.connectedComponents(found)
    at = np.clip(np.round(points[30]).astype(int), 0, crop.shape[0] - 1)
    return np.asarray(cv2.GaussianBlur((parts == parts[at[1], at[0]]).astype(np.float32), (0, 0), 2.0), np.float32)


def _inner(points: NDArray[np.float64]) -> Field:
    """(s, s) soft: 1 on the features, which stay where they are."""
    mask = np.zeros((_SIDE, _SIDE), np.float32)
    core = cv2.convexHull(points[17:].astype(np.float32))[:, 0]
    centre = core.mean(axis=0)
    cv2.fillConvexPoly(mask, np.round(centre + (core - centre) * 1.08).astype(np.int32), 1.0)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 5.0), np.float32)


def _displacement(points: NDArray[np.float64], head: Field, face: Field, shape: Shape) -> Field:
    """(s, s, 2): where each pixel of another head comes from, relative to itself."""
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    middle, brows, chin = points[27], points[17:27, 1].mean(), points[8, 1]
    size = float(chin - brows) * 1.6
    low = np.clip((y - middle[1]) / max(1.0, chin - middle[1]), 0, 1.3)
    high = np.clip((brows - y) / size, 0, 1)
    jaw, tall, broad = shape.stretch
    field = cv2.resize(shape.field, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC) * _FIELD * size
    field[..., 0] += (x - middle[0]) * (jaw * low + broad * (1 - np.minimum(low, 1)))
    field[..., 1] += (y - brows) * tall * 1.5 * high
    near = cv2.GaussianBlur(cv2.dilate(head, disc(_GIVES / 2)), (0, 0), _GIVES / 3)
    return np.asarray(field * (near * (1 - face) * _edge())[..., None], np.float32)


def _displaced(crop: Image, field: Field) -> Image:
    n = crop.shape[0]
    k = n / _SIDE
    y, x = np.mgrid[:n, :n].astype(np.float32)
    off = geometry.scaled(field, n) * k
    return np.asarray(cv2.remap(crop, x + off[..., 0], y + off[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _hair(crop: Image, points: NDArray[np.float64], head: Field) -> Field:
    """(s, s) soft: 1 on what belongs to the head, lies outside the face and has not the colour of the cheeks."""
    inset = slice((_SIDE - SIZE) // 2, (_SIDE + SIZE) // 2)
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = cheeks(np.ascontiguousarray(crop[inset, inset]), points - inset.start)
    off = lab - skin.astype(np.float32)
    # A forehead shines: what is lighter than the cheeks, and of their hue, is skin.
    off[..., 0] *= np.where(off[..., 0] > 0, _LIGHTER_SKIN, _DARKER_SKIN)
    unlike = np.linalg.norm(off, axis=2)
    face: NDArray[Any] = np.zeros((_SIDE, _SIDE), np.float32)
    cv2.fillConvexPoly(face, np.round(blend.outline(points, _FOREHEAD)).astype(np.int32), 1.0)
    hair = np.clip((unlike - 14) / 14, 0, 1) * head * (1 - cv2.GaussianBlur(face, (0, 0), 3.0))
    hair[int(points[8, 1]) :] = 0
    return np.asarray(cv2.GaussianBlur(np.asarray(hair, np.float32), (0, 0), 1.5), np.float32)


def _shaded(crop: Image, hair: Field, shade: NDArray[np.float64]) -> Image:
    lab: NDArray[Any] = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 0] = np.clip(lab[..., 0] * np.exp(hair * shade[0]), 0, 100)
    lab[..., 1:] += hair[..., None] * shade[1:]
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255, 0, 255).round(), np.uint8)


def _edge() -> Field:
    """1 inside, falling to 0 at the crop's border."""
    ramp = np.clip(np.minimum(np.arange(_SIDE), np.arange(_SIDE)[::-1]) / 16, 0, 1).astype(np.float32)
    return np.minimum(ramp[:, None], ramp[None])
