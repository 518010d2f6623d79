"""Validation of a detector's answer: the detector may be the caller's own."""

from deid.core.errors import DeidError, DetectionError
from deid.core.protocols import Detector, name_of
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.models import inference

#: A picture of so many bytes, 13 megapixels, takes much memory to search, and copies of it follow.
_LARGE = 40_000_000


def give_back_after(image: Image) -> None:
    """Give back the memory of networks that searched a large (H, W, 3) image, before copies of it are taken."""
    if image.nbytes >= _LARGE:
        inference.give_back()


def detect(detector: Detector, image: Image) -> list[Detection]:
    """Faces in an (H, W, 3) uint8 RGB image; those that lie wholly outside it are left out.

    Raises:
        DetectionError: the detector failed, or returned something else.
    """
    try:
        found = detector.detect(image)
    except DeidError:
        raise
    except Exception as error:
        raise DetectionError(f"{name_of(detector)} failed: {error}") from error
    give_back_after(image)
    if not isinstance(found, list) or not all(isinstance(d, Detection) for d in found):
        raise DetectionError(f"expected a list of Detection from {name_of(detector)}, got {type(found).__name__}")
    return [d for d in found if geometry.share_inside(d.box_xyxy, image.shape[:2]) > 0]
