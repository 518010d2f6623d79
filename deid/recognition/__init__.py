"""Recognisers by name: crops to unit-norm embeddings, each with its threshold."""

from collections.abc import Callable

from deid.core.errors import ConfigError
from deid.core.protocols import Embedder

__all__ = ["EMBEDDERS", "build_embedder"]


def _dlib_resnet(device: str) -> Embedder:
    from deid.recognition.dlib_resnet import DlibResNetEmbedder

    return DlibResNetEmbedder(device)


def _facenet(device: str) -> Embedder:
    from deid.recognition.facenet import FaceNetEmbedder

    return FaceNetEmbedder(device)


def _mobilenet(device: str) -> Embedder:
    from deid.recognition.mobilenet import MobileNetEmbedder

    return MobileNetEmbedder(device)


#: Builders by name; each takes the device.
EMBEDDERS: dict[str, Callable[[str], Embedder]] = {"dlib_resnet": _dlib_resnet, "facenet": _facenet, "mobilenet": _mobilenet}


def build_embedder(name: str, device: str = "cpu") -> Embedder:
    """The embedder of a name of `EMBEDDERS`.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in EMBEDDERS:
        raise ConfigError(f"unknown embedder {name!r}; valid are {', '.join(sorted(EMBEDDERS))}")
    return EMBEDDERS[name](device)
