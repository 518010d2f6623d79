"""Position of a face in a frame, from the frames with a detection."""

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Detection
from deid.imaging import geometry

#: Frames on either side that steady a face, and the standard deviation of their weight.
STEADY, _SIGMA = 3, 1.2
#: A steadied box that overlaps less with what was seen in its very frame has strayed from a face that moves abruptly.
_STRAYED = 0.6
#: A remembered face may have moved: its box grows by this share a frame.
_GROWTH = 0.08
#: So many sightings next to an end of a track say how the face moves there. For so many frames after the last one it may go on.
NEAR_END, _GOES_ON = 4, 3
#: A face this large, in pixels, is as good as a larger one.
_LARGE = 120.0


def _at(seen: dict[int, Detection], index: int) -> Detection:
    """A face between two frames in which it was seen, or in one of them."""
    if index in seen:
        return seen[index]
    before, after = max(i for i in seen if i < index), min(i for i in seen if i > index)
    share, a, b = (index - before) / (after - before), seen[before], seen[after]
    box = a.box_xyxy + share * (b.box_xyxy - a.box_xyxy)
    points = None
    if a.landmarks is not None and b.landmarks is not None:
        points = a.landmarks + share * (b.landmarks - a.landmarks)
    return Detection(box, min(a.score, b.score), points, a.detector)


def steadied(seen: dict[int, Detection], index: int) -> Detection:
    """A face without the detector's jitter: a line fitted to its neighbours in time, with weights that fall off."""
    first, last = min(seen), max(seen)
    near = range(max(first, index - STEADY), min(last, index + STEADY) + 1)
    # In a gap the face may be gone, and come back elsewhere: what lies between says nothing of where it is seen.
    at = [i for i in near if i in seen] if index in seen else near
    here, around = _at(seen, index), [_at(seen, i) for i in at]
    value = _fit(np.array(at, float) - index, np.stack([d.box_xyxy for d in around]))
    box = value if (value[2:] > value[:2]).all() else here.box_xyxy
    if index in seen and geometry.box_iou(box, here.box_xyxy)[0, 0] < _STRAYED:
        return here
    points = here.landmarks
    if points is not None and all(d.landmarks is not None for d in around):
        points = _fit(np.array(at, float) - index, np.stack([np.ravel(np.asarray(d.landmarks)) for d in around])).reshape(5, 2)
    return Detection(box, here.score, points, here.detector)


def _fit(time: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value at time 0 of weighted lines through values (N, D) at times (N,)."""
    weight = np.exp(-0.5 * (time / _SIGMA) ** 2)
    mean_t = (weight * time).sum() / weight.sum()
    mean_v = weight @ values / weight.sum()
    spread = (weight * (time - mean_t) ** 2).sum()
    if spread < 1e-9:
        return np.asarray(mean_v)
    slope = (weight * (time - mean_t)) @ (values - mean_v) / spread
    return np.asarray(mean_v - slope * mean_t)


def remembered(seen: dict[int, Detection], end: int, index: int) -> Detection:
    """A face some frames before its first or after its last sighting: moving on as it moved there, and after the last for a while only.

    Who is no longer seen may have stopped: the place of the last sighting stays covered.
    """
    near = sorted(seen, key=lambda i: abs(i - end))[:NEAR_END]
    boxes = np.stack([seen[i].box_xyxy for i in near])
    time = np.array(near, float) - end
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    slope = np.zeros(2) if len(near) < 2 else np.polyfit(time, centres, 1)[0]
    limit = 0.25 * seen[end].size
    is_over = end == max(seen) and index > end
    shift = np.clip(slope, -limit, limit) * min(index - end, _GOES_ON if is_over else index - end)
    stays = geometry.expand_box(seen[end].box_xyxy, 1 + _GROWTH * abs(index - end))
    box = stays + np.tile(shift, 2)
    if is_over:
        box = np.concatenate([np.minimum(box[:2], stays[:2]), np.maximum(box[2:], stays[2:])])
    return Detection(box, seen[end].score, None, seen[end].detector)


def clarity(detection: Detection) -> float:
    """How well a face is seen: sure, large, and from the front."""
    points = detection.landmarks
    frontal = 0.5
    if points is not None:
        right, left, nose = points[0], points[1], points[2]
        span = max(float(np.linalg.norm(left - right)), 1.0)
        aside = abs(float((nose - (right + left) / 2) @ (left - right)) / span**2)
        frontal = 1 / (1 + 3 * aside)
    return detection.score * frontal * min(detection.size, _LARGE)
