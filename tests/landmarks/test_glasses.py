"""Glasses are found where they are worn, and nowhere else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from deid.core.attributes import ATTRIBUTES
from deid.core.types import AlignedFace, Glasses
from deid.landmarks.glasses import GlassesReader, are_whole
from deid.training.spectacles import put_on


@pytest.fixture(scope="module")
def reader() -> GlassesReader:
    return GlassesReader()


def test_officers_glasses_are_found_around_both_eyes(reader: GlassesReader, officer_face: AlignedFace) -> None:
    assert officer_face.large is not None
    assert officer_face.points is not None
    found = reader.find(officer_face.large)
    assert found is not None
    frame, lenses = found.frame, found.lenses
    n = len(officer_face.large)
    assert frame.shape == lenses.shape == (n, n)
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = (officer_face.points[eye].mean(axis=0) * n / 128).round().astype(int)
        assert lenses[y - 4 : y + 5, x - 4 : x + 5].mean() > 0.7
    assert 0.002 < (frame > 0.5).mean() < 0.1


@pytest.mark.parametrize("seed", range(6))
def test_drawn_glasses_are_found(seed: int, reader: GlassesReader, woman_face: AlignedFace) -> None:
    assert woman_face.large is not None
    assert woman_face.points is not None
    worn = put_on(woman_face.large, 2 * woman_face.points + 0.5, np.random.default_rng(seed))
    found = reader.find(worn.picture)
    assert found is not None
    lenses, true = found.lenses > 0.5, worn.lenses > 0.5
    assert (lenses & true).sum() / (lenses | true).sum() > 0.5


def test_nobody_else_wears_any(reader: GlassesReader, woman_face: AlignedFace) -> None:
    assert woman_face.large is not None
    found = reader.find(woman_face.large)
    assert found is None or (found.frame > 0.5).sum() < 40


def test_unlikely_ones_must_be_clear_to_see(reader: GlassesReader, officer_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert officer_face.large is not None
    unlikely = np.zeros(len(ATTRIBUTES), np.float32)
    assert reader.find(officer_face.large, unlikely) is not None
    frame = np.zeros((1, 2, 144, 256), np.float32)
    frame[:, 0, 60:64, 60:120] = 1
    monkeypatch.setattr(reader, "network", lambda _: [frame])
    assert reader.find(officer_face.large, unlikely) is None
    assert reader.find(officer_face.large, np.ones(len(ATTRIBUTES), np.float32)) is not None


@pytest.mark.parametrize("n", [128, 512])
def test_any_size_will_do(n: int, reader: GlassesReader, officer_face: AlignedFace) -> None:
    flat = replace(officer_face, large=np.full((n, n, 3), 90, np.uint8))
    assert flat.large is not None
    assert reader.find(flat.large) is None


def _drawn(face: AlignedFace, n: int, eyes: int = 2, rim: int = 360, above: int = 0) -> Glasses:
    """Lenses before so many eyes, or so many pixels of 128 above them, with so many degrees of each rim."""
    assert face.points is not None
    k, (frame, lenses) = n / 128, np.zeros((2, n, n), np.uint8)
    for eye in (slice(36, 42), slice(42, 48))[:eyes]:
        place, size = ((face.points[eye].mean(axis=0) - (0, above)) * k).round().astype(int).tolist(), (round(12 * k), round(8 * k))
        cv2.ellipse(lenses, place, size, 0, 0, 360, 1, -1)
        cv2.ellipse(frame, place, size, 180, 0, rim, 1, round(2 * k))
    return Glasses(np.float32(frame), np.float32(lenses))


@pytest.mark.parametrize("n", [128, 256, 512])
@pytest.mark.parametrize(
    ("how", "whole"),
    [
        ({}, True),
        ({"eyes": 1}, False),
        # Half rims, and none.
        ({"rim": 180}, True),
        ({"rim": 0}, False),
        # The brim of a cap.
        ({"above": 16}, False),
    ],
)
def test_only_whole_pairs_before_both_eyes_can_be_worn(n: int, how: dict[str, int], whole: bool, officer_face: AlignedFace) -> None:
    assert officer_face.points is not None
    assert are_whole(_drawn(officer_face, n, **how), officer_face.points) == whole
