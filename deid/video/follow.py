"""Follows a face that a person drew in one frame of a video, forward and backward, where no detector sees it.

Points inside the box are followed from frame to frame, the box moves and grows as their median does (Z. Kalal et al., "Forward-Backward
Error: Automatic Detection of Tracking Failures", ICPR 2010); where a detector finds a face near the box, its word counts.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.core.protocols import Refiner
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.video.frames import FrameT, TrackedFace
from deid.video.novelty import Novelty

#: Frames are shrunk to so many pixels on the longer side, but a face not below so many.
_LONGEST, _LEAST_FACE = 720.0, 48.0
#: Bytes of shrunk frames before the drawn one that are kept for the way back.
_KEPT_BYTES = 256 << 20
#: Points across the box that are followed; one whose way there and back ends further from its beginning is lost, in shares of the box.
_GRID, _STRAYED = 12, 0.04
#: Less of the points, or a patch that looks less like the last one, and the face is lost in this frame.
_LEAST_POINTS, _LEAST_ALIKE = 0.35, 0.55
#: A face that is lost for so many seconds is no longer followed; until then its box stays and grows.
_PATIENCE_S, _GROWTH = 0.4, 0.04
#: A refined box that overlaps the followed one by less is another face.
_SAME_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class _Small:
    """A frame at the size at which it is followed."""

    index: int
    rgb: Image
    grey: NDArray[np.uint8]
    begins_scene: bool


def follow(
    frames: Iterable[FrameT], index: int, box_xyxy: NDArray[np.float64], track: int, rate: float, refiner: Refiner | None = None
) -> dict[int, TrackedFace]:
    """Boxes of a face that a person drew in one frame, over the whole video.

    Args:
        frames: the video from its beginning, each asked for its pixels once.
        index: of the frame in which it was drawn.
        box_xyxy: (4,) in pixels of that frame.
        track: number to give it.
        rate: frames per second.
        refiner: looks for a face near the box; None to follow points alone.

    Returns:
        By frame: `seen` where a detector confirms it, `remembered` where the points alone say so; the drawn frame among them. It ends where
        the scene does, where the face leaves the picture, and where it is lost.
    """
    novelty, before, faces = Novelty(), deque[_Small](), dict[int, TrackedFace]()
    follower: _Follower | None = None
    scale, size_hw = 1.0, (0, 0)
    for number, frame in enumerate(frames):
        image = frame.rgb()
        if number == 0:
            size_hw = image.shape[:2]
            scale = _scale(size_hw, box_xyxy)
        small = _shrunk(number, image, scale, novelty.of(image).cut)
        if number <= index:
            before.append(small)
            while len(before) * small.rgb.nbytes > _KEPT_BYTES:
                before.popleft()
        if number == index:
            start = box_xyxy * scale
            backward = _Follower(start, track, rate, refiner, faces)
            backward.begin(small, scale)
            _go_back(backward, before, scale)
            follower = _Follower(start, track, rate, refiner, faces)
            follower.begin(small, scale)
            before.clear()
        elif number > index and follower is not None and (small.begins_scene or not follower.step(small, scale)):
            break
    return {i: face for i, face in sorted(faces.items()) if _inside(face.detection, size_hw)}


def _go_back(follower: "_Follower", before: Sequence[_Small], scale: float) -> None:
    """Follow a face through the frames before the last one of these."""
    here = before[-1]
    for small in reversed(list(before)[:-1]):
        if here.begins_scene or not follower.step(small, scale):
            return
        here = small


def _scale(size_hw: tuple[int, int], box: NDArray[np.float64]) -> float:
    least = _LEAST_FACE / float((box[2:] - box[:2]).min())
    return min(1.0, max(_LONGEST / max(size_hw), least))


def _shrunk(index: int, image: Image, scale: float, begins_scene: bool) -> _Small:
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    rgb = np.asarray(image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _Small(index, rgb, np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8), begins_scene)


def _inside(detection: Detection, size_hw: tuple[int, int]) -> bool:
    inside = geometry.box_area(geometry.clip_box(detection.box_xyxy, size_hw)) / geometry.box_area(detection.box_xyxy)
    return bool(inside[0] > 0.05)


class _Follower:
    """A box on its way through shrunk frames, in one direction; notes where it is, in pixels of the video."""

    def __init__(self, box: NDArray[np.float64], track: int, rate: float, refiner: Refiner | None, faces: dict[int, TrackedFace]) -> None:
        self._box, self._track, self._faces, self._refiner = box, track, faces, refiner
        self._patience, self._lost = max(2, round(_PATIENCE_S * rate)), 0
        self._last: _Small | None = None

    def begin(self, small: _Small, scale: float) -> None:
        """The frame in which it was drawn: the person's box stands."""
        self._last = small
        found = self._refined(small)
        # The drawn box is covered exactly.
        points = None if found is None else found.landmarks
        self._note(small, Detection(self._box, 1.0, points, "user"), scale)

    def step(self, small: _Small, scale: float) -> bool:
        """Follow it into the next frame; False when there is nothing left to follow."""
        assert self._last is not None
        moved = _moved(self._last.grey, small.grey, self._box)
        if moved is None:
            self._lost += 1
            self._box = geometry.expand_box(self._box, 1 + _GROWTH)
        else:
            self._lost, self._box = 0, moved
        found = self._refined(small)
        if found is not None:
            self._lost = 0
            self._box = self._adopted(found)
        if self._lost > self._patience or not _inside(Detection(self._box), small.rgb.shape[:2]):
            return False
        self._note(small, Detection(self._box, 1.0, None if found is None else found.landmarks, "user"), scale)
        self._last = small
        return True

    def _adopted(self, found: Detection) -> NDArray[np.float64]:
        """The followed box, drawn half-way to where the detector sees the face: what was drawn keeps its size for a while."""
        return np.asarray((self._box + found.box_xyxy) / 2)

    def _refined(self, small: _Small) -> Detection | None:
        if self._refiner is None:
            return None
        found = self._refiner.refine(small.rgb, [self._box])[0]
        if found is None or geometry.box_iou(found.box_xyxy, self._box)[0, 0] < _SAME_IOU:
            return None
        return found

    def _note(self, small: _Small, detection: Detection, scale: float) -> None:
        in_video = detection.moved(np.full(2, 1 / scale), np.zeros(2))
        seen = detection.landmarks is not None
        self._faces[small.index] = TrackedFace(self._track, in_video, "seen" if seen else "remembered")


