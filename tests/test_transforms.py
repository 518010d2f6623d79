"""The transform keeps types, shapes and everything but the faces; it pickles; it raises."""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from deid.core.errors import DetectionError
from deid.core.options import Options
from deid.core.types import Image, ImageResult
from deid.transforms import Anonymize, AnonymizeColumns


class Inverter:
    """An engine that inverts every picture's left half."""

    options = Options(method="blur")

    def process(self, image: Image, detections: object = None, seed: int | None = None) -> ImageResult:
        out = image.copy()
        out[:, : image.shape[1] // 2] = 255 - out[:, : image.shape[1] // 2]
        return ImageResult(out, (), 1)


class Failing:
    """An engine that fails."""

    options = Options(method="blur")

    def process(self, image: Image, detections: object = None, seed: int | None = None) -> ImageResult:
        raise DetectionError("no detector")


def _transform(make: Callable[[], Any] = Inverter) -> Anonymize:
    return Anonymize(make_engine=make)


def _pixels(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def _inverted(image: torch.Tensor) -> torch.Tensor:
    out, half = image.clone(), image.shape[-1] // 2
    out[..., :half] = (255 if image.dtype == torch.uint8 else 1) - out[..., :half]
    return out


@pytest.mark.parametrize("shape", [(3, 10, 8), (1, 10, 8), (4, 3, 10, 8), (2, 2, 3, 10, 8), (0, 3, 10, 8)], ids=str)
@pytest.mark.parametrize("kind", ["tensor", "image", "float", "half"])
def test_tensors(shape: tuple[int, ...], kind: str) -> None:
    image = _pixels(*shape)
    if kind in {"float", "half"}:
        image = image.to(torch.float64 if kind == "float" else torch.float16) / 255
    elif kind == "image":
        image = tv_tensors.Image(image)
    before = image.clone()
    out = _transform()(image)
    assert type(out) is type(image)
    assert (out.dtype, out.shape) == (image.dtype, image.shape)
    torch.testing.assert_close(out, _inverted(image), atol=2e-3 if kind == "half" else 1e-6, rtol=0)
    half = image.shape[-1] // 2
    assert torch.equal(out[..., half:], image[..., half:])
    assert torch.equal(image, before)


def test_video_is_a_batch_of_frames() -> None:
    video = tv_tensors.Video(_pixels(5, 3, 10, 8))
    out = _transform()(video)
    assert isinstance(out, tv_tensors.Video)
    assert torch.equal(out, _inverted(video))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_pillow(mode: str) -> None:
    image = PillowImage.fromarray(_pixels(10, 8, 3).numpy()).convert(mode)
    out = _transform()(image)
    assert (out.mode, out.size) == (image.mode, image.size)
    assert np.asarray(out)[0, 0].tolist() != np.asarray(image)[0, 0].tolist()
    assert np.asarray(out)[0, 7].tolist() == np.asarray(image)[0, 7].tolist()


def test_rest_of_a_sample_passes_through() -> None:
    sample = {
        "image": tv_tensors.Image(_pixels(3, 10, 8)),
        "boxes": tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(10, 8)),
        "mask": tv_tensors.Mask(_pixels(1, 10, 8)),
        "embedding": torch.zeros(3, 4, 4),
        "label": 3,
        "name": "a",
    }
    out = v2.Compose([_transform(), v2.Identity()])(sample)
    assert torch.equal(out["image"], _inverted(sample["image"]))  # type: ignore[arg-type]
    for name in sample.keys() - {"image"}:
        assert out[name] is sample[name]


@pytest.mark.parametrize(
    "image",
    [_pixels(10, 8), _pixels(4, 10, 8), _pixels(3, 10, 8).long(), _pixels(3, 10, 8).float(), torch.full((3, 4, 4), torch.nan)],
    ids=["no channels", "four channels", "integers", "0 to 255 as float", "not a number"],
)
def test_what_is_no_picture_is_refused(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected"):
        _transform()(image)


@pytest.mark.parametrize(
    "image", [_pixels(3, 10, 8), _pixels(2, 3, 10, 8), PillowImage.new("RGB", (8, 8))], ids=["tensor", "batch", "pillow"]
)
def test_error_is_raised_and_never_a_bare_face(image: Any) -> None:
    with pytest.raises(DetectionError, match="no detector"):
        _transform(Failing)(image)


def test_pickles_without_its_models() -> None:
    transform = Anonymize(Options(method="blur", seed=1))
    assert transform.engine is Anonymize(Options(method="blur", seed=1)).engine
    for again in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        assert again.options == transform.options
        assert again._engine is None
    assert len(pickle.dumps(transform)) < 5000
    assert "method=blur" in repr(transform)


class Photos(torch.utils.data.Dataset[torch.Tensor]):
    """Four pictures through the transform."""

    def __init__(self, transform: Anonymize) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        out: torch.Tensor = self.transform(_pixels(3, 10, 8))
        return out


def test_in_the_workers_of_a_loader() -> None:
    loader = DataLoader(Photos(_transform(partial(Inverter))), batch_size=2, num_workers=1, multiprocessing_context="fork")
    for batch in loader:
        assert torch.equal(batch[0], _inverted(_pixels(3, 10, 8)))


def test_real_engine(astronaut: Image) -> None:
    options = Options(method="blur", seed=1)
    image = torch.from_numpy(astronaut).permute(2, 0, 1)
    out = Anonymize(options)(torch.stack([image, image]))
    changed = (out != image).any(dim=1)
    assert torch.equal(out[0], out[1])
    assert 0.01 < changed[0].float().mean() < 0.3


class TestColumns:
    """The function for `map`."""

    def test_rows_and_batches(self) -> None:
        function = AnonymizeColumns("image")
        function._transform = _transform()
        image = PillowImage.fromarray(_pixels(10, 8, 3).numpy())
        expected = np.asarray(_transform()(image))
        row = function({"image": image, "label": 1})
        assert list(row) == ["image"]
        np.testing.assert_array_equal(np.asarray(row["image"]), expected)
        batch = function({"image": [image, None, image], "label": [1, 2, 3]})
        assert batch["image"][1] is None
        for out in (batch["image"][0], batch["image"][2]):
            np.testing.assert_array_equal(np.asarray(out), expected)

    def test_needs_a_column(self) -> None:
        with pytest.raises(ValueError, match="at least one column"):
            AnonymizeColumns()
