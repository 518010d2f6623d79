"""Random attribute sets that change a face and keep its gender.

The first of the two passes moves `Male`, `Mustache` and `No_Beard` to the other side of the subject's gender; the second
inverts every sign and so brings gender back, with the other attributes changed.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deid.models.attgan import ATTRIBUTES

#: Attributes that stay 0: hair lies mostly outside the mask, and a bald or blond patch in a face is no help.
UNTOUCHED = ("Bald", "Black_Hair", "Blond_Hair")
#: Range of each attribute at strength 1, unless named here.
RANGE = 1.1
RANGES: Mapping[str, float] = {"Pale_Skin": 0.8}
#: Sign of the attribute in a man.
_GENDERED: Mapping[str, float] = {"Male": 1.0, "Mustache": 1.0, "No_Beard": -1.0}


def sample_sets(male: bool, n: int, rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.float32]:
    """Attribute sets of the first pass.

    Args:
        male: the subject's gender.
        n: how many sets.
        rng: where the randomness comes from.
        strength: widens the range of every attribute; 1 is the range of the thesis, +-1.1.

    Returns:
        (n, 13) in the order of `ATTRIBUTES`; the second pass takes them with inverted signs.
    """
    sets = rng.uniform(-1.0, 1.0, (n, len(ATTRIBUTES)))
    for j, attribute in enumerate(ATTRIBUTES):
        if attribute in UNTOUCHED:
            sets[:, j] = 0.0
        if attribute in _GENDERED:
            own_side = _GENDERED[attribute] * (1.0 if male else -1.0)
            sets[:, j] = -own_side * np.abs(sets[:, j])
        sets[:, j] *= RANGES.get(attribute, RANGE) * strength
    return np.asarray(sets, np.float32)


def named(attributes: NDArray[np.float32]) -> dict[str, float]:
    """An attribute set (13,) by name, without the ones at 0."""
    return {name: float(value) for name, value in zip(ATTRIBUTES, attributes, strict=True) if value}
