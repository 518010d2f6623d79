"""How a face is treated: replaced or covered. Small, turned, cut and doubtful faces are covered at once."""

from collections.abc import Iterator

from deid.anonymizer import fallback
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level, Request
from deid.core.comparison import below
from deid.core.options import Options
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection.views import find_again
from deid.imaging import geometry
from deid.imaging.alignment import is_profile

#: A face of which less lies inside the photo is covered.
_LEAST_INSIDE = 0.75
#: From this score a face is one without a second look. On 1190 LFW photos that takes nine looks in ten away; of the seven detections
#: that a second look did not confirm, among 1332, the surest had 0.998.
_CERTAIN = 0.999


def levels_for(models: Parts, image: Image, request: Request, detection: Detection) -> tuple[Iterator[Level], list[str]]:
    """The levels of a face of a photo (H, W, 3), mildest first, and why it is covered at once, where it is."""
    if request.levels is not None:
        return iter(request.levels), []
    if detection.label != "face":
        return iter(fallback.plate_covers(models)), []
    why = why_cover(image, detection, models.options, models.gate.detector) if models.options.method == "attgan" else ""
    return (fallback.covers(models), [why]) if why else (fallback.levels(models, models.editor), [])


def why_cover(image: Image, detection: Detection, options: Options, again: Detector) -> str:
    """Why a face should be covered and not replaced, or nothing; ``again`` takes a second look at a face that is not certain."""
    inside = geometry.share_inside(detection.box_xyxy, image.shape[:2])
    if detection.score < options.edit_score:
        return f"score {below(detection.score, options.edit_score)}"
    if detection.size < options.min_edit_size:
        return f"size {below(detection.size, options.min_edit_size, 0, ' px')}"
    if is_profile(detection):
        return "the face is seen from the side"
    if inside < _LEAST_INSIDE:
        return f"only {inside:.0%} of the face lies inside the picture"
    if detection.score < _CERTAIN and (iou := find_again(again.detect, image, detection)[0]) < options.min_iou:
        return f"a second look finds no face there: IoU {below(iou, options.min_iou)}"
    return ""
