"""The appearance model finds what sets people apart, and tells it from gender."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.align import align
from deid.edit.appearance import N_CIRCUMSTANCES, TEXTURE
from deid.exceptions import DataError
from deid.models.attgan import ATTRIBUTES, N_CODES
from deid.structures import Detection, Image
from deid.training.appearance import AppearanceOptions, train
from deid.training.data import FaceData

_MALE, _GLASSES = ATTRIBUTES.index("Male"), ATTRIBUTES.index("Eyeglasses")
_N = 40
_NOSE, _CHIN, _EYES = np.s_[62:76, 58:70], np.s_[106:114, 58:70], np.s_[50:62, 36:92]


@pytest.fixture(scope="module")
def data(hopper: Image, officer: Detection) -> FaceData:
    """One face with darker and brighter noses, as many of men as of women; men with a bright chin; a few with white glasses."""
    noses = np.repeat(np.random.default_rng(0).permutation(np.linspace(0.6, 1.4, _N // 2)), 2)
    crops = np.repeat(align(hopper, officer).crop[None], _N, axis=0).astype(float)
    labels = np.zeros((_N, len(ATTRIBUTES)), np.int8)
    labels[:, _MALE], labels[-4:, _GLASSES] = np.arange(_N) % 2, 1
    for crop, nose, male, worn in zip(crops, noses, labels[:, _MALE], labels[:, _GLASSES], strict=True):
        crop[_NOSE] *= nose
        crop[_CHIN] *= 1.3 if male else 1.0
        crop[_EYES] = 255 if worn else crop[_EYES]
    names = np.array([f"{i}.jpg" for i in range(_N)])
    return FaceData(crops.clip(0, 255).astype(np.uint8), names, names, labels, np.array(["lfw"] * _N))


@pytest.fixture(scope="module")
def arrays(data: FaceData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.float16]]:
    out = tmp_path_factory.mktemp("appearance")
    found = train(data, out, AppearanceOptions())
    said = json.loads((out / "appearance.json").read_text())
    assert said["faces"] == _N - 4
    assert 0.9 < said["variance explained"] <= 1.0
    return found


def _part(texture: NDArray[np.float16], place: tuple[slice, slice]) -> float:
    small = tuple(slice(s.start // 2, s.stop // 2) for s in place)
    return float(texture.astype(np.float32)[small].mean())


def test_arrays_are_those_of_a_model(arrays: dict[str, NDArray[np.float16]]) -> None:
    assert {name: array.shape for name, array in arrays.items()} == {
        "shape": (68, 2),
        "texture": (N_CIRCUMSTANCES, TEXTURE, TEXTURE, 3),
        "texture_axes": (N_CODES, TEXTURE, TEXTURE, 3),
        "shape_axes": (N_CODES, 68, 2),
    }


def test_first_axis_is_what_differs_most(arrays: dict[str, NDArray[np.float16]]) -> None:
    first = arrays["texture_axes"][0]
    assert abs(_part(first, _NOSE)) > 0.08
    assert abs(_part(first, _NOSE)) > 5 * abs(_part(first, _CHIN))


def test_what_goes_with_gender_is_told_apart(arrays: dict[str, NDArray[np.float16]]) -> None:
    gender = arrays["texture"][1]
    assert _part(gender, _CHIN) > 0.04
    assert _part(gender, _CHIN) > 3 * abs(_part(gender, _NOSE))


def test_glasses_are_left_out(arrays: dict[str, NDArray[np.float16]]) -> None:
    assert max(abs(_part(axis, _EYES)) for axis in arrays["texture_axes"]) < 0.03


def test_a_handful_is_too_few(data: FaceData, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"expected more than {N_CODES} faces"):
        train(data.where(np.arange(_N) < 16), tmp_path, AppearanceOptions())
