"""Random attribute sets that change a face and keep its gender, each with its stand-in.

The first of the two passes has the gender attributes flipped; the second inverts every sign and so brings gender back, with the other
attributes changed.

A row that an editor is given is (SET_SIZE,): 13 attributes in the order of `ATTRIBUTES`, then the numbers of the portraits that make up the
stand-in, then the share of each.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES

#: Portraits in a stand-in.
MIX = 2
#: Length of a row.
SET_SIZE = len(ATTRIBUTES) + 2 * MIX
#: Attributes that stay 0: hair lies outside the mask; skin fits the neck; an open mouth is expression, which stays; glasses, brought or
#: taken, leave their ghosts, and painted beards are patches; age is the portrait's, and paints the forehead (weights/EXPERIMENTS.md).
UNTOUCHED = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Eyeglasses",
    "Mouth_Slightly_Open",
    "Mustache",
    "No_Beard",
    "Pale_Skin",
    "Young",
)
#: Range of each attribute at strength 1.
RANGE = 1.1
#: The first portrait, which gives the fine detail, has this share of shape and tone at least, and at most.
FIRST = (0.5, 0.7)
_MALE = ATTRIBUTES.index("Male")


def sample_sets(male: bool, n: int, rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.float32]:
    """Attribute sets of the first pass, without stand-ins.

    Args:
        male: the subject's gender.
        n: how many sets.
        rng: where the randomness comes from.
        strength: widens or narrows the range of every attribute; 1 is the range of the thesis, +-1.1.

    Returns:
        (n, 13): attributes in the order of `ATTRIBUTES`, which the second pass takes with inverted signs.
    """
    sets = rng.uniform(-1.0, 1.0, (n, len(ATTRIBUTES)))
    sets[:, [ATTRIBUTES.index(a) for a in UNTOUCHED]] = 0.0
    sets[:, _MALE] = np.abs(sets[:, _MALE]) * (-1.0 if male else 1.0)
    sets *= RANGE * strength
    if not male:
        # A woman's gender comes back in full: asked for faintly, it was lost in one of eight. Men's is not lost.
        sets[:, _MALE] = RANGE * max(1.0, strength)
    return np.asarray(sets, np.float32)


def sample_shares(rng: np.random.Generator, n: int = MIX) -> NDArray[np.float32]:
    """Shares (n,) of the portraits of a stand-in, the first one's the largest."""
    if n == 1:
        return np.ones(1, np.float32)
    first = rng.uniform(*FIRST)
    return np.array([first, *[(1 - first) / (n - 1)] * (n - 1)], np.float32)


def with_portraits(sets: NDArray[np.float32], numbers: Sequence[int], shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sets (N, 13) as rows (N, SET_SIZE) for one stand-in; where there are fewer portraits than `MIX`, the first one is repeated."""
    missing = MIX - len(numbers)
    row = np.array([*numbers, *[numbers[0]] * missing, *shares, *[0.0] * missing], np.float32)
    return np.concatenate([sets, np.tile(row, (len(sets), 1))], axis=1)


def without_portraits(sets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sets (N, 13) as rows (N, SET_SIZE) for an editor that has no use for a stand-in."""
    return np.concatenate([sets, np.zeros((len(sets), 2 * MIX), np.float32)], axis=1)


def portraits_of(row: NDArray[np.float32]) -> tuple[list[int], list[float]]:
    """Numbers and shares of a row's portraits, those with a share alone."""
    numbers, shares = np.split(row[len(ATTRIBUTES) :], 2)
    return [int(i) for i, share in zip(numbers, shares, strict=True) if share > 0], [float(s) for s in shares if s > 0]


def named(row: NDArray[np.float32]) -> dict[str, float]:
    """The attributes of a row (SET_SIZE,) by name, without the ones at 0."""
    return {name: float(value) for name, value in zip(ATTRIBUTES, row, strict=False) if value}
