"""De-identification inside people's own pipelines: a torchvision transform, and a function for `datasets.map`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from torchvision import tv_tensors
from torchvision.transforms import v2

from deid import api
from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options


class Anonymize(v2.Transform):  # type: ignore[misc]
    """Anonymize pictures, as a step of `torchvision.transforms.v2.Compose`.

    It takes PIL images, tensors, `tv_tensors.Image` and `tv_tensors.Video` of shape (..., 3, H, W) or (..., 1, H, W), uint8 or float
    in [0, 1]. It returns the same type, shape and dtype. Boxes, masks, labels and everything else in a sample stay as they are. Errors
    are raised and never expose a face. It pickles without its models, which load once per process on first use.

    Args:
        options: method, detector, thresholds; the defaults when None. A seed in it is used for every picture.
        make_engine: builds an engine with your own detector or editor; must pickle for the workers of a `DataLoader`.

    Examples:
        >>> transform = v2.Compose([Anonymize(Options(method="blur")), v2.RandomHorizontalFlip()])
        >>> picture, target = transform(picture, {"label": 3})
        >>> picture.size, target
        ((300, 300), {'label': 3})
    """

    _transformed_types = (torch.Tensor, PillowImage.Image)

    def __init__(self, options: Options | None = None, make_engine: Callable[[], Anonymizer] | None = None) -> None:
        super().__init__()
        self.options = options or Options()
        self._make_engine = make_engine
        self._engine: Anonymizer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_engine": None}

    @property
    def engine(self) -> Anonymizer:
        """The anonymizer, shared by all transforms of the same options in a process."""
        if self._engine is None:
            self._engine = self._make_engine() if self._make_engine else api.anonymizer(self.options)
        return self._engine

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One picture or one batch of them; called by torchvision for each in a sample."""
        if isinstance(inpt, tv_tensors.TVTensor) and not isinstance(inpt, tv_tensors.Image | tv_tensors.Video):
            return inpt
        if isinstance(inpt, PillowImage.Image):
            return api.anonymize_pillow(inpt, self.engine)
        return _like(_tensor(inpt.as_subclass(torch.Tensor), self.engine), inpt)

    # The hook's name before torchvision 0.21.
    _transform = transform

    def extra_repr(self) -> str:
        return f"method={self.options.method}"


def _like(out: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    return tv_tensors.wrap(out, like=source) if isinstance(source, tv_tensors.TVTensor) else out


def _tensor(images: torch.Tensor, engine: Anonymizer) -> torch.Tensor:
    """A tensor (..., C, H, W) without its people.

    Raises:
        ValueError: it holds no pictures: the transform would have to guess.
    """
    if images.ndim < 3 or images.shape[-3] not in {1, 3} or not (images.dtype == torch.uint8 or images.is_floating_point()):
        raise ValueError(f"expected a uint8 or float tensor (..., 3 or 1, H, W), got {images.dtype} {tuple(images.shape)}")
    flat = images.reshape(-1, *images.shape[-3:])
    return torch.stack([_picture(image, engine) for image in flat]).reshape(images.shape) if len(flat) else images.clone()


def _picture(image: torch.Tensor, engine: Anonymizer) -> torch.Tensor:
    if image.shape[0] == 1:
        out = _picture(image.expand(3, -1, -1), engine)
        # Pixels that were not edited keep their exact value.
        same = (out == image).all(dim=0, keepdim=True)
        return torch.where(same, image, out.mean(dim=0, keepdim=True, dtype=torch.float32).to(image.dtype))
    if image.is_floating_point():
        return api.anonymize_tensor(image, engine)
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
    return torch.from_numpy(engine.process(pixels).image).permute(2, 0, 1).to(image.device)


class AnonymizeColumns:
    """Anonymize the picture columns of a Hugging Face data set: ``dataset.map(AnonymizeColumns("image"))``.

    Works for single rows and with ``batched=True``, as in ``dataset.map(AnonymizeColumns("image"), batched=True, batch_size=16)``. An empty
    cell stays empty.

    Args:
        columns: names of the columns.
        options: method, detector, thresholds; the defaults when None.

    Raises:
        ValueError: no column is named.

    Examples:
        >>> row = AnonymizeColumns("image", options=Options(method="blur"))({"image": picture, "label": 3})
        >>> row["image"].size
        (300, 300)
    """

    def __init__(self, *columns: str, options: Options | None = None) -> None:
        if not columns:
            raise ValueError("expected the name of at least one column of pictures")
        self._columns, self._transform = columns, Anonymize(options)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {column: self._cell(row[column]) for column in self._columns}

    def _cell(self, value: PillowImage.Image | Sequence[PillowImage.Image | None] | None) -> Any:
        if isinstance(value, Sequence):
            return [self._cell(v) for v in value]
        return None if value is None else self._transform(value)
