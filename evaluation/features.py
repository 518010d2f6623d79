"""Features for FID and KID, from an available network, which the report names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deid.core.errors import WeightsError
from deid.core.types import Crops, Image
from deid.recognition.arcface import to_blob
from deid.weights import modules
from evaluation.datasets import data_folder
from evaluation.recognisers import ATTACKER_FILE, MiddleLayers

_BATCH = 32
#: Crops at the photo's scale have this side; tiles of them begin at three places each way, and overlap.
WIDE = 256
_TILES_PER_SIDE = 3
#: Maps of the attacker's network at a quarter and at an eighth of a tile: grain, edges and seams; eyes, brows and hairs.
_LAYERS = ("/features/features.4/Add_output_0", "/features/features.8/Add_output_0")


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A named function from crops (N, H, H, 3) to features (N, D)."""

    name: str
    compute: Callable[[Crops], NDArray[np.float64]]


def load() -> Features:
    """Inception when torchvision's weights are cached; else the attribute classifier; else dlib's network before its last layer."""
    cached = sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("inception_v3_google-*.pth"))
    if cached:
        return Features(f"Inception v3 pool, {cached[0].name}", _run(_inception(cached[0])))
    try:
        network = modules.load_attributes()
        return Features("attribute classifier of deid, pooled, 64 px", _run(lambda x: network.features(x)))
    except WeightsError:
        return Features("dlib recogniser before its last layer", _run(_dlib_pooled()))


def load_wide() -> Features:
    """Features of crops of 256 px, every pixel seen as it is: nine overlapping tiles by the attacker's network, else by dlib's."""
    path = data_folder() / ATTACKER_FILE
    if path.is_file():
        layers = MiddleLayers(path, _LAYERS)
        return Features(f"{path.stem}, two middle layers pooled, nine tiles of 112 px", _each(lambda tile: _pooled(layers, tile), 112))
    network = _run(_dlib_pooled())
    return Features("dlib recogniser before its last layer, nine tiles of 150 px", _each(lambda tile: network(tile[None])[0], 150))


def _each(look: Callable[[Image], NDArray[np.float64]], side: int) -> Callable[[Crops], NDArray[np.float64]]:
    """Features (N, 9 D) of crops (N, 256, 256, 3) from features (D,) of tiles (side, side, 3)."""
    starts = np.linspace(0, WIDE - side, _TILES_PER_SIDE).round().astype(int)
    return lambda crops: np.stack(
        [np.concatenate([look(crop[y : y + side, x : x + side]) for y in starts for x in starts]) for crop in crops]
    )


def _pooled(layers: MiddleLayers, tile: Image) -> NDArray[np.float64]:
    return np.concatenate([found.mean(axis=(1, 2), dtype=np.float64) for found in layers(to_blob(tile))])


def _run(network: Callable[[Tensor], Tensor]) -> Callable[[Crops], NDArray[np.float64]]:
    @torch.inference_mode()
    def compute(crops: Crops) -> NDArray[np.float64]:
        rows = []
        for start in range(0, len(crops), _BATCH):
            images = torch.from_numpy(crops[start : start + _BATCH]).permute(0, 3, 1, 2).float() / 127.5 - 1.0
            rows.append(network(images).double().numpy())
        return np.concatenate(rows)

    return compute


def _inception(path: Path) -> Callable[[Tensor], Tensor]:
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, init_weights=False, transform_input=False)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.fc = nn.Identity()
    network.eval()
    # The weights were ported from TensorFlow, whose input is in [-1, 1].
    return lambda x: network(nn.functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False))


def _dlib_pooled() -> Callable[[Tensor], Tensor]:
    network = modules.load_dlib_resnet()
    network.fc = nn.Identity()  # type: ignore[assignment]
    return lambda x: network(nn.functional.interpolate((x + 1) * 127.5, size=(150, 150), mode="bilinear", align_corners=False))
