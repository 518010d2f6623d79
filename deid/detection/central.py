"""The face that a picture is of."""

import numpy as np

from deid.core.types import Detection, Image


def central(detections: list[Detection], image: Image) -> Detection | None:
    """The face nearest to the centre of the image: in LFW and CelebA it is the one that the file is named for."""
    centre = np.array(image.shape[1::-1]) / 2

    def offset(d: Detection) -> float:
        return float(np.linalg.norm((d.box_xyxy[:2] + d.box_xyxy[2:]) / 2 - centre) / d.size)

    return min(detections, key=offset, default=None)
