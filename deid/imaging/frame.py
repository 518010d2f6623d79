"""One frame of a picture: the pixels to edit, the data to write it again, and other channels that may show a face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from deid.core.types import Image, check_image
from deid.imaging import samples
from deid.imaging.modes import ALPHA_MODES, GREY_MODES
from deid.imaging.samples import Tones

#: Alpha of two levels is a stencil unless so large a share of its neighbours differ: then it may be a picture in dots.
_DOTS = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """Another view of a frame, its alpha or its deep samples: searched and edited like a frame, then written back into it.

    Args:
        owner: number of that frame.
        tones: curve of a second look at its deep samples; None for a look at its alpha.
        inverted: whether what is opaque is dark, as with black ink on white paper.
    """

    owner: int
    tones: Tones | None = None
    inverted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a picture, or a further look at one.

    Args:
        rgb: (H, W, 3) uint8.
        alpha: (H, W) uint8, or None when the frame is opaque.
        deep: uint16 samples of a file with 16 bits, (H, W) grey or (H, W, 3), or None.
        duration_ms: how long an animation shows it; None for a still.
        grey: whether it was grey; the pages of one file may differ.
        tones: the curve by which ``rgb`` shows ``deep``.
        look: set for a further look, which is no frame of the file.
    """

    rgb: Image
    alpha: NDArray[np.uint8] | None = None
    deep: NDArray[np.uint16] | None = None
    duration_ms: float | None = None
    grey: bool = False
    tones: Tones | None = None
    look: Look | None = None

    def plain(self) -> Image:
        """(H, W, 3) uint8 to write where 8 bits must do."""
        if self.deep is None or self.tones is None:
            return self.rgb
        levels = self.tones.view[self.deep]
        return np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels


def luma(rgb: Image) -> NDArray[np.uint8]:
    """(H, W) of an (H, W, 3) image."""
    return np.asarray(PillowImage.fromarray(rgb).convert("L"))


def frame_of(page: PillowImage.Image, timed: bool = False) -> Frame:
    """An opened picture, or one page of it, upright, as a frame; ``timed`` keeps how long an animation shows it."""
    # Pillow's plugins tell a page's transparency when it is opened, and its duration once it is decoded.
    transparent = "transparency" in page.info
    page.load()
    duration = page.info.get("duration", 0) if timed else None
    # Only a page that is turned is worth a copy.
    upright = ImageOps.exif_transpose(page) if page.getexif().get(0x0112, 1) != 1 else page
    if upright.mode in GREY_MODES - {"1", "L", "LA"}:
        return _deep_frame(np.asarray(upright), duration)
    has_alpha = transparent or upright.mode in ALPHA_MODES
    wanted = "RGBA" if has_alpha else "RGB"
    pixels = np.array(upright if upright.mode == wanted else upright.convert(wanted))
    alpha = pixels[..., 3].copy() if has_alpha else None
    return Frame(np.ascontiguousarray(pixels[..., :3]), alpha, None, duration, upright.mode in GREY_MODES)


def with_samples(frame: Frame, deep: NDArray[np.uint16]) -> Frame:
    """The same frame with the samples (H, W, 3) that its 8 bits were cut from."""
    tones = samples.usual(deep)
    return replace(frame, rgb=samples.seen(deep, tones), deep=deep, tones=tones)


def _deep_frame(values: NDArray[Any], duration: float | None) -> Frame:
    """A frame of grey samples of more than 8 bits; what does not fit 16 bits is brought to 8."""
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 65535:
        deep = values.astype(np.uint16)
        tones = samples.usual(deep)
        return Frame(samples.seen(deep, tones), None, deep, duration, True, tones)
    wide = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(wide.min()), float(wide.max())
    brought = np.rint((wide - low) / max(high - low, 1e-9) * 65535).astype(np.uint16)
    grey8 = samples.usual(brought).view[brought]
    return Frame(np.repeat(grey8[..., None], 3, axis=2), None, None, duration, grey=True)


