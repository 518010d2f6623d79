"""Known faces: boxes that are none are refused, and further faces are found."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from deid.anonymizer import known_boxes
from deid.anonymizer.engine import Anonymizer
from deid.core.errors import DetectionError
from deid.core.options import Options
from deid.core.types import Detection, Distance, FaceResult, Image, ImageResult, Verification

LANDMARKS = np.array([[14.0, 14], [26, 14], [20, 20], [15, 26], [25, 26]])


def _face(*box: float, landmarks: bool = False) -> Detection:
    return Detection(np.array(box, float), 0.9, LANDMARKS if landmarks else None)


BOXES: dict[str, tuple[list[float], str]] = {
    "inside": ([10, 10, 40, 40], ""),
    "over the border": ([-10, -10, 40, 40], ""),
    "whole picture": ([0, 0, 200, 100], ""),
    "shares": ([0.2, 0.2, 0.4, 0.5], "smaller than a face can be"),
    "shares of a whole picture": ([0, 0, 1, 1], "smaller than a face can be"),
    "a line": ([5, 5, 90, 6], "smaller than a face can be"),
    "beyond": ([210, 10, 250, 40], "beyond the picture of 200 x 100"),
    "before": ([-500, -500, -400, -400], "beyond the picture of 200 x 100"),
    "mostly beyond": ([190, 10, 250, 40], "beyond the picture of 200 x 100"),
    "huge": ([0, 0, 1e308, 1e308], "beyond the picture of 200 x 100"),
    "much too large": ([-100, -100, 900, 900], "beyond the picture of 200 x 100"),
}


@pytest.mark.parametrize(("box", "why"), BOXES.values(), ids=BOXES.keys())
def test_boxes(box: list[float], why: str) -> None:
    found = known_boxes.why_not(box, (200, 100))
    assert why in found
    assert bool(found) == bool(why)


def test_detections_of_known_faces_give_their_landmarks_and_others_are_added() -> None:
    faces = known_boxes.with_detected(
        [_face(10, 10, 30, 30), _face(50, 50, 90, 90)],
        [_face(11, 11, 31, 31, landmarks=True), _face(60, 60, 70, 70), _face(100, 10, 130, 40)],
    )
    assert [f.box_xyxy.tolist() for f in faces] == [[10, 10, 30, 30], [50, 50, 90, 90], [60, 60, 70, 70], [100, 10, 130, 40]]
    assert faces[0].landmarks is LANDMARKS or np.array_equal(faces[0].landmarks, LANDMARKS)  # type: ignore[arg-type]
    assert faces[1].landmarks is None


@dataclass
class _Engine:
    """Blackens the boxes that it is given, and detects prepared faces in turn."""

    detections: Sequence[list[Detection]]
    options: Options = field(default_factory=Options)
    n_asked: int = 0

    @property
    def detector(self) -> "_Engine":
        return self

    def detect(self, image: Image) -> list[Detection]:
        self.n_asked += 1
        return self.detections[min(self.n_asked, len(self.detections)) - 1]

    def process(self, image: Image, detections: Sequence[Detection] | None = None, seed: int | None = None) -> ImageResult:
        out = image.copy()
        for detection in detections or []:
            x0, y0, x1, y1 = detection.box_xyxy.astype(int)
            out[y0:y1, x0:x1] = 0
        check = Verification((Distance("fake", 0.5, 0.4),), True, 0.9, 0.5, 0.5, None)
        return ImageResult(out, tuple(FaceResult(d, "solid", "passed", check) for d in detections or []), 5 if seed is None else seed)


def _process(engine: _Engine, faces: list[Detection] | None) -> ImageResult:
    as_engine: Anonymizer = engine  # type: ignore[assignment]
    return known_boxes.process(as_engine, np.full((100, 200, 3), 200, np.uint8), faces, 7)


GIVEN, OTHER, LATER = _face(10, 10, 30, 30), _face(100, 10, 130, 40), _face(150, 60, 170, 80)


def test_further_faces_are_found_at_first_and_in_the_result() -> None:
    result = _process(_Engine([[GIVEN, OTHER], [GIVEN, OTHER, LATER], [GIVEN, LATER]]), [GIVEN])
    assert [f.detection.box_xyxy.tolist() for f in result.faces] == [d.box_xyxy.tolist() for d in (GIVEN, OTHER, LATER)]
    assert not result.image[60:80, 150:170].any()
    assert result.seed == 7


def test_only_the_table() -> None:
    engine = _Engine([[OTHER]], Options(boxes="only"))
    assert len(_process(engine, [GIVEN]).faces) == 1
    assert engine.n_asked == 0


def test_without_known_faces_the_engine_is_asked() -> None:
    engine = _Engine([[OTHER]])
    assert _process(engine, None).faces == ()
    assert engine.n_asked == 0


def test_faces_that_appear_without_end_are_an_error() -> None:
    faces = [_face(40 + 10 * i, 10, 48 + 10 * i, 18) for i in range(12)]
    with pytest.raises(DetectionError, match="still exposed after 5 rounds"):
        _process(_Engine([[f] for f in faces]), [GIVEN])
