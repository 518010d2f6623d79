"""The faces that are covered at once: too small, turned away, cut off, or doubtful."""

from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.imaging.alignment import is_profile
from deid.verification.gate import Gate

#: A face of which less lies inside the photo is covered.
_LEAST_INSIDE = 0.75
#: From this score a face is one without a second look. On 1190 LFW photos that takes nine looks in ten away; of the seven detections
#: that a second look did not confirm, among 1332, the surest had 0.998.
_CERTAIN = 0.999


def why_cover(image: Image, detection: Detection, options: Options, gate: Gate) -> str:
    """Why a face should be covered and not replaced, or nothing."""
    inside = geometry.share_inside(detection.box_xyxy, image.shape[:2])
    if detection.score < options.edit_score:
        return f"score {detection.score:.2f} < {options.edit_score:.2f}"
    if detection.size < options.min_edit_size:
        return f"size {detection.size:.0f} px < {options.min_edit_size:.0f} px"
    if is_profile(detection):
        return "the face is seen from the side"
    if inside < _LEAST_INSIDE:
        return f"only {inside:.0%} of the face lies inside the picture"
    if detection.score < _CERTAIN and (iou := gate.find_again(image, detection)[0]) < options.min_iou:
        return f"a second look finds no face there: IoU {iou:.2f} < {options.min_iou:.2f}"
    return ""
