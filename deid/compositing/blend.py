"""Blending of a new face into the photo without a visible border."""

import itertools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.skin import nearly_skin, skin
from deid.core.remembered import remembered
from deid.core.types import Image
from deid.imaging import geometry
from deid.imaging.template import SIZE, TEMPLATE

#: Feather of `face_mask`, as a share of the crop's side: of a new face without a stand-in (`--stand-in none`, an own editor). One with a
#: stand-in fades across its seam, see `deid.compositing.seam`.
_MASK_FEATHER = 0.035
#: Feather of a cover that was requested (`--method blur` and the like): the share of the margin's curve over which it fades. The box itself
#: is always covered, so a wider feather needs a wider margin, or the box's corners show: see `box_mask`. A cover in place of a new face
#: fades otherwise, see `surrounded` in `deid.compositing.fill`.
_COVER_FEATHER = 0.2
#: How far up the forehead the mask goes: times the distance from brow to nose tip.
_FOREHEAD = 0.55
#: No forehead reaches further up than this many times the distance from brow to nose tip.
TO_HAIRLINE = 0.9
#: Start of the forehead, in pixels above the brows and above the aligned eyes.
_OVER_BROWS, _OVER_EYES = 3.0, 8.0
#: Down to so many pixels under the eyes, hair is looked for with more care.
_UNDER_EYES = 4.0
#: Strands of hair on a forehead are thinner than so many pixels, and darker than what lies beside them by so many grey levels.
_STRAND, _DARKER = 9, 12
#: Where a hat meets new skin, the photo and the edit differ by more grey levels from the median than light does.
_MOST_OFF = 25.0
#: Bands of detail: down to which sigma in pixels of a crop each reaches, and how often an edit's own may be added to it: more
#: shows its noise.
_BANDS = ((1.2, 1.5), (2.4, 1.0))


@remembered(32)
def face_mask(points: NDArray[np.float64] | None, size: int = 128, crop: Image | None = None) -> NDArray[np.float32]:
    """Soft mask of the face in an aligned crop.

    Args:
        points: (68, 2) landmarks in pixels of the crop (jaw 0-16, brows 17-26, nose 27-35, eyes, mouth); None for the
            mask of a mean face.
        size: side of the crop.
        crop: (128, 128, 3) the photo; a hat or hair over the forehead then stays as it is. None takes all for skin.

    Returns:
        (size, size) float32 in [0, 1]: 1 on eyes, nose, mouth and chin, 0 at the crop's border.
    """
    mask: NDArray[Any] = np.zeros((size, size), np.float32)
    if points is None:
        scale = size / 128
        cv2.ellipse(mask, (round(64 * scale), round(72 * scale)), (round(37 * scale), round(45 * scale)), 0, 0, 360, 1.0, -1)
    else:
        cv2.fillConvexPoly(mask, np.round(outline(points, _FOREHEAD)).astype(np.int32), 1.0, lineType=cv2.LINE_AA)
    # What the mask must hold whatever the landmarks say: eyes, nose and mouth.
    core = cv2.convexHull(TEMPLATE.astype(np.float32) * (size / 128))
    cv2.fillConvexPoly(mask, np.round(core).astype(np.int32), 1.0)
    sigma = _MASK_FEATHER * size
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=max(1, round(sigma / 3)))
    soft = cv2.GaussianBlur(mask, (0, 0), sigma)
    uncovered = 1.0 if points is None or crop is None else _uncovered_forehead(points, crop)
    return np.asarray(np.clip(soft * uncovered * _vignette(size), 0, 1), np.float32)


def _uncovered_forehead(points: NDArray[np.float64], crop: Image) -> NDArray[np.float32]:
    """(128, 128): 0 above the brows where colours are not those of the cheeks, 1 everywhere else."""
    above = _above_brows(points)
    shown: NDArray[Any] = np.where(above, skin(points, crop), 1.0).astype(np.float32)
    for tidy in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        shown = cv2.morphologyEx(shown, tidy, np.ones((5, 5), np.uint8))
    # A patch of skin colour that hangs together with no face is a hand, a badge, or blond hair.
    _, parts = cv2.connectedComponents((shown > 0.5).astype(np.uint8))
    shown = cv2.erode(np.where(parts == parts[72, 64], shown, 0), np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(np.where(above, shown, 1), (0, 0), 1.6), np.float32)


