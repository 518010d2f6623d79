"""Random attribute sets that change a face and keep its gender, each with the code of a new person.

The first of the two passes moves `Male`, `Mustache` and `No_Beard` to the other side of the subject's gender; the second
inverts every sign and so brings gender back, with the other attributes changed. The code is the same in both.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deid.models.attgan import ATTRIBUTES, N_CODES

#: Attributes that stay 0: hair lies mostly outside the mask, and a bald or blond patch in a face is no help; skin shall fit the
#: neck; an open mouth is expression, which stays; glasses, brought or taken, leave their ghosts (weights/EXPERIMENTS.md).
UNTOUCHED = ("Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Eyeglasses", "Mouth_Slightly_Open", "Pale_Skin")
#: Range of each attribute at strength 1.
RANGE = 1.1
#: Sign of the attribute in a man.
_GENDERED: Mapping[str, float] = {"Male": 1.0, "Mustache": 1.0, "No_Beard": -1.0}
#: How often a new man has what few men have: drawn evenly, half of them would wear beards. The others have none of it.
_RARE: Mapping[str, float] = {"Mustache": 0.15, "No_Beard": 0.25}


def sample_sets(male: bool, n: int, rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.float32]:
    """Attribute sets of the first pass.

    Args:
        male: the subject's gender.
        n: how many sets.
        rng: where the randomness comes from.
        strength: widens or narrows the range of every attribute; 1 is the range of the thesis, +-1.1.

    Returns:
        (n, 13 + N_CODES): attributes in the order of `ATTRIBUTES`, which the second pass takes with inverted signs, then an
        identity code of length sqrt(N_CODES): all new people are equally far from the average one.
    """
    sets = rng.uniform(-1.0, 1.0, (n, len(ATTRIBUTES)))
    for j, attribute in enumerate(ATTRIBUTES):
        if attribute in _RARE and male:
            sets[:, j] = np.where(rng.random(n) < _RARE[attribute], rng.uniform(0.5, 1.0, n), 0.0)
        if attribute in UNTOUCHED:
            sets[:, j] = 0.0
        if attribute in _GENDERED:
            own_side = _GENDERED[attribute] * (1.0 if male else -1.0)
            sets[:, j] = -own_side * np.abs(sets[:, j])
        sets[:, j] *= RANGE * strength
    if not male:
        # A woman's gender comes back in full: asked for faintly, it was lost in one of eight. Men's is not lost.
        sets[:, ATTRIBUTES.index("Male")] = RANGE * max(1.0, strength)
    return np.asarray(np.concatenate([sets, sample_codes(n, rng)], axis=1), np.float32)


def sample_codes(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Identity codes (n, N_CODES), uniform on the sphere of radius sqrt(N_CODES)."""
    codes = rng.standard_normal((n, N_CODES))
    codes *= np.sqrt(N_CODES) / np.linalg.norm(codes, axis=1, keepdims=True)
    return np.asarray(codes, np.float32)


def named(attributes: NDArray[np.float32]) -> dict[str, float]:
    """A set (13 + N_CODES,) by name, without the ones at 0."""
    names = (*ATTRIBUTES, *(f"identity_{i}" for i in range(N_CODES)))
    return {name: float(value) for name, value in zip(names, attributes, strict=True) if value}
