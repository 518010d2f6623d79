"""What every study takes."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How large a study is.

    Args:
        people: how many people of the data set take part, where the study does not fix it.
        seed: of everything that is drawn.
        stage: called with a name and the number of steps when a stage begins.
        tick: called after each step.
    """

    people: int = 150
    seed: int = 0
    stage: Callable[[str, int], None] = field(default=lambda name, total: None)
    tick: Callable[[], None] = field(default=lambda: None)