def looks_at(frame: Frame, number: int) -> list[Frame]:
    """Further looks at a frame with that number: at its alpha, and at what its usual tones hide."""
    found = []
    if frame.alpha is not None and _may_show(frame.alpha):
        inverted = bool((luma(frame.rgb) * (frame.alpha / 255)).sum() < 127 * (frame.alpha / 255).sum())
        shown = _inverted(frame.alpha, inverted)
        found.append(Frame(np.repeat(shown[..., None], 3, axis=2), grey=True, look=Look(number, None, inverted)))
    if frame.deep is not None and frame.tones is not None:
        tones = samples.further(frame.deep, frame.tones)
        if tones is not None:
            found.append(Frame(samples.seen(frame.deep, tones), grey=frame.grey, look=Look(number, tones)))
    return found


def frames_of(page: PillowImage.Image) -> tuple[Frame, ...]:
    """An opened picture as a frame, and the further looks at it."""
    frame = frame_of(page)
    return (frame, *looks_at(frame, 0))


def _may_show(alpha: NDArray[np.uint8]) -> bool:
    """Whether alpha (H, W) can hold a picture; one level cannot, and two are mostly the outline of something."""
    levels = np.count_nonzero(np.bincount(alpha.ravel(), minlength=256))
    if levels <= 2:
        return levels == 2 and float((alpha[:, 1:] != alpha[:, :-1]).mean()) > _DOTS if alpha.shape[1] > 1 else False
    return True


def _inverted(alpha: NDArray[np.uint8], inverted: bool) -> NDArray[np.uint8]:
    return 255 - alpha if inverted else alpha


def with_pixels(frames: Sequence[Frame], images: Sequence[Image]) -> tuple[Frame, ...]:
    """Frames with other pixels; what a further look shows goes into the frame that it is of.

    Raises:
        ValueError: the size of an image differs.
    """
    out = [_replaced(frame, check_image(image)) for frame, image in zip(frames, images, strict=True)]
    for before, after in zip(frames, out, strict=True):
        if before.look is not None:
            owner = before.look.owner
            out[owner] = _joined(out[owner], frames[owner], before, after.rgb)
    return tuple(out)


def _replaced(frame: Frame, rgb: Image) -> Frame:
    if rgb.shape != frame.rgb.shape:
        raise ValueError(f"expected an image of {frame.rgb.shape}, got {rgb.shape}")
    if frame.deep is None or frame.tones is None:
        return replace(frame, rgb=rgb)
    where = samples.touched(frame.rgb, rgb)
    return replace(frame, rgb=rgb, deep=_covered(frame.deep, where, rgb, frame.tones))


def _covered(deep: NDArray[np.uint16], where: NDArray[np.bool_], rgb: Image, tones: Tones) -> NDArray[np.uint16]:
    """Deep samples with those of an edited image (H, W, 3) where it was edited."""
    made = tones.back[luma(rgb) if deep.ndim == 2 else rgb]
    # By chance a cover gives a pixel what it had; a comparison of samples would show it as a hole.
    made = np.where(made == deep, made ^ 1, made)
    return np.where(where if deep.ndim == 2 else where[..., None], made, deep)


def _joined(frame: Frame, untouched: Frame, before: Frame, edited: Image) -> Frame:
    """A frame with what was edited in a further look at it; an edit of the frame itself stays."""
    look = before.look
    assert look is not None
    if look.tones is None:
        changed = (before.rgb != edited).any(axis=2)
        assert frame.alpha is not None
        return replace(frame, alpha=np.where(changed, _inverted(luma(edited), look.inverted), frame.alpha))
    where = samples.touched(before.rgb, edited) & ~samples.touched(untouched.rgb, frame.rgb)
    assert frame.deep is not None
    assert frame.tones is not None
    deep = _covered(frame.deep, where, edited, look.tones)
    rgb = np.where(where[..., None], samples.seen(deep, frame.tones), frame.rgb)
    return replace(frame, deep=deep, rgb=rgb)
