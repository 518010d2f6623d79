"""Face detectors by name; `a+b` is the union of two, `yolo:model.onnx` the user's own model."""

from collections.abc import Callable, Sequence
from pathlib import Path

from deid.core.errors import ConfigError
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.merge import merge

__all__ = ["DETECTORS", "EnsembleDetector", "build_detector", "merge", "tiled_centerface"]


def tiled_centerface(min_face: int, device: str, threshold: float | None = None) -> Detector:
    """CenterFace on photos of any size, at its usual least score when None is given."""
    from deid.detection.centerface import USUAL, CenterfaceDetector
    from deid.detection.tiling import TiledDetector

    detector = CenterfaceDetector(min_face, USUAL if threshold is None else threshold, device=device)
    # A video's frame of 1920 pixels is one tile.
    return TiledDetector(detector, 2048)


def _mtcnn(min_face: int, device: str) -> Detector:
    from deid.detection.confirm import ConfirmedDetector
    from deid.detection.mtcnn import MtcnnDetector
    from deid.detection.tiling import TiledDetector

    # Low thresholds and two looks, the second at the mirror image with the pyramid shifted by half a step of 0.709: a false
    # alarm costs a blurred leaf, a miss exposes a person. Tried on 300 LFW photos with 365 faces that SCRFD finds: one look
    # misses 7, two miss 2, a second one with its contrast evened out 3, three looks 1.
    low, usual = (0.5, 0.6, 0.4), (0.6, 0.7, 0.6)
    looks = [
        MtcnnDetector(min_face, low, device=device),
        MtcnnDetector(round(min_face * 0.709**0.5), low, mirrored=True, device=device),
    ]
    judges = [MtcnnDetector(40, low, device=device), MtcnnDetector(30, usual, mirrored=True, device=device)]
    confirmed = ConfirmedDetector(TiledDetector(EnsembleDetector(looks, "mtcnn")), judges)
    return EnsembleDetector([confirmed, _mtcnn_once(min_face, device)], "mtcnn")


def _mtcnn_once(min_face: int, device: str) -> Detector:
    from deid.detection.mtcnn import MtcnnDetector
    from deid.detection.tiling import TiledDetector

    # Results are often checked with MTCNN's defaults, so what these detect is covered without confirmation. Measured on 1030 LFW
    # photos with 1301 such detections: 9 are missed by `mtcnn` or not confirmed, a bystander and eight of ears, letters and cloth.
    return TiledDetector(MtcnnDetector(max(min_face, 20), device=device))


def _mtcnn_fast(min_face: int, device: str) -> Detector:
    from deid.detection.mtcnn import MtcnnDetector
    from deid.detection.tiling import TiledDetector

    return TiledDetector(MtcnnDetector(round(min_face * 1.2), device=device))


def _haar(min_face: int, device: str) -> Detector:
    from deid.detection.haar import HaarDetector

    return HaarDetector(max(min_face, 20))


def _dlib_hog(min_face: int, device: str) -> Detector:
    from deid.detection.dlib_detectors import DlibHogDetector
    from deid.detection.tiling import TiledDetector

    return TiledDetector(DlibHogDetector(max(min_face, 40)))


def _dlib_mmod(min_face: int, device: str) -> Detector:
    from deid.detection.dlib_detectors import DlibMmodDetector
    from deid.detection.tiling import TiledDetector

    return TiledDetector(DlibMmodDetector(max(min_face, 40)))


def _faster_rcnn(min_face: int, device: str) -> Detector:
    from deid.detection.faster_rcnn import FasterRcnnDetector
    from deid.detection.tiling import TiledDetector

    return TiledDetector(FasterRcnnDetector(min_face, device=device))


def _scrfd(path: Path) -> Detector:
    from deid.detection.scrfd import ScrfdDetector
    from deid.detection.tiling import TiledDetector

    return TiledDetector(ScrfdDetector(path, max_side=1600))


def _yolo(path: Path) -> Detector:
    from deid.detection.tiling import TiledDetector
    from deid.detection.yolo import YoloDetector

    # Tiles of the network's input size are searched: in a photo shrunk to it, small faces would be lost.
    detector = YoloDetector(path)
    return TiledDetector(detector, detector.side, detector.side * 3 // 8)


#: Builders by name; each takes the smallest face in pixels and the device.
DETECTORS: dict[str, Callable[[int, str], Detector]] = {
    "centerface": tiled_centerface,
    "dlib_hog": _dlib_hog,
    "dlib_mmod": _dlib_mmod,
    "faster_rcnn": _faster_rcnn,
    "haar": _haar,
    "mtcnn": _mtcnn,
    "mtcnn_fast": _mtcnn_fast,
    "mtcnn_once": _mtcnn_once,
}
#: Detectors that, with CenterFace beside them, search further turns: their landmarks show which way up a photo is.
_PRECISE = {"mtcnn", "mtcnn_fast", "mtcnn_once"}
#: Builders of detectors whose ONNX file the user has: ``name:file``.
FILE_DETECTORS: dict[str, Callable[[Path], Detector]] = {"scrfd": _scrfd, "yolo": _yolo}


class EnsembleDetector:
    """The union of several detectors, each face once."""

    def __init__(self, detectors: Sequence[Detector], name: str | None = None) -> None:
        self.detectors = tuple(detectors)
        self.name = name or "+".join(d.name for d in detectors)

    def detect(self, image: Image) -> list[Detection]:
        return merge(found for detector in self.detectors for found in detector.detect(image))


def build_detector(names: str, min_face: int = 15, device: str = "cpu") -> Detector:
    """The detector of a name of `DETECTORS`, of ``name:file`` with a name of `FILE_DETECTORS`, or the union of several joined by ``+``.

    MTCNN with CenterFace, the default, searches further turns where the upright photo needs it, see `TurnedDetector`.

    Raises:
        ConfigError: a name is unknown, or a file is of another kind.
        DependencyError: a detector needs a package that is not installed.
    """
    own = names.split("+")
    detectors = tuple(_build_one(name, min_face, device) for name in own)
    if len(own) == 2 and own[0] in _PRECISE and own[1] == "centerface":
        from deid.detection.centerface import FAINT, USUAL
        from deid.detection.turned import TurnedDetector

        # The second one's faint detections are looked at closely.
        return TurnedDetector(detectors[0], tiled_centerface(min_face, device, FAINT), USUAL)
    return detectors[0] if len(detectors) == 1 else EnsembleDetector(detectors)


def _build_one(name: str, min_face: int, device: str) -> Detector:
    if name in DETECTORS:
        return DETECTORS[name](min_face, device)
    kind, _, file = name.partition(":")
    if kind in FILE_DETECTORS and file:
        return FILE_DETECTORS[kind](Path(file))
    raise ConfigError(
        f"unknown detector {name!r}; valid are {', '.join(sorted(DETECTORS))}, {', '.join(f'{k}:FILE' for k in sorted(FILE_DETECTORS))}, "
        "or a union such as mtcnn+haar"
    )
