"""Recognisers as differentiable functions of aligned crops, for the generator's identity loss.

Never put a recogniser here that an evaluation uses as its attacker.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from deid.models.mobilefacenet import MobileFaceNet
from deid.recognition.dlib_resnet import CROP_TO_CHIP
from deid.weights import modules

#: From pixels of an aligned crop (eyes 36 px apart) to MobileFaceNet's 96 x 112 input (eyes 37.3 px apart).
_CROP_TO_MOBILE = np.array([[1.037, 0.0, -15.7], [0.0, 1.037, -12.1]])


class CropRecogniser(nn.Module):
    """Aligned crops (N, 3, 128, 128) in [-1, 1] to unit-norm embeddings (N, 128).

    Args:
        network: takes the warped crops.
        matrix: (2, 3) from pixels of the crop to pixels of the network's input.
        size_hw: of the network's input.
        scale: what the crop is multiplied with after the warp.
        shift: what is added then.
    """

    def __init__(self, network: nn.Module, matrix: NDArray[np.float64], size_hw: tuple[int, int], scale: float, shift: float) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.size_hw, self.scale, self.shift = size_hw, scale, shift
        h, w = size_hw
        ys, xs = np.mgrid[:h, :w]
        linear = np.linalg.inv(matrix[:, :2])
        source = (np.stack([xs, ys], axis=-1) - matrix[:, 2]) @ linear.T
        # align_corners=False: pixel centres lie at (2 i + 1) / n - 1.
        grid = (2 * source + 1) / 128 - 1
        self.register_buffer("grid", torch.from_numpy(grid.astype(np.float32))[None], persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        grid: Tensor = self.grid  # type: ignore[assignment]
        warped = functional.grid_sample(
            crops.float(), grid.expand(len(crops), -1, -1, -1), mode="bilinear", padding_mode="border", align_corners=False
        )
        embedding = self.network((warped * self.scale + self.shift).contiguous(memory_format=torch.channels_last))
        return functional.normalize(embedding.float())


def jittered(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Images (N, C, H, W), each turned by some degrees, scaled and shifted by some per cent, and half of them blurred."""
    n = len(images)
    angle, scale = rng.normal(0, 0.05, n), rng.normal(1, 0.03, n)
    cos, sin, shift = np.cos(angle) / scale, np.sin(angle) / scale, rng.normal(0, 0.02, (n, 2))
    matrix = np.stack([np.stack([cos, -sin, shift[:, 0]], 1), np.stack([sin, cos, shift[:, 1]], 1)], 1).astype(np.float32)
    grid = functional.affine_grid(torch.from_numpy(matrix).to(images.device), list(images.shape), align_corners=False)
    turned = functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    soft = functional.interpolate(functional.avg_pool2d(turned, 2), scale_factor=2, mode="bilinear")
    blurred = torch.from_numpy(rng.random((n, 1, 1, 1)) < 0.5).to(images.device)
    return torch.where(blurred, soft, turned)


def dlib_recogniser() -> CropRecogniser:
    """dlib's ResNet."""
    network = modules.load_dlib_resnet()
    return CropRecogniser(network, CROP_TO_CHIP, (150, 150), 127.5, 127.5)


def mobilefacenet_recogniser(weights: Path) -> CropRecogniser:
    """A MobileFaceNet whose state dict is given as safetensors."""
    network = MobileFaceNet()
    network.load_state_dict(load_file(weights), strict=False)
    return CropRecogniser(network, _CROP_TO_MOBILE, (112, 96), 127.5 / 128, 0.0)
