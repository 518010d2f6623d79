"""The two detectors on which all scores are based."""

import hashlib
from collections.abc import Sequence

from deid.check.faces import find
from deid.check.judges import mtcnn
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from evaluation.datasets import data_folder

SCRFD_FILE = "recognisers/scrfd_2.5g_bnkps.onnx"


def second_detector() -> Detector:
    """SCRFD when its file is in the data folder, else dlib's HOG detector."""
    path = data_folder() / SCRFD_FILE
    if path.is_file():
        from deid.detection.scrfd import ScrfdDetector

        return ScrfdDetector(path)
    from deid.detection.dlib_detectors import DlibHogDetector

    return DlibHogDetector(min_face=40)


def both_detectors() -> tuple[Detector, Detector]:
    """The first and the second."""
    return mtcnn(), second_detector()


def fingerprint(detector: Detector) -> str:
    """sha256 of the file that a detector's weights come from; of those that a package brings, which package."""
    from deid.detection.scrfd import ScrfdDetector

    if isinstance(detector, ScrfdDetector):
        return hashlib.sha256(detector.path.read_bytes()).hexdigest()
    return {"mtcnn": "in facenet-pytorch", "dlib_hog": "in dlib"}[detector.name]


class Remembering:
    """A detector with a cache, which searches each untouched photo once.

    Args:
        detector: that does the work.
        untouched: the photos to remember.
    """

    def __init__(self, detector: Detector, untouched: Sequence[Image]) -> None:
        self.name, self._detector = detector.name, detector
        # The photos are kept as well: an id is only good while its object lives.
        self._untouched = {id(image): image for image in untouched}
        self._known: dict[int, list[Detection]] = {}

    def detect(self, image: Image) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 RGB image."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Faces of several images of one size."""
        found = dict(self._known)
        new = {id(image): image for image in images if id(image) not in found}
        found.update(zip(new, find(self._detector, list(new.values())), strict=True))
        self._known.update((key, found[key]) for key in new if key in self._untouched)
        return [found[id(image)] for image in images]
