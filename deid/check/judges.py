"""Judges of a check: detectors with their published settings, and recognisers with their thresholds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deid.core.errors import ConfigError, WeightsMissingError
from deid.core.protocols import Detector, Embedder
from deid.detection.turned import TurnedDetector

#: The cascade's published thresholds: others run MTCNN with its defaults.
_THRESHOLDS = (0.6, 0.7, 0.7)
#: Detectors of a check where none are named: two that miss different faces.
USUAL = ("mtcnn", "centerface")


def mtcnn() -> Detector:
    """MTCNN with its published settings."""
    from deid.detection.mtcnn import MtcnnDetector

    return MtcnnDetector(min_face=20, thresholds=_THRESHOLDS)


def _centerface() -> Detector:
    from deid.detection import tiled_centerface

    return tiled_centerface(15, "cpu")


def _dlib_hog() -> Detector:
    from deid.detection.dlib_detectors import DlibHogDetector

    return DlibHogDetector(min_face=40)


def _scrfd(path: Path) -> Detector:
    from deid.detection.scrfd import ScrfdDetector

    return ScrfdDetector(path)


def _yolo(path: Path) -> Detector:
    from deid.detection import build_detector

    return build_detector(f"yolo:{path}")


DETECTORS: dict[str, Callable[[], Detector]] = {"centerface": _centerface, "dlib_hog": _dlib_hog, "mtcnn": mtcnn}
FILE_DETECTORS: dict[str, Callable[[Path], Detector]] = {"scrfd": _scrfd, "yolo": _yolo}


@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """Judges of both sides.

    Args:
        detectors: detectors; the last one is used for videos, where every frame is searched.
        embedders: recognisers.
    """

    detectors: tuple[Detector, ...]
    embedders: tuple[Embedder, ...]

    @property
    def turned(self) -> TurnedDetector | None:
        """What searches photos at further turns: the two of `USUAL`; None where one of them does not judge."""
        by_name = {d.name: d for d in self.detectors}
        first, second = (by_name.get(name) for name in USUAL)
        return TurnedDetector(first, second) if first and second else None

    @classmethod
    def of(cls, detectors: Sequence[str] = (), recognisers: Sequence[Path] = ()) -> "Judges":
        """Judges by name.

        Args:
            detectors: names of `DETECTORS`, or ``name:file`` with a name of `FILE_DETECTORS`; `USUAL` when there are none.
            recognisers: ArcFace-style ONNX files beside dlib's recogniser, and FaceNet's where it was fetched.

        Raises:
            ConfigError: a name is unknown, or a file is not what it should be.
        """
        return cls(tuple(_detector(name) for name in detectors or USUAL), tuple(recognisers_of(recognisers)))


def _detector(name: str) -> Detector:
    kind, _, file = name.partition(":")
    if name in DETECTORS:
        return DETECTORS[name]()
    if kind in FILE_DETECTORS and file:
        return FILE_DETECTORS[kind](Path(file))
    valid = ", ".join([*sorted(DETECTORS), *(f"{kind}:FILE" for kind in sorted(FILE_DETECTORS))])
    raise ConfigError(f"unknown detector {name!r}; valid are {valid}")


def recognisers_of(files: Sequence[Path] = ()) -> list[Embedder]:
    """dlib's recogniser, FaceNet where its weights were fetched, and the given ONNX files."""
    from deid.recognition.arcface import ArcFaceRecogniser
    from deid.recognition.dlib_resnet import DlibResNetEmbedder

    return [DlibResNetEmbedder(), *_facenet(), *(ArcFaceRecogniser(path) for path in files)]


def _facenet() -> list[Embedder]:
    from deid import weights

    try:
        present = weights.status(weights.entry("facenet")) == "ok"
    except WeightsMissingError:
        present = False
    if not present:
        return []
    from deid.recognition.facenet import FaceNetEmbedder

    return [FaceNetEmbedder()]
