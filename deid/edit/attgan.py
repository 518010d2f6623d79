"""The two passes of AttGAN: once with an attribute set, once with its opposite, so that gender comes back."""

import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deid import weights
from deid.exceptions import EditError
from deid.models.attgan import ATTRIBUTES, CROP_SIZE, N_CODES, Generator, inverted
from deid.structures import AlignedFace, Crops, EditedFace

_SET_SIZE = len(ATTRIBUTES) + N_CODES


def coarsen(images: Tensor, cells: int) -> Tensor:
    """Images (N, C, H, W) with no more detail than a mosaic of ``cells`` x ``cells`` holds, but without its edges.

    The generator made hard-edged mosaics into faces with a grid in them.
    """
    small = functional.adaptive_avg_pool2d(images, cells)
    return functional.interpolate(small, size=images.shape[2:], mode="bilinear", align_corners=False)


class AttganEditor:
    """Proposes one new face per attribute set.

    Args:
        device: where the network runs.
        cells: when given, the generator sees the face in no more detail than a mosaic of so many cells across has, and makes
            up the rest: the last resort before a filter, which our generator is trained for.
    """

    name = "attgan"

    def __init__(self, device: str = "cpu", cells: int | None = None, network: Generator | None = None) -> None:
        self._device, self._cells, self._network = device, cells, network
        self._lock = threading.Lock()

    @property
    def network(self) -> Generator:
        """The generator, read on first use."""
        with self._lock:
            if self._network is None:
                self._network = weights.load_generator().to(self._device).to(memory_format=torch.channels_last)
            return self._network

    def coarse(self, cells: int) -> "AttganEditor":
        """The same editor, which sees no more of a face than a mosaic of so many cells across holds."""
        return AttganEditor(self._device, cells, self.network)

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> list[EditedFace]:
        """One proposal per attribute set.

        Args:
            face: with a crop (128, 128, 3).
            attributes: (N, 13 + N_CODES) sets of the first pass, see `sample_sets`.
            strength: what the sets were widened with; kept in the result.

        Raises:
            EditError: a shape is wrong.
        """
        if face.crop.shape != (CROP_SIZE, CROP_SIZE, 3):
            raise EditError(f"expected a crop of {CROP_SIZE} x {CROP_SIZE} x 3, got {face.crop.shape}")
        sets = np.asarray(attributes, np.float32)
        if sets.ndim != 2 or sets.shape[1] != _SET_SIZE:
            raise EditError(f"expected attribute sets (N, {_SET_SIZE}), got {sets.shape}")
        name = self.name if self._cells is None else f"{self.name}_{self._cells}"
        edited = self._two_passes(face.crop, sets)
        return [EditedFace(c, name, a, strength) for c, a in zip(edited, sets, strict=True)]

    @torch.inference_mode()
    def _two_passes(self, crop: NDArray[np.uint8], sets: NDArray[np.float32]) -> Crops:
        network = self.network
        image = torch.from_numpy(crop.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1)[None].to(self._device)
        # A published checkpoint knows no identity codes.
        a = torch.from_numpy(sets[:, : network.n_attributes + network.n_codes]).to(self._device)
        if self._cells is not None:
            image = coarsen(image, self._cells)
        # The face is encoded once for all sets.
        codes = network.encode(image.contiguous(memory_format=torch.channels_last))
        shortcut, bottleneck = (z.expand(len(a), -1, -1, -1) for z in codes)
        first = network.decode((shortcut, bottleneck), a)
        second = network(first, inverted(a))
        pixels = (second.clamp(-1, 1) + 1) * 127.5
        return np.asarray(pixels.round().byte().permute(0, 2, 3, 1).cpu().numpy(), np.uint8)
