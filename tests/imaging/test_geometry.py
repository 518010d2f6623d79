"""Boxes and transforms against cases worked out by hand, and against a second implementation."""

import tracemalloc

import cv2
import numpy as np
import pytest

from deid.imaging import geometry

IOU_CASES = {
    "same": ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
    "apart": ([0, 0, 10, 10], [20, 20, 30, 30], 0.0),
    "touching edges share nothing": ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
    "half over half": ([0, 0, 10, 10], [5, 0, 15, 10], 50 / 150),
    "quarter corner": ([0, 0, 10, 10], [5, 5, 15, 15], 25 / 175),
    "inside": ([0, 0, 10, 10], [2, 2, 7, 7], 25 / 100),
    "fractions of a pixel": ([0, 0, 1, 1], [0.5, 0, 1.5, 1], 0.5 / 1.5),
    "negative coordinates": ([-10, -10, 0, 0], [-5, -10, 5, 0], 50 / 150),
    "empty box": ([0, 0, 0, 0], [0, 0, 10, 10], 0.0),
    "both empty": ([3, 3, 3, 3], [3, 3, 3, 3], 0.0),
}


@pytest.mark.parametrize(("a", "b", "expected"), IOU_CASES.values(), ids=IOU_CASES.keys())
def test_iou(a: list[float], b: list[float], expected: float) -> None:
    assert geometry.box_iou(np.array(a), np.array(b))[0, 0] == pytest.approx(expected)
    assert geometry.box_iou(np.array(b), np.array(a))[0, 0] == pytest.approx(expected)


