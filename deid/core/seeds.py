"""Seeds that are derived from others: for each file of a run, each person of a video, each attempt."""

from typing import overload

import numpy as np


@overload
def seed_of(seed: int, *numbers: int) -> int: ...
@overload
def seed_of(seed: None, *numbers: int) -> None: ...
@overload
def seed_of(seed: int | None, *numbers: int) -> int | None: ...
def seed_of(seed: int | None, *numbers: int) -> int | None:
    """The seed of a part, by its place in the whole.

    Args:
        seed: of the whole; None for fresh ones.
        numbers: the place: of a file in the run, of a person in the video.

    Returns:
        64 random bits that are the same for the same arguments; None without a seed.

    Examples:
        >>> seed_of(7, 0) == seed_of(7, 0), seed_of(7, 0) == seed_of(7, 1)
        (True, False)
    """
    return None if seed is None else int(np.random.SeedSequence([seed, *numbers]).generate_state(1, np.uint64)[0])