def _moved(before: NDArray[np.uint8], after: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """A box (4,) of one grey frame in the next one, or None when the points or the looks say that it is lost."""
    inner = geometry.clip_box(geometry.expand_box(box, 0.8), before.shape[:2])
    if (inner[2:] - inner[:2] < 4).any():
        return None
    x, y = np.meshgrid(np.linspace(inner[0], inner[2] - 1, _GRID), np.linspace(inner[1], inner[3] - 1, _GRID))
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)[:, None]
    flow: Any = cv2.calcOpticalFlowPyrLK
    there, ok, _ = flow(before, after, points, None, winSize=(15, 15), maxLevel=3)
    back, ok_back, _ = flow(after, before, there, None, winSize=(15, 15), maxLevel=3)
    error = np.linalg.norm((points - back)[:, 0], axis=1)
    good = (ok.ravel() == 1) & (ok_back.ravel() == 1) & (error <= max(1.0, _STRAYED * float((box[2:] - box[:2]).max())))
    if good.mean() < _LEAST_POINTS:
        return None
    a, b = points[good, 0].astype(float), there[good, 0].astype(float)
    new = _carried(box, a, b)
    return new if _alike(before, after, box, new) >= _LEAST_ALIKE else None


def _carried(box: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """A box that moves and grows as the median of points (N, 2) does."""
    shift = np.median(b - a, axis=0)
    spread_a, spread_b = (np.abs(p - np.median(p, axis=0)).mean() for p in (a, b))
    growth = float(np.clip(spread_b / max(float(spread_a), 1e-6), 0.95, 1.05))
    return geometry.expand_box(box + np.tile(shift, 2), growth)


def _alike(before: NDArray[np.uint8], after: NDArray[np.uint8], old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Correlation of what lies in two boxes, in [-1, 1]; 1 where they are too small or too even."""
    patches = []
    for grey, box in ((before, old), (after, new)):
        rows, columns = geometry.box_to_slices(box, grey.shape[:2])
        part = grey[rows, columns]
        if min(part.shape) < 4:
            return 1.0
        patch = cv2.resize(part, (24, 24), interpolation=cv2.INTER_AREA).astype(float)
        patches.append(patch - patch.mean())
    norm = float(np.linalg.norm(patches[0]) * np.linalg.norm(patches[1]))
    return 1.0 if norm < 1e-6 else float((patches[0] * patches[1]).sum() / norm)
