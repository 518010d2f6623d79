"""Every recogniser, and broken ones, through the same checks."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from deid.core.errors import ConfigError, WeightsMissingError
from deid.core.protocols import Embedder
from deid.core.types import Crops, Detection, Embeddings, Image
from deid.imaging.alignment import align
from deid.recognition import EMBEDDERS, build_embedder


@dataclass(frozen=True)
class LineUp:
    """Crops of her and of somebody else, and of her in another light and a little turned."""

    her: Crops
    other: Crops
    her_again: Crops


def gives_unit_rows(embedder: Embedder, people: LineUp) -> None:
    assert isinstance(embedder, Embedder)
    assert isinstance(embedder.name, str)
    assert embedder.name
    rows = embedder.embed(np.concatenate([people.her, people.other]))
    assert rows.dtype == np.float32
    assert rows.ndim == 2
    assert len(rows) == 2
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)


def takes_no_crops(embedder: Embedder, people: LineUp) -> None:
    none = embedder.embed(people.her[:0])
    assert none.shape == (0, embedder.embed(people.her).shape[1])


def has_a_threshold_between_people(embedder: Embedder, people: LineUp) -> None:
    assert 0 < embedder.threshold < 2
    her, other = embedder.embed(people.her), embedder.embed(people.other)
    assert np.linalg.norm(her - other) > embedder.threshold
    assert (np.linalg.norm(embedder.embed(people.her_again) - her, axis=1) < embedder.threshold).all()


def says_the_same_in_any_batch(embedder: Embedder, people: LineUp) -> None:
    together = embedder.embed(np.concatenate([people.her, people.other, people.her_again]))
    np.testing.assert_allclose(embedder.embed(people.other)[0], together[1], atol=1e-4)
    np.testing.assert_array_equal(embedder.embed(people.her), embedder.embed(people.her))


def leaves_its_input_alone(embedder: Embedder, people: LineUp) -> None:
    before = people.her.copy()
    embedder.embed(people.her)
    np.testing.assert_array_equal(people.her, before)


CHECKS: list[Callable[[Embedder, LineUp], None]] = [
    gives_unit_rows,
    takes_no_crops,
    has_a_threshold_between_people,
    says_the_same_in_any_batch,
    leaves_its_input_alone,
]


@pytest.fixture
def people(astronaut: Image, woman: Detection, hopper: Image, officer: Detection) -> LineUp:
    her, other = align(astronaut, woman).crop, align(hopper, officer).crop
    darker = (her * 0.7).astype(np.uint8)
    turned = cv2.warpAffine(her, cv2.getRotationMatrix2D((64, 64), 4, 1.02), (128, 128), borderMode=cv2.BORDER_REPLICATE)
    return LineUp(her[None], other[None], np.stack([darker, her[:, ::-1], np.asarray(turned, np.uint8)]))


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", sorted(EMBEDDERS))
def test_embedder_keeps_the_contract(name: str, check: Callable[[Embedder, LineUp], None], people: LineUp) -> None:
    try:
        embedder = build_embedder(name)
        embedder.embed(people.her)
    except WeightsMissingError:
        pytest.skip(f"the weights of {name} are not fetched: deid weights fetch {name}")
    check(embedder, people)


def test_unknown_embedder_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="unknown embedder 'nope'; valid are dlib_resnet, facenet"):
        build_embedder("nope")


@dataclass
class Broken:
    """A recogniser made of a function."""

    rows: Callable[[Crops], np.ndarray]
    threshold: float = 0.5
    name: str = "broken"

    def embed(self, crops: Crops) -> Embeddings:
        return self.rows(crops)


def _unit(values: np.ndarray) -> np.ndarray:
    return (values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def _pixels(crops: Crops) -> np.ndarray:
    return _unit(crops.reshape(len(crops), -1).astype(float))


def _constant(crops: Crops) -> np.ndarray:
    return _unit(np.ones((len(crops), 4)))


def _centred(crops: Crops) -> np.ndarray:
    values = crops.reshape(len(crops), -1).astype(float)
    return _unit(values - values.mean(axis=0))


def _painting(crops: Crops) -> np.ndarray:
    crops[..., 0] += 1
    return _constant(crops)


BROKEN: dict[str, tuple[Broken, Callable[[Embedder, LineUp], None]]] = {
    "not of unit norm": (Broken(lambda crops: 3 * _constant(crops)), gives_unit_rows),
    "double precision": (Broken(lambda crops: _constant(crops).astype(float)), gives_unit_rows),
    "one row for all": (Broken(lambda crops: _constant(crops[:1])), gives_unit_rows),
    "a row out of nothing": (Broken(lambda crops: _unit(np.ones((max(len(crops), 1), 4)))), takes_no_crops),
    "knows no one": (Broken(_constant), has_a_threshold_between_people),
    "compares pixels": (Broken(_pixels, threshold=0.01), has_a_threshold_between_people),
    "threshold beyond all distances": (Broken(_pixels, threshold=3.0), has_a_threshold_between_people),
    "depends on the batch": (Broken(_centred), says_the_same_in_any_batch),
    "paints its input": (Broken(_painting), leaves_its_input_alone),
}


@pytest.mark.parametrize(("broken", "check"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_embedder_is_caught(broken: Broken, check: Callable[[Embedder, LineUp], None], people: LineUp) -> None:
    with pytest.raises(AssertionError):
        check(broken, people)
