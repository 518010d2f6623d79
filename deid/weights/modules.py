"""The shipped networks as torch modules: for training, for other devices than the CPU, and where onnxruntime is not installed."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.models.attgan import Generator, TwoPasses
from deid.models.attributes import AttributeClassifier
from deid.models.centerface import CenterFace
from deid.models.dlib_resnet import DlibResNet
from deid.models.face_rcnn import FaceRcnn
from deid.models.mobilenet import FaceMobileNet
from deid.models.mtcnn import ONet, PNet, RNet
from deid.models.pixels import OfPixels
from deid.models.realism import RealismCritic

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def fill(network: nn.Module, arrays: Mapping[str, NDArray[Any]], item: weights.Entry) -> None:
    """Put arrays into a network, which is then in evaluation mode.

    Raises:
        WeightsFormatError: a name or a shape does not fit.
    """
    try:
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except RuntimeError as error:
        raise WeightsFormatError(
            f"{item.file} holds another architecture than {type(network).__name__}({item.architecture}): {error}; {weights.MEND}"
        ) from error
    network.eval().requires_grad_(False)


def _load(name: str, kind: type[NetworkT]) -> NetworkT:
    tensors, item = weights.read(name)
    try:
        network = kind(**item.architecture)
    except TypeError as error:
        raise WeightsFormatError(f"{item.file} holds another architecture than {kind.__name__}: {error}; {weights.MEND}") from error
    fill(network, tensors, item)
    return network


def load_generator() -> Generator:
    """The shipped generator."""
    return _load("attgan", Generator)


def load_attributes() -> AttributeClassifier:
    """The shipped attribute classifier."""
    return _load("attributes", AttributeClassifier)


def load_realism() -> RealismCritic:
    """The shipped realism critic."""
    return _load("realism", RealismCritic)


def load_detector() -> FaceRcnn:
    """The shipped face detector."""
    return _load("detector", FaceRcnn)


def load_centerface() -> CenterFace:
    """The shipped CenterFace."""
    return _load("centerface", CenterFace)


def load_mobilenet() -> FaceMobileNet:
    """The shipped second recogniser."""
    return _load("mobilenet", FaceMobileNet)


def load_mtcnn() -> dict[str, nn.Module]:
    """The shipped networks of MTCNN: `pnet`, `rnet` and `onet`."""
    arrays, item = weights.read("mtcnn")
    networks: dict[str, nn.Module] = {"pnet": PNet(), "rnet": RNet(), "onet": ONet()}
    for name, network in networks.items():
        fill(network, {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}, item)
    return networks


def load_dlib_resnet() -> DlibResNet:
    """dlib's face recogniser."""
    network = DlibResNet()
    fill(network, weights.read_dlib_resnet(), weights.Entry("dlib_resnet", weights.DLIB_RESNET, ""))
    return network


def _cascaded(name: str) -> nn.Module:
    return OfPixels(load_mtcnn()[name], 127.5, 128.0)


#: Builders of the networks as they are run, see `deid.weights.networks`.
MODULES: dict[str, Callable[[], nn.Module]] = {
    "attgan": lambda: TwoPasses(load_generator()),
    "attributes": lambda: OfPixels(load_attributes(), 127.5, 127.5, sigmoid=True),
    "centerface": lambda: OfPixels(load_centerface()),
    "dlib_resnet": lambda: OfPixels(load_dlib_resnet()),
    "mobilenet": lambda: OfPixels(load_mobilenet()),
    "onet": partial(_cascaded, "onet"),
    "pnet": partial(_cascaded, "pnet"),
    "realism": lambda: OfPixels(load_realism(), 127.5, 127.5, sigmoid=True),
    "rnet": partial(_cascaded, "rnet"),
}