def _above_brows(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(128, 128): where the forehead is, and the hair over it."""
    brows = points[17:27] - (0, _OVER_BROWS)
    # Wherever the landmarks lie, the eyes are no forehead.
    brows[:, 1] = np.minimum(brows[:, 1], TEMPLATE[:2, 1].min() - _OVER_EYES)
    outline = np.concatenate([[(0, brows[0, 1])], brows, [(127, brows[-1, 1]), (127, 0), (0, 0)]])
    above: NDArray[Any] = np.zeros((128, 128), np.uint8)
    cv2.fillPoly(above, [np.round(outline).astype(np.int32)], 1)
    return above > 0


@remembered(64)
def uncovered(points: NDArray[np.float64], crop: Image) -> NDArray[np.float32]:
    """(128, 128) in [0, 1]: where a crop shows the face itself, and no hair, hat, hand of another colour or background."""
    # Brows, eyes and lips are no skin, and reach a little beyond their landmarks.
    grown = cv2.dilate(features(points), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11)))
    face = np.maximum(skin(points, crop), grown)
    # Specks are filled, and strands of hair are not.
    for tidy, side in ((cv2.MORPH_CLOSE, 3), (cv2.MORPH_OPEN, 7)):
        face = cv2.morphologyEx(face, tidy, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    # Walls have the colour of skin now and then.
    inside: NDArray[Any] = np.zeros((128, 128), np.float32)
    cv2.fillConvexPoly(inside, np.round(outline(points, TO_HAIRLINE)).astype(np.int32), 1.0, lineType=cv2.LINE_AA)
    return np.asarray(face * inside, np.float32)


@remembered(64)
def clear_of_hair(points: NDArray[np.float64], crop: Image) -> NDArray[np.float32]:
    """(128, 128) in [0, 1]: `uncovered`, but sure of it above the eyes: a strand or a sideburn would be a mark on another face's skin."""
    near: NDArray[Any] = np.maximum(nearly_skin(points, crop), cv2.dilate(features(points), np.ones((7, 3), np.uint8)))
    for tidy, side in ((cv2.MORPH_CLOSE, 5), (cv2.MORPH_OPEN, 9)):
        near = cv2.morphologyEx(near, tidy, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    # Skin beside hair is half hair.
    near = np.maximum(cv2.erode(near, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))), features(points))
    near[round(max(0.0, points[36:48, 1].mean() + _UNDER_EYES)) :] = 1
    face = np.minimum(uncovered(points, crop), near)
    face[_strands(points, crop, face)] = 0
    _, parts = cv2.connectedComponents((face > 0.5).astype(np.uint8))
    x, y = np.clip(points[30].round().astype(int), 0, SIZE - 1)
    return np.asarray(np.where(parts == parts[y, x], face, 0), np.float32)


