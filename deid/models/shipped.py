"""The networks that every run needs, by name, as torch modules that are filled with arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deid.models.attgan import Generator, TwoPasses
from deid.models.attributes import AttributeClassifier
from deid.models.centerface import CenterFace
from deid.models.dlib_resnet import DlibResNet
from deid.models.masks import GlassesFinder, ObjectsFinder
from deid.models.mobilenet import FaceMobileNet
from deid.models.mtcnn import ONet, PNet, RNet
from deid.models.pixels import OfPixels
from deid.models.realism import RealismCritic

_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "attgan": Generator,
    "attributes": AttributeClassifier,
    "centerface": CenterFace,
    "dlib_resnet": DlibResNet,
    "glasses": GlassesFinder,
    "objects": ObjectsFinder,
    "mobilenet": FaceMobileNet,
    "onet": ONet,
    "pnet": PNet,
    "realism": RealismCritic,
    "rnet": RNet,
}
#: What each takes pixels from: their middle and their spread, and whether its answers are logits.
_PIXELS: dict[str, dict[str, Any]] = {
    "attributes": {"middle": 127.5, "spread": 127.5, "sigmoid": True},
    "glasses": {"middle": 127.5, "spread": 127.5, "sigmoid": True},
    "objects": {"middle": 127.5, "spread": 127.5, "sigmoid": True},
    "onet": {"middle": 127.5, "spread": 128.0},
    "pnet": {"middle": 127.5, "spread": 128.0},
    "realism": {"middle": 127.5, "spread": 127.5, "sigmoid": True},
    "rnet": {"middle": 127.5, "spread": 128.0},
}


def filled(network: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> nn.Module:
    """A network with these arrays in it, in evaluation mode.

    Raises:
        RuntimeError: a name or a shape does not fit.
    """
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return network.eval().requires_grad_(False)


def as_run(name: str, arrays: Mapping[str, NDArray[Any]], architecture: Mapping[str, Any]) -> nn.Module:
    """A network as it is run: pixels (N, H, W, 3) in [0, 255] go in as they are.

    Raises:
        RuntimeError: a name or a shape does not fit.
        TypeError: it has no such architecture.
    """
    network = filled(_NETWORKS[name](**architecture), arrays)
    return TwoPasses(network) if isinstance(network, Generator) else OfPixels(network, **_PIXELS.get(name, {}))
