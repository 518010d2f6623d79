"""A step for users of supervision: takes its detections of faces, and has the interface of its annotators.

    python examples/supervision_step.py

Boxes may come from any model that supervision knows. Pictures are BGR there, as OpenCV has them.
"""

import cv2
import numpy as np
import supervision as sv
from skimage import data

import deid


class DeidAnnotator:
    """New faces in place of those that were detected."""

    def __init__(self, options: deid.Options | None = None) -> None:
        self.engine = deid.Anonymizer(options)

    def annotate(self, scene: np.ndarray, detections: sv.Detections) -> np.ndarray:
        """The scene (H, W, 3), BGR, without those people; detections that are no faces must be filtered out before."""
        known = [deid.Detection(box) for box in detections.xyxy]
        rgb = np.ascontiguousarray(scene[:, :, ::-1])
        return np.ascontiguousarray(self.engine.process(rgb, known).image[:, :, ::-1])


if __name__ == "__main__":
    scene = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    # As a detector's adapter gives them, such as sv.Detections.from_ultralytics(...).
    faces = sv.Detections(xyxy=np.array([[170.0, 65, 280, 220]]), class_id=np.array([0]))
    scene = DeidAnnotator(deid.Options(method="blur")).annotate(scene, faces)
    scene = sv.BoxAnnotator().annotate(scene, faces)
    cv2.imwrite("supervision.png", scene)
    print("supervision.png")