def _strands(points: NDArray[np.float64], crop: Image, face: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(128, 128): thin strands that come down from the hair onto a forehead, where ``face`` (128, 128) still shows it.

    Between them is skin, and whatever is closed over specks is closed over them. Wrinkles lie across, and hang together with no hair.
    """
    above = _above_brows(points)
    dark = cv2.morphologyEx(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.MORPH_BLACKHAT, np.ones((1, _STRAND), np.uint8)) > _DARKER
    hair = (face < 0.5) & above
    _, parts = cv2.connectedComponents((hair | (dark & above)).astype(np.uint8), connectivity=8)
    hangs = np.zeros(parts.max() + 1, bool)
    hangs[parts[hair]] = True
    hanging = hangs[parts] & ~hair
    return cv2.dilate(hanging.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def outline(points: NDArray[np.float64], lift: float) -> NDArray[np.float64]:
    """Convex hull (K, 2) of the jaw and the brows, these lifted by ``lift`` times their distance to the nose."""
    brows = points[17:27]
    lifted = brows + (brows - points[33]) * lift
    return np.asarray(cv2.convexHull(np.concatenate([points[:17], lifted]).astype(np.float32))[:, 0], np.float64)


def features(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """(128, 128): 1 on brows, eyes, nose and mouth, whose colours are not the cheeks'."""
    lips = points[48:60] + 2 * np.sign(points[48:60] - points[48:60].mean(axis=0))
    inner = np.concatenate([points[17:27] - (0, 2), points[36:48], lips, points[31:36]])
    mask: NDArray[Any] = np.zeros((128, 128), np.float32)
    cv2.fillConvexPoly(mask, np.round(cv2.convexHull(inner.astype(np.float32))).astype(np.int32), 1.0)
    return np.asarray(mask, np.float32)


def _vignette(size: int) -> NDArray[np.float32]:
    """1 inside, falling to 0 at the crop's border, so that no rectangle can show."""
    ramp = np.clip(np.minimum(np.arange(size), np.arange(size)[::-1]) / (0.06 * size), 0, 1).astype(np.float32)
    return np.minimum(ramp[:, None], ramp[None])


def box_mask(size_hw: tuple[int, int], margin: float) -> NDArray[np.float32]:
    """Mask of a filter on a box with its margin: 1 on the whole box, fading to 0 in the margin around rounded corners.

    The curve is a superellipse of power 4 in the widened box. It reaches 1 - 2 / (1 + 2 * margin)^4 at the box's corners. Where that is
    less than the feather, the mask falls from 1 at once there, and the corners show: a feather of 0.2 needs a margin of 0.13, one of
    0.6 a margin of 0.25.

    Args:
        size_hw: of the crop, box and margin together.
        margin: share of the box that was added on each side.
    """
    h, w = size_hw
    y = np.abs((np.arange(h) + 0.5) / h * 2 - 1)[:, None]
    x = np.abs((np.arange(w) + 0.5) / w * 2 - 1)[None]
    fading = np.clip((1.0 - (x**4 + y**4)) / _COVER_FEATHER, 0.0, 1.0)
    # A pixel more, for boxes whose edges lie between pixels.
    on_box = (x * w <= w / (1 + 2 * margin) + 2) & (y * h <= h / (1 + 2 * margin) + 2)
    return np.asarray(np.where(on_box, 1.0, fading), np.float32)


def match(edited: Image, source: Image, mask: NDArray[np.float32]) -> Image:
    """An edited crop with the colours and the sharpness of the photo that it goes into."""
    return match_detail(match_colour(edited, source, mask), source, mask)


def match_colour(edited: Image, source: Image, mask: NDArray[np.float32]) -> Image:
    """Shift the colours of an edited crop so that it meets the source where the mask fades.

    The difference along the mask's edge is spread inward smoothly, as in seamless cloning with its gradient left out:
    P. Perez, M. Gangnet, A. Blake, "Poisson Image Editing", SIGGRAPH 2003. Only colour much coarser than a face's
    features comes from the source.
    """
    edge = (mask > 0.05) & (mask < 0.6)
    if not edge.any():
        return edited
    weight = edge.astype(np.float32)
    difference = source.astype(np.float32) - edited.astype(np.float32)
    median = np.median(difference[edge], axis=0)
    difference = np.clip(difference, median - _MOST_OFF, median + _MOST_OFF) * weight[..., None]
    sigma = 0.11 * mask.shape[0]
    spread = cv2.GaussianBlur(difference, (0, 0), sigma)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    mean = difference.sum(axis=(0, 1)) / weight.sum()
    # Far from the edge the local estimate has no support: the mean over the whole edge takes over.
    offset = (spread + mean * 0.02) / (total[..., None] + 0.02)
    return np.asarray(np.clip(edited + offset, 0, 255).round(), np.uint8)


def match_detail(edited: Image, source: Image, mask: NDArray[np.float32]) -> Image:
    """Sharpen an edited crop until it has as much fine detail inside the mask as the source, up to a gain limit.

    One number per band comes from the source, and it reveals nothing of identity. Without it a new face is soft in a sharp photo.
    """
    inside = mask > 0.5
    if not inside.any():
        return edited
    sharpened = edited.astype(np.float32)
    for (_, most), fine, wanted in zip(_BANDS, _bands(edited), _bands(source), strict=True):
        ratio = np.sqrt(np.square(wanted[inside]).mean() / (np.square(fine[inside]).mean() + 1e-6))
        sharpened += min(max(ratio - 1.0, 0.0), most) * fine
    return np.asarray(np.clip(sharpened, 0, 255).round(), np.uint8)


def _bands(image: Image) -> list[NDArray[np.float32]]:
    """Detail of an image, finest first, (H, W, 3) each."""
    levels: list[NDArray[Any]] = [image.astype(np.float32)]
    levels += [cv2.GaussianBlur(levels[0], (0, 0), sigma) for sigma, _ in _BANDS]
    return [np.asarray(a - b, np.float32) for a, b in itertools.pairwise(levels)]


def blend_crop(edited: Image, source: Image, mask: NDArray[np.float32]) -> Image:
    """The crop as it will look once pasted: edited inside the mask, source outside."""
    alpha = mask[..., None]
    return np.asarray((edited * alpha + source * (1 - alpha)).round(), np.uint8)


def shrunk(crop: NDArray[np.uint8] | NDArray[np.float32]) -> Image:
    """A crop (n, n, 3) in [0, 255] at (128, 128, 3) uint8."""
    small = crop if crop.shape[0] == SIZE else cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small if small.dtype == np.uint8 else np.clip(small, 0, 255).round(), np.uint8)


