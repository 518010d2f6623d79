"""What a person of a film wears from frame to frame."""

from dataclasses import dataclass

import numpy as np
import pytest

from deid.attributes.classify import MALE, AttributeReader
from deid.config import Options
from deid.models.attgan import ATTRIBUTES
from deid.pipeline import Anonymizer
from deid.structures import Crops, Detection, Image
from deid.video.edit import FilmEditor
from deid.video.find import FoundFrame, TrackedFace


@dataclass(frozen=True)
class _Frame:
    image: Image

    def rgb(self) -> Image:
        return self.image


class _Stubborn:
    """Takes everybody for the same person once it has let one new face pass in a portrait and a first frame."""

    name, threshold = "stubborn", 0.5

    def __init__(self) -> None:
        self.stubborn = False

    def embed(self, crops: Crops) -> np.ndarray:
        angle = np.zeros(len(crops)) if self.stubborn else crops.reshape(len(crops), -1).std(axis=1) / 20
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def test_whom_no_blur_hides_is_hidden_by_the_same_cover_while_out_of_sight(hopper: Image, officer: Detection, fake_editor: type) -> None:
    embedder = _Stubborn()
    flat = fake_editor(lambda face, attributes: np.full_like(face.crop, 128))
    options = Options(quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    film: FilmEditor[_Frame] = FilmEditor(Anonymizer(options, editor=flat, embedders=[embedder]), seed=1)
    frame = _Frame(hopper)
    portraits = {0: ((frame, officer),)}
    film.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), portraits))
    embedder.stubborn = True
    for state in ("seen", "remembered"):
        film.edit(FoundFrame(frame, (TrackedFace(0, officer, state),), {}))  # type: ignore[arg-type]
    (track,) = film.tracks
    assert dict(track.methods) == {"fake": 1, "solid": 2}


def _striped(crops: Crops) -> np.ndarray:
    """Whether crops (N, 128, 128, 3) show the new face of the next test."""
    return np.asarray(np.abs(crops[:, 60:70, 50:70].astype(float) - crops[:, 60:70, 58:78]).mean(axis=(1, 2, 3)) > 60)


class _StripesApart:
    """Takes everybody with stripes for somebody else."""

    name, threshold = "stripes", 0.5

    def embed(self, crops: Crops) -> np.ndarray:
        return np.eye(2, dtype=np.float32)[_striped(crops).astype(int)]


def test_who_is_misread_in_one_frame_keeps_the_new_face(
    hopper: Image, officer: Detection, fake_editor: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The portraits have told the gender; the new face is held against that, and not against one blurred frame."""
    read = [0.9]

    def probabilities(self: AttributeReader, crops: Crops) -> np.ndarray:
        rows = np.full((len(crops), len(ATTRIBUTES)), 0.5, np.float32)
        rows[:, MALE] = np.where(_striped(crops), 0.9, read[0])
        return rows

    monkeypatch.setattr(AttributeReader, "probabilities", probabilities)
    stripes = np.where(np.arange(128) // 8 % 2, 220, 20).astype(np.uint8)[:, None]
    striped = fake_editor(lambda face, attributes: np.broadcast_to(stripes, face.crop.shape).copy())
    options = Options(quality="fast", min_realism=0.0, min_iou=0.0)
    film: FilmEditor[_Frame] = FilmEditor(Anonymizer(options, editor=striped, embedders=[_StripesApart()]), seed=1)
    frame = _Frame(hopper)
    film.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), {0: ((frame, officer),)}))
    for read[0] in (0.1, 0.9):
        film.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), {}))
    (track,) = film.tracks
    assert dict(track.methods) == {"fake": 3}
