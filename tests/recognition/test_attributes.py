"""The shipped classifier reads what it must for the gender trick."""

import numpy as np

from deid.core.attributes import ATTRIBUTES, MALE
from deid.core.types import Detection, Image
from deid.imaging.alignment import align
from deid.recognition.attributes import AttributeReader


def test_a_woman_without_a_beard(astronaut: Image, woman: Detection) -> None:
    crop = align(astronaut, woman).crop
    found = AttributeReader().probabilities(np.stack([crop, crop]))
    assert found.shape == (2, len(ATTRIBUTES))
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[0, MALE] < 0.1
    assert found[0, ATTRIBUTES.index("No_Beard")] > 0.9
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_no_crops() -> None:
    assert AttributeReader().probabilities(np.zeros((0, 128, 128, 3), np.uint8)).shape == (0, 13)