def paste(image: Image, crop: Image, matrix: NDArray[np.float64], mask: NDArray[np.float32]) -> tuple[Image, NDArray[np.bool_]]:
    """Warp a crop back into the photo.

    Args:
        image: (H, W, 3) uint8.
        crop: (h, w, 3) uint8; where it is finer than the photo, it is smoothed before.
        matrix: (2, 3) similarity from the photo's pixels to the crop's.
        mask: (h, w) in [0, 1]: how much of the crop shows.

    Returns:
        A new image, equal to the old one wherever the warped mask is 0, and the (H, W) bool map of where it is not.
    """
    height, width = image.shape[:2]
    touched = np.zeros((height, width), bool)
    out = image.copy()
    # Only the part of the crop that shows is warped.
    shown = [np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1)]
    if not len(shown[0]):
        return out, touched
    box = np.array([shown[0][0], shown[1][0], shown[0][-1] + 1, shown[1][-1] + 1], np.float64)
    rows, columns = geometry.box_to_slices(footprint(matrix, box), (height, width))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return out, touched
    size = (columns.stop - columns.start, rows.stop - rows.start)
    to_crop = geometry.of_part(matrix, rows, columns)
    crop = without_aliases(crop, matrix)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    warped = cv2.warpAffine(crop, to_crop, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, to_crop, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderValue=0.0)
    alpha = np.clip(alpha, 0, 1)
    # Numpy multiplies by (h, w, 3) several times as fast as by (h, w, 1).
    each = cv2.merge([alpha] * 3)
    # Where nothing of the crop shows, the photo's own pixels come out.
    out[rows, columns] = (warped * each + image[rows, columns] * (1 - each)).round()
    touched[rows, columns] = alpha > 0
    return out, touched


def without_aliases(crop: Image, matrix: NDArray[np.float64]) -> Image:
    """A crop that is finer than the photo, smoothed as much as keeps its detail from aliasing there; ``matrix`` as for `paste`."""
    if (finer := geometry.scale_of(matrix)) <= 1.3:
        return crop
    # A photo's own face comes back with 1.00 times its fine detail.
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), 0.3 * np.sqrt(finer**2 - 1)), np.uint8)


def footprint(matrix: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) box in the photo around all that a part of a crop covers, a box (4,) of it; ``matrix`` as for `paste`."""
    x0, y0, x1, y1 = box
    corners = geometry.apply(geometry.invert(matrix), np.array([[x0 - 1, y0 - 1], [x1, y0 - 1], [x0 - 1, y1], [x1, y1]]))
    return np.concatenate([corners.min(axis=0), corners.max(axis=0) + 1])
