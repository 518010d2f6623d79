"""A detector of one's own: anything with a name and a `detect` method.

    python examples/own_detector.py

This one is OpenCV's oldest trick, skin colour, and misses much: it shows the shape and not how to find faces. Whatever it
finds is replaced or covered; what it misses stays, for the detector is asked in place of deid's own.
"""

import cv2
import numpy as np
from PIL import Image
from skimage import data

import deid


class SkinDetector:
    """The largest patch of skin colour in the upper half of a picture."""

    name = "skin"

    def detect(self, image: np.ndarray) -> list[deid.Detection]:
        """Faces of an (H, W, 3) uint8 RGB image."""
        upper = np.ascontiguousarray(image[: image.shape[0] // 2])
        skin = cv2.inRange(cv2.cvtColor(upper, cv2.COLOR_RGB2YCrCb), (60, 140, 85), (255, 175, 125))
        skin = cv2.morphologyEx(skin, cv2.MORPH_OPEN, np.ones((9, 9)))
        _, _, stats, _ = cv2.connectedComponentsWithStats(skin)
        patches = sorted(stats[1:], key=lambda s: -s[cv2.CC_STAT_AREA])
        return [deid.Detection(np.array([x, y, x + w, y + h], float), 0.95, None, self.name) for x, y, w, h, _ in patches[:1]]


if __name__ == "__main__":
    engine = deid.Anonymizer(deid.Options(method="blur"), detector=SkinDetector())
    result = engine.process(data.astronaut())
    for face in result.faces:
        print(face.detection.detector, face.detection.box_xyxy.round(), face.method, face.status)
    Image.fromarray(result.image).save("own_detector.png")
    print("own_detector.png")
