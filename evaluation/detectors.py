"""The two detectors that every score stands on."""

from collections.abc import Sequence

from deid.protocols import Detector
from deid.structures import Detection, Image
from evaluation.datasets import data_folder

#: The cascade's published thresholds: the user of a photo runs MTCNN as it comes.
_THRESHOLDS = (0.6, 0.7, 0.7)
SCRFD_FILE = "recognisers/scrfd_2.5g_bnkps.onnx"


def first_detector() -> Detector:
    """MTCNN with its published settings."""
    from deid.detect.mtcnn import MtcnnDetector

    return MtcnnDetector(min_face=20, thresholds=_THRESHOLDS)


def second_detector() -> Detector:
    """SCRFD when its file is in the data folder, else dlib's HOG detector."""
    path = data_folder() / SCRFD_FILE
    if path.is_file():
        from evaluation.scrfd import ScrfdDetector

        return ScrfdDetector(path)
    from deid.detect.dlib_detectors import DlibHogDetector

    return DlibHogDetector(min_face=40)


def both_detectors() -> tuple[Detector, Detector]:
    """The first and the second."""
    return first_detector(), second_detector()


def find(detector: Detector, images: Sequence[Image | None]) -> list[list[Detection]]:
    """Faces of each image; of None, none. Images of one size go through in one pass where the detector can."""
    present = [image for image in images if image is not None]
    batch = getattr(detector, "detect_batch", None)
    if batch is not None and present and len({image.shape for image in present}) == 1:
        found = iter(batch(present))
    else:
        found = iter([detector.detect(image) for image in present])
    return [next(found) if image is not None else [] for image in images]
