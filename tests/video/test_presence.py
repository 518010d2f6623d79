"""Whether a face is still there."""

import cv2
import numpy as np

from deid.core.types import Detection, Image
from deid.video.presence import is_alike, view_of


def test_a_face_is_there_in_other_light_and_behind_a_hand_and_not_on_a_wall(hopper: Image, officer: Detection) -> None:
    box = officer.box_xyxy
    face, (x0, y0, x1, y1) = view_of(hopper, box), box.astype(int)
    hidden = hopper.copy()
    hidden[(y0 + 2 * y1) // 3 : y1, x0:x1] = (200, 160, 140)
    darker, moved = (0.6 * hopper).astype(np.uint8), box + (x1 - x0) / 20
    for image, where in ((darker, box), (hopper, moved), (hidden, box)):
        assert is_alike(face, view_of(image, where))
    down = np.linspace(90, 60, hopper.shape[0]).astype(np.uint8)
    wall = cv2.merge([np.repeat(down[:, None], hopper.shape[1], axis=1)] * 3)
    beside, outside = box + 2 * (x1 - x0), box + 10_000.0
    for image, where in ((wall, box), (np.zeros_like(hopper), box), (hopper, beside), (hopper, outside)):
        assert not is_alike(face, view_of(image, where))
