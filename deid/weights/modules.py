"""The shipped networks as torch modules, as they are trained."""

from collections.abc import Mapping
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import nn

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.models.attgan import Generator
from deid.models.attributes import AttributeClassifier
from deid.models.dlib_resnet import DlibResNet
from deid.models.face_rcnn import FaceRcnn
from deid.models.shipped import filled

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def fill(network: nn.Module, arrays: Mapping[str, NDArray[Any]], item: weights.Entry) -> None:
    """Put arrays into a network, which is then in evaluation mode.

    Raises:
        WeightsFormatError: a name or a shape does not fit.
    """
    try:
        filled(network, arrays)
    except RuntimeError as error:
        raise WeightsFormatError(
            f"{item.file} holds another architecture than {type(network).__name__}({item.architecture}): {error}; {weights.MEND}"
        ) from error


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


def load_detector() -> FaceRcnn:
    """The shipped face detector."""
    return _load("detector", FaceRcnn)


def load_dlib_resnet() -> DlibResNet:
    """dlib's face recogniser."""
    item = weights.dlib_resnet_entry()
    network = DlibResNet(**item.architecture)
    fill(network, weights.read_dlib_resnet(), item)
    return network
