"""The values check themselves once, and say what they expected."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deid.core.types import Detection, Distance, FaceResult, ImageResult, Verification, check_image

BOX = [1.0, 2.0, 5.0, 8.0]
BAD_DETECTIONS: dict[str, dict[str, Any]] = {
    "three numbers": {"box_xyxy": [1, 2, 3]},
    "no width": {"box_xyxy": [5, 2, 5, 8]},
    "upside down": {"box_xyxy": [1, 8, 5, 2]},
    "not a number": {"box_xyxy": [1, 2, np.nan, 8]},
    "infinite": {"box_xyxy": [1, 2, np.inf, 8]},
    "score over one": {"box_xyxy": BOX, "score": 1.01},
    "score under zero": {"box_xyxy": BOX, "score": -0.1},
    "score not a number": {"box_xyxy": BOX, "score": np.nan},
    "four landmarks": {"box_xyxy": BOX, "landmarks": np.zeros((4, 2))},
    "landmarks not finite": {"box_xyxy": BOX, "landmarks": np.full((5, 2), np.inf)},
}


@pytest.mark.parametrize("values", BAD_DETECTIONS.values(), ids=BAD_DETECTIONS.keys())
def test_bad_detection_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected .* got"):
        Detection(**values)


def test_detection_takes_lists_and_object_arrays() -> None:
    detection = Detection(np.array(BOX, object), 1, [[0, 0]] * 5)  # type: ignore[arg-type]
    assert detection.box_xyxy.dtype == np.float64
    assert detection.landmarks is not None
    assert detection.landmarks.shape == (5, 2)
    assert detection.size == pytest.approx(np.sqrt(4 * 6))


def test_moved_scales_before_it_shifts() -> None:
    points = np.arange(10.0).reshape(5, 2)
    moved = Detection(np.array(BOX), 0.5, points, "x").moved(np.array([2.0, 3.0]), np.array([10.0, 20.0]))
    np.testing.assert_allclose(moved.box_xyxy, [12, 26, 20, 44])
    np.testing.assert_allclose(moved.landmarks, points * [2, 3] + [10, 20])
    assert (moved.score, moved.detector) == (0.5, "x")


BAD_IMAGES: dict[str, object] = {
    "grey": np.zeros((4, 4), np.uint8),
    "four channels": np.zeros((4, 4, 4), np.uint8),
    "channels first": np.zeros((3, 4, 4), np.uint8),
    "float": np.zeros((4, 4, 3)),
    "no pixel": np.zeros((0, 4, 3), np.uint8),
    "list": [[[0, 0, 0]]],
    "none": None,
}


@pytest.mark.parametrize("image", BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_bad_image_is_refused(image: object) -> None:
    with pytest.raises(ValueError, match=r"expected an .* got"):
        check_image(image)


def test_good_image_is_returned_itself() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    assert check_image(image) is image


def test_a_distance_at_the_threshold_does_not_pass() -> None:
    assert not Distance("e", 0.5, 0.5).passed
    assert Distance("e", 0.5001, 0.5).passed
    assert not Distance("e", float("nan"), 0.5).passed


def _face(status: str) -> FaceResult:
    check = Verification((Distance("e", 0.50001234, 0.5),), True, 0.75, 0.9, 0.8, None)
    return FaceResult(Detection(np.array(BOX)), "blur", status, check, seed=7, why=("because",))  # type: ignore[arg-type]


def test_image_result_counts_and_travels_as_json() -> None:
    result = ImageResult(np.zeros((3, 4, 3), np.uint8), (_face("passed"), _face("fallback"), _face("fallback")), 42)
    assert (result.n_edited, result.n_fallback) == (1, 2)
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["size_hw"] == [3, 4]
    assert plain["seed"] == 42
    first = plain["faces"][0]
    assert first["box_xyxy"] == BOX
    assert first["landmarks"] is None
    assert first["realism"] is None
    assert first["why"] == ["because"]
    # A reader who holds it against the threshold must come to the same answer: it is not rounded down to it.
    assert first["distances"] == [{"embedder": "e", "distance": 0.50001234, "threshold": 0.5, "passed": True}]


def test_portraits_are_named_for_debugging_only() -> None:
    face = replace(_face("passed"), portraits=(3, 460))
    result = ImageResult(np.zeros((3, 4, 3), np.uint8), (face,), 42)
    assert "portraits" not in result.to_dict()["faces"][0]
    assert result.to_dict(debug=True)["faces"][0]["portraits"] == [3, 460]


def test_verification_passes_without_reasons_only() -> None:
    check = Verification((), False, 0.0, 0.5, 0.5, None)
    assert check.passed
    assert not Verification((), True, 1.0, 0.5, 0.5, 1.0, ("too near",)).passed
