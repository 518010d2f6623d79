"""What every study takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How large a study is.

    Args:
        people: how many people of the data set take part, where the study does not fix it.
        steps: of training, where the study trains a network; None takes the study's own.
        seed: of everything that is drawn.
        stage: called with a name and the number of steps when a stage begins.
        tick: called after each step.
        folder: where the results go, for a study that has more to keep there; None keeps nothing.
        weights: a generator's safetensors file, where the study measures one; None is the shipped one.
    """

    people: int = 150
    steps: int | None = None
    seed: int = 0
    stage: Callable[[str, int], None] = field(default=lambda name, total: None)
    tick: Callable[[], None] = field(default=lambda: None)
    folder: Path | None = None
    weights: Path | None = None
