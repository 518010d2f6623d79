"""The shipped classifier reads what it must for the gender trick."""

import numpy as np

from deid.align import align
from deid.attributes.classify import MALE, AttributeReader
from deid.models.attgan import ATTRIBUTES
from deid.structures import Detection, Image


def test_gender_of_two_known_people(astronaut: Image, woman: Detection, hopper: Image, man: Detection) -> None:
    crops = np.stack([align(astronaut, woman).crop, align(hopper, man).crop])
    found = AttributeReader().probabilities(crops)
    assert found.shape == (2, len(ATTRIBUTES))
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[0, MALE] < 0.5 < found[1, MALE]


def test_no_crops() -> None:
    assert AttributeReader().probabilities(np.zeros((0, 128, 128, 3), np.uint8)).shape == (0, 13)
