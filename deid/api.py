"""The one-call door: any kind of picture in, the same kind out."""

import os
import sys
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options
from deid.imaging import codec
from deid.imaging.frame import frames_of, with_pixels

if TYPE_CHECKING:
    import torch

#: Number of engines that keep their models in memory.
_SHARED = 4
_lock = threading.Lock()


def anonymizer(options: Options) -> Anonymizer:
    """The shared `Anonymizer` of these options: its models stay loaded, for the few options that were used last."""
    with _lock:
        return _engine_of(options)


@lru_cache(_SHARED)
def _engine_of(options: Options) -> Anonymizer:
    return Anonymizer(options)


def anonymize(
    image: "str | os.PathLike[str] | PillowImage.Image | NDArray[np.uint8] | torch.Tensor",
    options: Options | None = None,
    *,
    seed: int | None = None,
) -> "PillowImage.Image | NDArray[np.uint8] | torch.Tensor":
    """Replace or cover every face in a picture.

    Args:
        image: a path, a PIL image, an (H, W, 3) uint8 RGB array, or a (3, H, W) float tensor in [0, 1], RGB.
        options: method, detector, thresholds; the defaults when None.
        seed: makes the output reproducible; None draws a fresh one.

    Returns:
        The kind that was given; a path gives a PIL image (the first frame of an animation, upright). Metadata is dropped.

    Raises:
        ImageReadError: the file cannot be read.
        TypeError: the image is of another kind.
        ValueError: the image has another shape, dtype or range.

    Examples:
        >>> deid.anonymize("party.jpg").save("anonymous.jpg")
    """
    engine = anonymizer(options or Options())
    if isinstance(image, str | os.PathLike):
        picture = codec.read(image, engine.options.max_pixels)
        return PillowImage.fromarray(engine.process(picture.frames[0].rgb, seed=seed).image)
    if isinstance(image, PillowImage.Image):
        return anonymize_pillow(image, engine, seed)
    if _is_tensor(image):
        return anonymize_tensor(image, engine, seed)
    if isinstance(image, np.ndarray):
        return engine.process(image, seed=seed).image
    raise TypeError(f"expected a path, a PIL image, an (H, W, 3) uint8 array or a (3, H, W) float tensor, got {type(image).__name__}")


def anonymize_pillow(image: PillowImage.Image, engine: Anonymizer, seed: int | None = None) -> PillowImage.Image:
    """`anonymize` for a PIL image and an engine that is there."""
    frames = frames_of(image)
    edited = with_pixels(frames, [engine.process(frame.rgb, seed=seed).image for frame in frames])[0]
    out = PillowImage.fromarray(edited.plain())
    if edited.alpha is not None:
        out.putalpha(PillowImage.fromarray(edited.alpha))
    return out.convert("L") if image.mode == "L" else out


def _is_tensor(image: object) -> "TypeGuard[torch.Tensor]":
    """Whether it is a tensor, without importing torch: a caller with a tensor has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def anonymize_tensor(image: "torch.Tensor", engine: Anonymizer, seed: int | None = None) -> "torch.Tensor":
    """`anonymize` for a (3, H, W) float tensor and an engine that is there."""
    import torch

    if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
        raise ValueError(f"expected a (3, H, W) float tensor, got {image.dtype} {tuple(image.shape)}")
    if image.numel() == 0:
        raise ValueError(f"expected an image with at least one pixel, got {tuple(image.shape)}")
    if not (torch.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise ValueError("expected values in [0, 1]")
    source = (image.detach().float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    out = engine.process(source, seed=seed).image
    edited = torch.from_numpy(out).permute(2, 0, 1).to(image.device, image.dtype) / 255
    # Pixels that were not edited keep their exact value.
    changed = torch.from_numpy((out != source).any(axis=2)).to(image.device)
    return torch.where(changed, edited, image.detach())