def test_iou_agrees_with_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    low = rng.integers(0, 30, (20, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 20, (20, 2))], axis=1)
    masks = np.zeros((20, 60, 60), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    counted = (masks[:, None] & masks[None]).sum(axis=(2, 3)) / (masks[:, None] | masks[None]).sum(axis=(2, 3))
    np.testing.assert_allclose(geometry.box_iou(boxes, boxes), counted)


def test_iou_of_no_boxes_is_empty() -> None:
    none = np.zeros((0, 4))
    assert geometry.box_iou(none, none).shape == (0, 0)
    assert geometry.box_iou(none, np.array([[0, 0, 1, 1.0]])).shape == (0, 1)


def test_area_of_an_inverted_box_is_zero() -> None:
    np.testing.assert_array_equal(geometry.box_area(np.array([[0, 0, 3, 4], [5, 5, 1, 9], [2, 2, 2, 8]])), [12, 0, 0])


BOX, SHIFTED, INSIDE, APART = [0, 0, 10, 10], [1, 0, 11, 10], [2, 2, 5, 5], [50, 50, 60, 60]
NMS_CASES = {
    "nothing": ([], [], 0.5, 1.1, []),
    "one": ([BOX], [0.1], 0.5, 1.1, [0]),
    "the better of two": ([BOX, SHIFTED], [0.6, 0.9], 0.5, 1.1, [1]),
    "the first of equals": ([BOX, BOX], [0.5, 0.5], 0.5, 1.1, [0]),
    "apart stay, best first": ([BOX, APART], [0.2, 0.8], 0.5, 1.1, [1, 0]),
    "overlap at the limit stays": ([BOX, SHIFTED], [0.9, 0.6], 90 / 110, 1.1, [0, 1]),
    "contained stays when that is off": ([BOX, INSIDE], [0.9, 0.6], 0.5, 1.1, [0, 1]),
    "contained goes": ([BOX, INSIDE], [0.9, 0.6], 0.5, 0.8, [0]),
    "the container goes where it is worse": ([BOX, INSIDE], [0.6, 0.9], 0.5, 0.8, [1]),
    "a suppressed box suppresses no other": ([BOX, [4, 0, 14, 10], [8, 0, 18, 10]], [0.9, 0.8, 0.7], 0.4, 1.1, [0, 2]),
}


@pytest.mark.parametrize(("boxes", "scores", "iou", "contained", "kept"), NMS_CASES.values(), ids=NMS_CASES.keys())
def test_nms(boxes: list[list[float]], scores: list[float], iou: float, contained: float, kept: list[int]) -> None:
    assert geometry.nms(np.array(boxes, float), np.array(scores), iou, contained) == kept


def test_expand_keeps_the_centre() -> None:
    np.testing.assert_allclose(geometry.expand_box(np.array([10, 20, 30, 60]), 1.5), [5, 10, 35, 70])
    np.testing.assert_allclose(geometry.expand_box(np.array([10, 20, 30, 60]), 1.0), [10, 20, 30, 60])


SLICE_CASES = {
    "whole pixels": ([2, 3, 5, 7], (3, 7), (2, 5)),
    "rounded outward": ([2.9, 3.1, 5.1, 6.9], (3, 7), (2, 6)),
    "a sliver still touches its pixel": ([4.2, 4.2, 4.3, 4.3], (4, 5), (4, 5)),
    "over the top left": ([-3.5, -0.5, 2, 2], (0, 2), (0, 2)),
    "over the bottom right": ([8, 8, 99, 99], (8, 10), (8, 20)),
}


@pytest.mark.parametrize(("box", "rows", "columns"), SLICE_CASES.values(), ids=SLICE_CASES.keys())
def test_box_to_slices(box: list[float], rows: tuple[int, int], columns: tuple[int, int]) -> None:
    assert geometry.box_to_slices(np.array(box), (10, 20)) == (slice(*rows), slice(*columns))


@pytest.mark.parametrize("box", [[-9, -9, -1, -1], [30, 3, 40, 6], [3, 30, 6, 40]], ids=["above", "right", "below"])
def test_box_outside_touches_no_pixel(box: list[float]) -> None:
    assert np.ones((10, 20))[geometry.box_to_slices(np.array(box, float), (10, 20))].size == 0


def test_slices_hold_every_pixel_that_a_box_touches() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        low = rng.uniform(-5, 15, 2)
        box = np.concatenate([low, low + rng.uniform(0.1, 12, 2)])
        touched = np.zeros((12, 16), bool)
        touched[geometry.box_to_slices(box, (12, 16))] = True
        for y in range(12):
            for x in range(16):
                overlap = min(box[2], x + 1) - max(box[0], x) > 0 and min(box[3], y + 1) - max(box[1], y) > 0
                assert touched[y, x] == overlap, (box, x, y)


def _similarity(angle_deg: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    a = np.deg2rad(angle_deg)
    linear = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.column_stack([linear, shift])


TRANSFORMS = {
    "identity": (0, 1, (0, 0)),
    "shift": (0, 1, (13.5, -7)),
    "rotation": (30, 1, (0, 0)),
    "upside down": (180, 1, (3, 4)),
    "shrink": (-20, 0.11, (100, 3)),
    "enlarge": (75, 9.0, (-2, 800)),
}


@pytest.mark.parametrize(("angle", "scale", "shift"), TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_fit_similarity_finds_a_known_transform(angle: float, scale: float, shift: tuple[float, float]) -> None:
    known = _similarity(angle, scale, shift)
    points = np.random.default_rng(2).normal(0, 30, (5, 2))
    found = geometry.fit_similarity(points, geometry.apply(known, points))
    np.testing.assert_allclose(found, known, atol=1e-8)
    assert geometry.scale_of(found) == pytest.approx(scale)


def test_fit_similarity_is_the_least_squares_one() -> None:
    """Against an independent solution: a similarity without reflection is linear in (a, b, tx, ty)."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        source = rng.normal(0, 20, (5, 2))
        target = geometry.apply(_similarity(rng.uniform(-90, 90), rng.uniform(0.2, 4), (5, 6)), source) + rng.normal(0, 2, (5, 2))
        x, y = source.T
        rows_x = np.column_stack([x, -y, np.ones(5), np.zeros(5)])
        rows_y = np.column_stack([y, x, np.zeros(5), np.ones(5)])
        a, b, tx, ty = np.linalg.lstsq(np.concatenate([rows_x, rows_y]), target.T.ravel(), rcond=None)[0]
        np.testing.assert_allclose(geometry.fit_similarity(source, target), [[a, -b, tx], [b, a, ty]], atol=1e-6)


def test_fit_similarity_agrees_with_opencv() -> None:
    rng = np.random.default_rng(4)
    source = rng.uniform(0, 200, (5, 2))
    known = _similarity(12, 0.4, (9, -4))
    oracle, _ = cv2.estimateAffinePartial2D(source, geometry.apply(known, source))
    np.testing.assert_allclose(geometry.fit_similarity(source, geometry.apply(known, source)), oracle, atol=1e-4)


def test_fit_similarity_never_mirrors() -> None:
    points = np.array([[0, 0], [10, 0], [5, 8], [2, 12], [8, 12.0]])
    matrix = geometry.fit_similarity(points, points * [-1, 1])
    assert np.linalg.det(matrix[:, :2]) > 0


def test_fit_similarity_needs_two_points() -> None:
    with pytest.raises(ValueError, match="at least two distinct points"):
        geometry.fit_similarity(np.full((5, 2), 3.0), np.random.default_rng(0).normal(size=(5, 2)))


@pytest.mark.parametrize(("angle", "scale", "shift"), TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_inverse_leads_back(angle: float, scale: float, shift: tuple[float, float]) -> None:
    matrix = _similarity(angle, scale, shift)
    points = np.random.default_rng(5).uniform(-50, 50, (3, 7, 2))
    np.testing.assert_allclose(geometry.apply(geometry.invert(matrix), geometry.apply(matrix, points)), points, atol=1e-9)


def test_clip_box() -> None:
    np.testing.assert_array_equal(geometry.clip_box(np.array([-3, 2, 50, 7.5]), (6, 20)), [0, 2, 20, 6])


def test_nms_of_many_boxes_takes_little_memory() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 9000, (5000, 2))
    boxes, scores = np.concatenate([corner, corner + rng.uniform(100, 3000, (5000, 2))], axis=1), rng.random(5000)
    tracemalloc.start()
    kept = geometry.nms(boxes, scores, 0.3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6
    # No two of those that stay overlap, and each of the others overlaps with a better one that stays.
    overlap = geometry.box_iou(boxes[kept], boxes)
    assert (overlap[:, kept] - np.eye(len(kept))).max() <= 0.3
    others = np.setdiff1d(np.arange(5000), kept)
    better = scores[kept][:, None] > scores[others][None]
    assert ((overlap[:, others] > 0.3) & better).any(axis=0).all()
