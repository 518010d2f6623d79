"""The two passes of AttGAN over a stand-in: once with an attribute set, once with its opposite, so that gender comes back."""

import copy
import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deid import weights
from deid.detect.face_points import FacePoints
from deid.edit.appearance import AppearanceModel, shaded
from deid.exceptions import EditError
from deid.models.attgan import ATTRIBUTES, CROP_SIZE, N_CODES, Generator, inverted
from deid.models.packed import packed
from deid.structures import AlignedFace, Crops, EditedFace, Image

_SET_SIZE = len(ATTRIBUTES) + N_CODES
_MALE = ATTRIBUTES.index("Male")
#: How much of a face's features gives way to a stand-in's: pose, expression and light stay without them (weights/EXPERIMENTS.md).
_REPLACED = 1.0
#: Median of a face's grey levels up to which it is edited as if it were lit, and by how much at most: of darker faces, which the
#: generator has not learned from, it makes specks.
_DIM, _MOST_LIGHT = 70.0, 8.0
#: What is face in any aligned crop.
_FACE = np.s_[44:108, 40:88]


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
        network: in place of the shipped one.
        replaced: share of the features that a stand-in has taken over before the first pass; 0 edits the face itself.
    """

    name = "attgan"

    def __init__(
        self, device: str = "cpu", cells: int | None = None, network: Generator | None = None, replaced: float = _REPLACED
    ) -> None:
        self._device, self._cells, self._network, self._replaced = device, cells, network, replaced
        self._ready: Generator | None = None
        self._appearance, self._points = AppearanceModel(), FacePoints()
        self._lock = threading.Lock()

    @property
    def network(self) -> Generator:
        """The generator, read and made ready on first use."""
        with self._lock:
            if self._ready is None:
                network = self._network or weights.load_generator()
                self._ready = packed(network.to(self._device).to(memory_format=torch.channels_last))
            return self._ready

    def preload(self) -> None:
        """Read generator and appearance model now.

        Raises:
            WeightsError: a file is missing, altered, or holds something else.
        """
        _ = self.network, self._appearance.arrays

    def coarse(self, cells: int) -> "AttganEditor":
        """The same editor, which sees no more of a face than a mosaic of so many cells across holds."""
        _ = self.network
        other = copy.copy(self)
        other._cells = cells
        return other

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
        light = float(np.clip(_DIM / max(1.0, float(np.median(face.crop[_FACE]))), 1.0, _MOST_LIGHT))
        lit = np.asarray(np.clip(face.crop * light, 0, 255).round(), np.uint8)
        seen = self.shown(lit, sets, face.points)
        edited = self._two_passes(seen, sets)
        if self._replaced:
            edited = shaded(edited, seen, lit)
        edited = np.asarray((edited / light).round(), np.uint8)
        return [EditedFace(c, name, a, strength, lit=bool(self._replaced)) for c, a in zip(edited, sets, strict=True)]

    def shown(self, crop: Image, sets: NDArray[np.float32], points: NDArray[np.float64] | None = None) -> Crops:
        """What the generator sees: a stand-in for each set, or the face itself once for all; ``points`` as in `AlignedFace`."""
        if not self._replaced:
            return crop[None]
        # The first pass moves to the other gender.
        male = bool(sets[0, _MALE] < 0)
        points = self._points.points(crop) if points is None else points
        return self._appearance.stand_ins(crop, points, male, sets[:, len(ATTRIBUTES) :], self._replaced)

    @torch.inference_mode()
    def _two_passes(self, crops: Crops, sets: NDArray[np.float32]) -> Crops:
        network = self.network
        images = torch.from_numpy(crops.astype(np.float32) / 127.5 - 1.0).permute(0, 3, 1, 2).to(self._device)
        # A published checkpoint knows no identity codes.
        a = torch.from_numpy(sets[:, : network.n_attributes + network.n_codes]).to(self._device)
        if self._cells is not None:
            images = coarsen(images, self._cells)
        # A face that all sets edit is encoded once.
        codes = network.encode(images.contiguous(memory_format=torch.channels_last))
        shortcut, bottleneck = (z.expand(len(a), -1, -1, -1) for z in codes)
        first = network.decode((shortcut, bottleneck), a)
        second = network(first, inverted(a))
        pixels = (second.clamp(-1, 1) + 1) * 127.5
        return np.asarray(pixels.round().byte().permute(0, 2, 3, 1).cpu().numpy(), np.uint8)
