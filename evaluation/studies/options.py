"""Options of all studies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deid.check.folders import FilePair, pair_folders
from deid.core.errors import DataError


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
        before: folder of untouched photos, where the study compares a tool's output.
        after: folder of its outputs, by the same names.
        report: of the run that made them: the JSON of `deid run --report`, or the ledger of `deid dataset`.
        least_px: least size of the faces.
        crops: in a blind test, both kinds together.
        answers: of readers of a blind test.
        again: folder of another run over the same photos.
        bank: the portraits that stood in, as a tar or a folder of aligned pictures.
        detectors: by name, where the study measures detectors; empty for the study's own.
        old: folder of an older build to measure in turns with this one.
    """

    people: int = 150
    steps: int | None = None
    seed: int = 0
    stage: Callable[[str, int], None] = field(default=lambda name, total: None)
    tick: Callable[[], None] = field(default=lambda: None)
    folder: Path | None = None
    weights: Path | None = None
    before: Path | None = None
    after: Path | None = None
    report: Path | None = None
    least_px: float = 100.0
    crops: int = 60
    answers: tuple[Path, ...] = ()
    again: Path | None = None
    bank: Path | None = None
    detectors: tuple[str, ...] = ()
    old: Path | None = None

    def pairs(self, shuffled: bool = False) -> list[FilePair]:
        """Files of both folders, in random order when asked for.

        Raises:
            DataError: a folder was not given, or cannot be used.
        """
        if self.before is None or self.after is None:
            raise DataError("expected --before and --after, a folder of photos and one of what a tool made of them")
        found, _ = pair_folders(self.before, self.after)
        return [found[i] for i in np.random.default_rng(self.seed).permutation(len(found))] if shuffled else found
