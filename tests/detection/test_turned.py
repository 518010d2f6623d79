"""However a photo is turned, its faces are found, and lie where they are."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection import build_detector
from deid.detection.mtcnn import MtcnnDetector
from deid.detection.turned import TurnedDetector
from deid.detection.views import detect_turned, look_closer, roll_of, turn, turned_by
from deid.imaging import geometry

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
COLOURS = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250))


@dataclass
class _Marks:
    """Finds a face where spots of five colours are, whichever way up unless told, and keeps the shapes of what it saw."""

    upright_only: bool = False
    score: float = 1.0
    name: str = "marks"
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.shapes.append(image.shape)
        points = []
        for colour in COLOURS:
            ys, xs = np.nonzero((np.abs(image.astype(np.int16) - np.array(colour, np.int16)) < 30).all(axis=2))
            # Beyond that lie reflections, which a turn mirrors into the corners.
            near = np.hypot(ys - image.shape[0] / 2, xs - image.shape[1] / 2) < 0.2 * min(image.shape[:2])
            ys, xs = ys[near], xs[near]
            if not len(xs):
                return []
            points.append([xs.mean(), ys.mean()])
        marks = np.array(points)
        if self.upright_only and abs(roll_of(marks)) > 30:
            return []
        middle = marks.mean(axis=0)
        return [Detection(np.concatenate([middle - 20, middle + 20]), self.score, marks, self.name)]


def _marked(h: int = 180, w: int = 200) -> Image:
    image = np.zeros((h, w, 3), np.uint8)
    for colour, (x, y) in zip(COLOURS, POINTS, strict=True):
        cv2.circle(image, (round(w / 2 - 20 + 40 * x), round(h / 2 - 24 + 40 * y)), 3, colour, -1)
    return image


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, -90, 360, 45, -30])
def test_detections_come_back_to_where_they_are(degrees: int) -> None:
    image, detector = _marked(), _Marks()
    upright = detector.detect(image)[0]
    found = detect_turned(detector.detect, image, degrees)[0]
    tolerance = 1e-9 if degrees % 90 == 0 else 0.7
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks, upright.landmarks, atol=tolerance)
    np.testing.assert_allclose(found.box_xyxy, upright.box_xyxy, atol=1 + tolerance if degrees % 90 else 1)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_quarter_moves_pixels_as_numpy_does(degrees: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 8, 3)).astype(np.uint8)
    turned, matrix = turn(image, degrees)
    np.testing.assert_array_equal(turned, np.rot90(image, degrees // 90))
    x, y = geometry.apply(matrix, np.array([6.0, 1.0]))
    np.testing.assert_array_equal(turned[round(y), round(x)], image[1, 6])


def test_a_turn_cuts_nothing_and_comes_back() -> None:
    image = _marked()
    turned, matrix = turn(image, 45)
    corners = np.array([[0.0, 0], [199, 0], [0, 179], [199, 179]])
    assert (geometry.apply(matrix, corners) >= -0.5).all()
    assert (geometry.apply(matrix, corners) <= np.array(turned.shape[1::-1])).all()
    box = Detection(np.array([10.0, 20, 40, 50]), landmarks=POINTS * 30)
    again = turned_by(turned_by(box, matrix), geometry.invert(matrix))
    np.testing.assert_allclose(again.box_xyxy, box.box_xyxy, atol=1e-6)
    np.testing.assert_allclose(again.landmarks, box.landmarks, atol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [-150, -90, 0, 60, 90, 135])
def test_roll_is_that_of_the_turn(degrees: int) -> None:
    matrix = turn(np.zeros((40, 60, 3), np.uint8), degrees)[1]
    assert roll_of(geometry.apply(matrix, POINTS * 20)) == pytest.approx(degrees, abs=1e-6)


def test_reflections_at_the_corners_are_no_faces() -> None:
    class _Corner:
        name = "corner"

        def detect(self, image: Image) -> list[Detection]:
            return [Detection(np.array([2.0, 2, 22, 22]))]

    assert detect_turned(_Corner().detect, np.zeros((120, 160, 3), np.uint8), 45) == []


def test_upright_photo_gets_one_search_and_quick_looks() -> None:
    first, second = _Marks(upright_only=True), _Marks(score=0.8)
    found = TurnedDetector(first, second).detect(_marked(400, 500))
    assert len(found) == 1
    assert first.shapes == [(400, 500, 3)]
    assert second.shapes[0] == (400, 500, 3)
    assert len(second.shapes) == 2
    assert np.prod(second.shapes[1]) < 0.4 * np.prod(second.shapes[0])


@pytest.mark.parametrize("degrees", [90, 180, 270, 45, -60, 135])
def test_turned_photo_is_searched_as_it_should_stand(degrees: int) -> None:
    image, matrix = turn(_marked(), degrees)
    found = TurnedDetector(_Marks(upright_only=True), _Marks(score=0.8)).detect(image)
    assert len(found) == 1
    assert found[0].score == 1.0
    assert roll_of(found[0].landmarks) == pytest.approx(degrees if degrees < 180 else degrees - 360, abs=4) or degrees == 180  # type: ignore[arg-type]
    np.testing.assert_allclose(found[0].landmarks, geometry.apply(matrix, _Marks().detect(_marked())[0].landmarks), atol=1.5)  # type: ignore[arg-type]


def test_empty_photo_gets_quick_looks_alone() -> None:
    first, second = _Marks(), _Marks()
    assert TurnedDetector(first, second).detect(np.zeros((300, 400, 3), np.uint8)) == []
    assert len(first.shapes) == 1
    # The photo, half its size, its quarters side by side in half the size, and the negative at four turns.
    assert [h * w for h, w, _ in second.shapes] == [300 * 400, 150 * 200, 200 * (150 + 8 + 200 + 8 + 150), *[150 * 200] * 4]


def test_a_photo_with_something_faint_is_searched_at_the_eighths() -> None:
    class _Faint(_Marks):
        """Sees a face faintly at the quarters, and surely only where it stands."""

        def detect(self, image: Image) -> list[Detection]:
            return [
                d if d.landmarks is not None and abs(roll_of(d.landmarks)) < 10 else replace(d, score=0.5) for d in super().detect(image)
            ]

    image, _ = turn(_marked(), 45)
    found = TurnedDetector(_Marks(upright_only=True), _Faint(score=0.8)).detect(image)
    assert [d.score for d in found] == [1.0]


def test_a_piece_that_one_detector_sees_upright_does_not_hide_the_face_that_two_see_at_another_turn() -> None:
    class _Piece(_Marks):
        """Sees a further face where the photo is turned by a quarter, and a piece of it upright."""

        def detect(self, image: Image) -> list[Detection]:
            h, w = image.shape[:2]
            lying = image[0, -1].min() > 200  # The photo has a white corner, which a turn moves here.
            marks = POINTS * 60 + [w - 90, 10]
            whole = [Detection(np.array([w - 90.0, 10, w - 30, 70]), 1.0, marks, self.name)] if lying else []
            piece = [] if lying or self.name == "second" else [Detection(np.array([20.0, 45, 40, 65]), 0.75, None, self.name)]
            return [*([] if lying else super().detect(image)), *whole, *piece]

    image = _marked(400, 500)
    image[0:4, 0:4] = 255
    found = TurnedDetector(_Piece(upright_only=True), _Piece(score=0.8, name="second")).detect(image)
    assert any(d.size > 50 for d in found)


@pytest.fixture(scope="module")
def default() -> Detector:
    """What the options name."""
    return build_detector("mtcnn_once+centerface", 30)


def test_the_default_looks_at_further_turns(default: Detector) -> None:
    assert isinstance(default, TurnedDetector)
    assert default.name == "mtcnn+centerface"


@pytest.mark.parametrize("degrees", [90, 135, 180, -60])
def test_a_real_face_is_found_at_any_turn(default: Detector, hopper: Image, officer: Detection, degrees: int) -> None:
    image, matrix = turn(hopper, degrees)
    best = max(default.detect(image), key=lambda d: d.score)
    assert geometry.box_iou(best.box_xyxy, turned_by(officer, matrix).box_xyxy)[0, 0] > 0.6
    # New faces follow the landmarks.
    assert best.landmarks is not None
    assert np.abs(best.landmarks - turned_by(officer, matrix).landmarks).mean() < 0.1 * officer.size


def test_somebody_who_lies_beside_somebody_who_stands_is_found(
    default: Detector, hopper: Image, astronaut: Image, officer: Detection, woman: Detection
) -> None:
    lying = np.ascontiguousarray(np.rot90(hopper))
    image = np.zeros((300, 600, 3), np.uint8)
    image[:, :300], image[:256, 300:] = astronaut, lying
    face = turned_by(officer, turn(hopper, 90)[1]).moved(np.ones(2), np.array([300.0, 0]))
    found = np.array([d.box_xyxy for d in default.detect(image)])
    assert geometry.box_iou(found, face.box_xyxy).max() > 0.4
    assert geometry.box_iou(found, woman.box_xyxy).max() > 0.4


def test_close_look_at_a_lying_face_is_upright(hopper: Image, officer: Detection) -> None:
    """Or no new face would ever pass there: MTCNN sees none that lies."""
    image, matrix = turn(hopper, 90)
    face, judge = turned_by(officer, matrix), MtcnnDetector(min_face=40)
    found = look_closer(judge.detect, image, face, 2.2, 200)
    assert geometry.box_iou(np.array([d.box_xyxy for d in found]), face.box_xyxy).max() > 0.5


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_real_face_is_found_in_a_negative_that_lies(default: Detector, hopper: Image, officer: Detection, degrees: int) -> None:
    image, matrix = turn(255 - hopper, degrees)
    best = max(default.detect(image), key=lambda d: d.score)
    assert geometry.box_iou(best.box_xyxy, turned_by(officer, matrix).box_xyxy)[0, 0] > 0.5


@pytest.mark.parametrize("degrees", [180, 270])
def test_a_real_face_is_found_in_a_photo_that_lies_and_is_blurred(astronaut: Image, degrees: int) -> None:
    image = turn(cv2.blur(astronaut, (21, 1)), degrees)[0]
    assert build_detector("mtcnn_once+centerface", 15).detect(np.asarray(image, np.uint8))
