"""Objects before a face are found where they surely are some; what is kept is never the face."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.compositing.blend import shrunk
from deid.core.attributes import ATTRIBUTES
from deid.core.types import AlignedFace
from deid.editing.portraits import Portraits
from deid.landmarks.objects import ObjectsReader
from deid.recognition.attributes import AttributeReader

Field = NDArray[np.float32]


@pytest.fixture
def reader() -> ObjectsReader:
    return ObjectsReader()


def _face(face: AlignedFace) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    assert face.large is not None
    assert face.points is not None
    return face.large, face.points


def _with_microphone(crop: NDArray[np.uint8], points: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A black ball on a stick before the chin, and where they are."""
    k, where = len(crop) / 128, np.zeros(crop.shape[:2], np.uint8)
    x, y = ((points[57] + (0, 6)) * k).round().astype(int).tolist()
    cv2.line(where, (x, y), (x, len(crop)), 1, round(8 * k))
    cv2.circle(where, (x, y), round(11 * k), 1, -1)
    shade = 30 + 25 * np.hypot(*(np.indices(where.shape) - np.array([y, x])[:, None, None] + 6 * k)) / (30 * k)
    shown = np.where(where[..., None] > 0, np.clip(60 - shade, 15, 60)[..., None], crop).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(shown, (0, 0), 0.5 * k), np.uint8), where > 0


def test_microphone_is_found_and_nothing_else(reader: ObjectsReader, woman_face: AlignedFace) -> None:
    crop, points = _face(woman_face)
    shown, where = _with_microphone(crop, points)
    found = reader.find(shown, points)
    assert found is not None
    assert found.shape == crop.shape[:2]
    kept, true = found > 0.5, where
    assert (kept & true).sum() / (kept | true).sum() > 0.6
    for eye in (slice(36, 42), slice(42, 48)):
        x, y = (points[eye].mean(axis=0) * len(crop) / 128).round().astype(int)
        assert found[y - 4 : y + 5, x - 4 : x + 5].max() == 0


def test_faces_without_any_keep_nothing(reader: ObjectsReader, woman_face: AlignedFace, officer_face: AlignedFace) -> None:
    for face in (woman_face, officer_face):
        assert reader.find(*_face(face)) is None


def test_no_beard_is_an_object(reader: ObjectsReader, bank: Portraits) -> None:
    numbers = range(0, len(bank.points), 3)
    crops = np.stack([shrunk(bank.picture(i)) for i in numbers])
    bearded = AttributeReader().probabilities(crops)[:, ATTRIBUTES.index("No_Beard")] < 0.3
    assert bearded.sum() > 15
    assert all(reader.find(crop, bank.points[i]) is None for crop, i, has in zip(crops, numbers, bearded, strict=True) if has)


def _find(monkeypatch: pytest.MonkeyPatch, reader: ObjectsReader, said: Field, points: NDArray[np.float64]) -> Field | None:
    """What is kept of a crop that shows what a network says of it."""
    monkeypatch.setattr(reader, "network", lambda crops: [crops[..., :1].transpose(0, 3, 1, 2) / np.float32(255)])
    return reader.find(np.repeat((255 * said).round().astype(np.uint8)[..., None], 3, axis=2), points)


def _bar(points: NDArray[np.float64], top: float, half: int, surely: float = 1.0) -> Field:
    """What a network says of a bar from the lower border to ``top``."""
    said = np.zeros((128, 128), np.float32)
    x = round(points[33, 0])
    said[round(top) :, x - half : x + half] = surely
    return said


def test_bar_from_below_is_kept(reader: ObjectsReader, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    _, points = _face(woman_face)
    assert _find(monkeypatch, reader, _bar(points, points[62, 1], 8), points) is not None


@pytest.mark.parametrize(
    "what",
    ["not sure", "within the face, as a mouth or a beard is", "beside the face", "half of the face", "both eyes"],
)
def test_in_doubt_nothing_is_kept(what: str, reader: ObjectsReader, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    _, points = _face(woman_face)
    said = {
        "not sure": _bar(points, points[62, 1], 8, 0.7),
        "within the face, as a mouth or a beard is": _bar(points, points[62, 1], 8),
        "beside the face": _bar(points, points[8, 1] + 4, 30),
        "half of the face": _bar(points, points[29, 1], 60),
        "both eyes": np.zeros((128, 128), np.float32),
    }[what]
    if what.startswith("within"):
        said[round(points[57, 1]) + 3 :] = 0
        said[round(points[51, 1]) : round(points[57, 1]), round(points[48, 0]) : round(points[54, 0])] = 1
    if what == "both eyes":
        said[round(points[37, 1]) - 3 : round(points[41, 1]) + 3] = 1
    assert _find(monkeypatch, reader, said, points) is None


def test_one_eye_may_be_covered(reader: ObjectsReader, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    _, points = _face(woman_face)
    said = np.zeros((128, 128), np.float32)
    said[round(points[37, 1]) - 6 : round(points[41, 1]) + 6, : round(points[39, 0]) + 2] = 1
    assert _find(monkeypatch, reader, said, points) is not None


def test_mouth_that_hangs_together_with_a_hand_is_not_kept(
    reader: ObjectsReader, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, points = _face(woman_face)
    said = np.zeros((128, 128), np.float32)
    x, y = points[62].round().astype(int)
    said[y - 4 : y + 5, x - 12 : x + 8] = 1
    said[y, x + 8 : 96] = 1
    said[y - 12 : y + 12, 96:] = 1
    said[y - 8 : y + 8, 86:] = 1
    found = _find(monkeypatch, reader, said, points)
    assert found is not None
    assert found[y - 3 : y + 4, x - 10 : x + 4].max() < 0.1
    assert found[y - 5 : y + 5, 92:110].min() > 0.9


def test_one_view_is_not_enough(reader: ObjectsReader, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    _, points = _face(woman_face)
    said = _bar(points, points[62, 1], 8)

    def network(crops: NDArray[np.uint8]) -> list[Field]:
        unsure = np.zeros((len(crops), 1, 128, 128), np.float32)
        unsure[0] = said
        return [unsure]

    monkeypatch.setattr(reader, "network", network)
    assert reader.find(np.zeros((128, 128, 3), np.uint8), points) is None


@pytest.mark.parametrize("n", [128, 256, 512])
def test_border_is_the_photos(n: int, reader: ObjectsReader, woman_face: AlignedFace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's answer is coarse, and may be off by a pixel or two."""
    _, points = _face(woman_face)
    k, x = n / 128, round(points[33, 0])
    crop = np.full((n, n, 3), 180, np.uint8)
    true = np.zeros((n, n), bool)
    true[round(points[62, 1] * k) :, round((x - 8) * k) : round((x + 8) * k)] = True
    crop[true] = 30

    def network(crops: NDArray[np.uint8]) -> list[Field]:
        dark = [cv2.GaussianBlur((one[..., 0] < 110).astype(np.float32), (0, 0), 1.5) for one in crops]
        return [np.stack([np.roll(field, 1, axis=0) for field in dark])[:, None]]

    monkeypatch.setattr(reader, "network", network)
    found = reader.find(crop, points)
    assert found is not None
    assert (found[true] > 0.5).mean() > 0.97
    assert (found[~true] > 0.5).sum() < 0.05 * true.sum()
