"""What the adapter adds to the cascade: borders, mirrors, tiny images."""

import numpy as np
import pytest

from deid.core.types import Detection, Image
from deid.detection.mtcnn import MtcnnDetector, _unmirror
from deid.imaging import geometry


def _best_iou(found: list[Detection], box: np.ndarray) -> float:
    return float(geometry.box_iou(np.array([d.box_xyxy for d in found]), box).max()) if found else 0.0


def test_landmarks_lie_in_the_box_in_their_order(woman: Detection) -> None:
    points = woman.landmarks
    assert points is not None
    assert ((points > woman.box_xyxy[:2]) & (points < woman.box_xyxy[2:])).all()
    right_eye, left_eye, nose, right_mouth, left_mouth = points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_mirror_of_a_mirror_is_the_face(woman: Detection) -> None:
    again = _unmirror(_unmirror(woman, 300), 300)
    np.testing.assert_allclose(again.box_xyxy, woman.box_xyxy)
    assert again.landmarks is not None
    np.testing.assert_allclose(again.landmarks, woman.landmarks)


def test_faces_of_the_mirror_image_come_back_in_place(astronaut: Image, mtcnn: MtcnnDetector, woman: Detection) -> None:
    mirrored = [_unmirror(d, 300) for d in mtcnn.detect(np.ascontiguousarray(astronaut[:, ::-1]))]
    best = max(mirrored, key=lambda d: d.score)
    assert geometry.box_iou(best.box_xyxy, woman.box_xyxy)[0, 0] > 0.75
    assert best.landmarks is not None
    assert woman.landmarks is not None
    assert np.abs(best.landmarks - woman.landmarks).max() < 4


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_face_that_the_border_cuts_is_found(side: str, hopper: Image, officer: Detection) -> None:
    """A third of the face is outside."""
    x0, y0, x1, y1 = officer.box_xyxy.round().astype(int)
    w, h = x1 - x0, y1 - y0
    cuts = {
        "left": (slice(None), slice(x0 + w // 3, None)),
        "right": (slice(None), slice(None, x1 - w // 3)),
        "top": (slice(y0 + h // 4, None), slice(None)),
        "bottom": (slice(None, y1 - h // 4), slice(None)),
    }
    rows, columns = cuts[side]
    image = np.ascontiguousarray(hopper[rows, columns])
    shift = np.array([columns.start or 0, rows.start or 0])
    left = geometry.clip_box(officer.box_xyxy - np.tile(shift, 2), image.shape[:2])
    found = MtcnnDetector(20, (0.5, 0.5, 0.4)).detect(image)
    # The detector may complete the face beyond the border.
    inside = [Detection(geometry.clip_box(d.box_xyxy, image.shape[:2]), d.score) for d in found]
    assert _best_iou(inside, left) > 0.35


@pytest.mark.parametrize("size", [(1, 1), (2, 90), (90, 2), (12, 12), (13, 300)])
def test_tiny_image_has_no_face_and_no_error(size: tuple[int, int], mtcnn: MtcnnDetector) -> None:
    assert mtcnn.detect(np.full((*size, 3), 128, np.uint8)) == []


def test_batch_gives_what_single_images_give(astronaut: Image, hopper: Image, mtcnn: MtcnnDetector) -> None:
    pair = [astronaut[:, :256].copy(), hopper]
    together = mtcnn.detect_batch(pair)
    for image, found in zip(pair, together, strict=True):
        alone = mtcnn.detect(image)
        assert len(alone) == len(found)
        for a, b in zip(alone, found, strict=True):
            np.testing.assert_allclose(a.box_xyxy, b.box_xyxy, atol=0.05)


def test_batch_of_several_sizes_is_refused(astronaut: Image, mtcnn: MtcnnDetector) -> None:
    with pytest.raises(ValueError, match="images of one size"):
        mtcnn.detect_batch([astronaut, astronaut[:100]])
