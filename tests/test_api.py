"""The one-call door gives back the kind that went in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

import deid
from deid.anonymizer.engine import Anonymizer
from deid.api import anonymizer
from deid.core.errors import ImageReadError
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.imaging import geometry

BLUR = Options(method="blur", seed=1)


@pytest.fixture(scope="module")
def expected(blur_engine: Anonymizer, astronaut: Image) -> Image:
    """What the engine makes of the photo as an array."""
    out = blur_engine.process(astronaut).image
    assert (out != astronaut).any()
    return out


def test_array(astronaut: Image, expected: Image) -> None:
    out = deid.anonymize(astronaut, BLUR)
    assert isinstance(out, np.ndarray)
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("as_text", [True, False])
def test_path(as_text: bool, astronaut: Image, expected: Image, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    PillowImage.fromarray(astronaut).save(path)
    out = deid.anonymize(str(path) if as_text else path, BLUR)
    assert isinstance(out, PillowImage.Image)
    np.testing.assert_array_equal(np.asarray(out), expected)


def test_pillow(astronaut: Image, expected: Image) -> None:
    out = deid.anonymize(PillowImage.fromarray(astronaut), BLUR)
    assert isinstance(out, PillowImage.Image)
    np.testing.assert_array_equal(np.asarray(out), expected)


def test_pillow_keeps_alpha_and_loses_metadata(astronaut: Image, expected: Image) -> None:
    source = PillowImage.fromarray(astronaut)
    alpha = np.full(astronaut.shape[:2], 255, np.uint8)
    alpha[:, :40] = 90
    source.putalpha(PillowImage.fromarray(alpha))
    source.info["comment"] = "MARKER"
    out = deid.anonymize(source, BLUR)
    assert isinstance(out, PillowImage.Image)
    assert out.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(out)[..., :3], expected)
    np.testing.assert_array_equal(np.asarray(out)[..., 3], alpha)
    assert "comment" not in out.info


def test_face_in_alpha_is_covered(astronaut: Image, woman: Detection) -> None:
    """Black ink whose alpha is the photo."""
    source = PillowImage.new("RGB", astronaut.shape[1::-1])
    alpha = 255 - np.asarray(PillowImage.fromarray(astronaut).convert("L"))
    source.putalpha(PillowImage.fromarray(alpha))
    out = deid.anonymize(source, BLUR)
    assert isinstance(out, PillowImage.Image)
    left = [np.repeat(np.asarray(a)[..., None], 3, axis=2) for a in (out.getchannel("A"), alpha)]
    assert _hidden(*left, woman)


def test_pillow_is_turned_upright(astronaut: Image, expected: Image) -> None:
    source = PillowImage.fromarray(np.ascontiguousarray(np.rot90(astronaut, 1)))
    source.getexif()[0x0112] = 6
    out = deid.anonymize(source, BLUR)
    np.testing.assert_array_equal(np.asarray(out), expected)


def _hidden(out: np.ndarray, source: np.ndarray, woman: Detection) -> bool:
    """Whether the face changed, and most of the rest did not (a false alarm in the background is no error)."""
    changed = np.abs(out.astype(int) - source).max(axis=2) > 2
    rows, columns = geometry.box_to_slices(woman.box_xyxy, source.shape[:2])
    return bool(changed[rows, columns].mean() > 0.5 and changed.mean() < 0.2)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "LA", "I;16", "YCbCr"])
def test_pillow_of_every_mode_keeps_its_picture(mode: str, astronaut: Image, woman: Detection) -> None:
    if mode == "I;16":
        grey = np.asarray(PillowImage.fromarray(astronaut).convert("L"))
        source, seen = PillowImage.fromarray(grey.astype(np.uint16) * 257), np.repeat(grey[..., None], 3, axis=2)
    else:
        source = PillowImage.fromarray(astronaut).convert(mode)
        seen = np.asarray(source.convert("RGB"))
    out = deid.anonymize(source, BLUR)
    assert isinstance(out, PillowImage.Image)
    assert out.size == source.size
    pixels = np.asarray(out) // 256 if out.mode == "I;16" else np.asarray(out.convert("RGB"))
    assert _hidden(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2), seen, woman)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_tensor_keeps_what_was_not_edited(dtype: torch.dtype, astronaut: Image, expected: Image) -> None:
    noise = torch.rand(3, 300, 300, generator=torch.Generator().manual_seed(0)) * 0.9 - 0.45
    exact = ((torch.from_numpy(astronaut).permute(2, 0, 1) + noise) / 255).clamp(0, 1).to(dtype).requires_grad_(True)
    out = deid.anonymize(exact, BLUR)
    assert isinstance(out, torch.Tensor)
    assert (out.shape, out.dtype, out.requires_grad) == (exact.shape, dtype, False)
    changed = (out != exact.detach()).any(dim=0).numpy()
    assert changed.any()
    # Between the steps of 8 bits, too: outside the edit every value is the one that came in.
    edited = (expected != astronaut).any(axis=2)
    assert not (changed & ~edited).any()
    # Half precision may round a pixel to its neighbour.
    tolerance = 0.51 / 255 + (1e-3 if dtype == torch.float16 else 1e-6)
    difference = np.abs(out.float().permute(1, 2, 0).numpy() - expected / 255)
    assert difference.max() <= tolerance or dtype == torch.float16


BAD_INPUT: dict[str, tuple[Any, type[Exception], str]] = {
    "none": (None, TypeError, "got NoneType"),
    "a list": ([[0]], TypeError, "got list"),
    "bytes": (b"photo.jpg", TypeError, "got bytes"),
    "grey array": (np.zeros((9, 9), np.uint8), ValueError, r"\(H, W, 3\) uint8"),
    "float array": (np.zeros((9, 9, 3)), ValueError, r"\(H, W, 3\) uint8"),
    "array without pixels": (np.zeros((0, 9, 3), np.uint8), ValueError, "at least one pixel"),
    "tensor of bytes": (torch.zeros(3, 9, 9, dtype=torch.uint8), ValueError, r"\(3, H, W\) float tensor"),
    "tensor with channels last": (torch.zeros(9, 9, 3), ValueError, r"\(3, H, W\) float tensor"),
    "batch of tensors": (torch.zeros(1, 3, 9, 9), ValueError, r"\(3, H, W\) float tensor"),
    "tensor over one": (torch.full((3, 9, 9), 1.01), ValueError, r"values in \[0, 1\]"),
    "tensor under zero": (torch.full((3, 9, 9), -0.01), ValueError, r"values in \[0, 1\]"),
    "tensor that is no number": (torch.full((3, 9, 9), torch.nan), ValueError, r"values in \[0, 1\]"),
    "tensor without pixels": (torch.zeros(3, 0, 9), ValueError, "at least one pixel"),
    "missing file": ("missing.jpg", ImageReadError, r"missing\.jpg"),
}


@pytest.mark.parametrize(("image", "error", "message"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_told(image: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        deid.anonymize(image, BLUR)


def test_one_engine_per_options() -> None:
    assert anonymizer(Options(method="blur", seed=1)) is anonymizer(BLUR)
    assert anonymizer(Options(method="blur", seed=2)) is not anonymizer(BLUR)


def test_seed_of_the_call_goes_before_the_options(hopper: Image) -> None:
    engine = anonymizer(BLUR)
    assert engine.process(hopper[:40], seed=5).seed == 5
    assert engine.process(hopper[:40]).seed == 1
    assert engine.process(hopper[:40], seed=0).seed == 0
