"""What a person of a film wears from frame to frame."""

from dataclasses import dataclass

import numpy as np

from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options
from deid.core.types import Crops, Detection, Image
from deid.video.edit import _LOST, FilmEditor
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


def _film(embedder: _Stubborn, fake_editor: type) -> FilmEditor[_Frame]:
    flat = fake_editor(lambda face, attributes: np.full_like(face.crop, 128))
    options = Options(quality="fast", min_realism=0.0, min_iou=0.0, gender_slack=1.0)
    return FilmEditor(Anonymizer(options, editor=flat, embedders=[embedder]), seed=1)


def test_a_face_that_comes_and_goes_stays_covered_for_a_while(hopper: Image, officer: Detection, fake_editor: type) -> None:
    """Not before it had a new face: who enters the film gets one as soon as may be."""
    film, frame = _film(_Stubborn(), fake_editor), _Frame(hopper)
    states = ["remembered", "seen", "seen", "remembered", *["seen"] * (_LOST + 1), "remembered"]
    methods = []
    for i, state in enumerate(states):
        portraits = {0: ((frame, officer),)} if i == 0 else {}
        film.edit(FoundFrame(frame, (TrackedFace(0, officer, state),), portraits))  # type: ignore[arg-type]
        methods.append(dict(film.tracks[0].methods))
    shown = np.diff([0, *(m.get("fake", 0) for m in methods)])
    assert shown.tolist() == [0, 1, 1, 0, *[0] * _LOST, 1, 0]


def test_whom_no_blur_hides_is_hidden_by_the_same_cover_while_out_of_sight(hopper: Image, officer: Detection, fake_editor: type) -> None:
    embedder = _Stubborn()
    film, frame = _film(embedder, fake_editor), _Frame(hopper)
    portraits = {0: ((frame, officer),)}
    film.edit(FoundFrame(frame, (TrackedFace(0, officer, "seen"),), portraits))
    embedder.stubborn = True
    for state in ("seen", "remembered"):
        film.edit(FoundFrame(frame, (TrackedFace(0, officer, state),), {}))  # type: ignore[arg-type]
    (track,) = film.tracks
    assert dict(track.methods) == {"fake": 1, "solid": 2}
