"""One gallery and one set of probe photos for many methods, shared by the studies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import crops_of
from deid.check.recognition import fix_thresholds
from deid.core.protocols import Embedder
from deid.core.types import Embeddings
from evaluation import datasets, methods, recognisers
from evaluation.detectors import Remembering, both_detectors
from evaluation.faces import Face, Observer, PhotoResult
from evaluation.methods import Found, Method
from evaluation.metrics import identification
from evaluation.metrics.bootstrap import Interval, share_interval
from evaluation.scoring import Trial
from evaluation.studies.options import StudyOptions


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one method did to the probe photos.

    Args:
        photos: every probe photo before and after.
        faces: the main face of each.
        trials: the naive search by recogniser.
        alike: the search in a gallery that the method was run on too; empty when it was not requested.
        distances: (N,) L2 before to after by recogniser.
    """

    photos: list[PhotoResult]
    faces: list[Face]
    trials: dict[str, Trial]
    alike: dict[str, Trial]
    distances: dict[str, NDArray[np.float64]]

    def rank_one(self, recogniser: str, seed: int, alike: bool = False) -> Interval:
        """Share of the people that are found first, in the untouched gallery or in the one that is edited alike."""
        trial = (self.alike if alike else self.trials)[recogniser]
        return share_interval(identification.hits(identification.ranks(trial.scores, trial.own), 1), list(trial.people), seed)

    def recall(self, detector: int, seed: int) -> Interval:
        """Share of the faces that a detector finds before and still finds after."""
        rows = [(p.identity, iou > 0) for p in self.photos for iou in p.tallies[detector].iou_before]
        return share_interval([hit for _, hit in rows], [name for name, _ in rows], seed)


class Bench:
    """Photos of people of whom no generator was trained: the first of each is the gallery, the second is the probe.

    Args:
        options: of the study.
    """

    def __init__(self, options: StudyOptions) -> None:
        photos = datasets.people(datasets.lfw("test"), options.people, 2, options.seed)
        options.stage("gallery", 1)
        self.seed = options.seed
        found = methods.find_faces(photos)
        self.shown, self.probes = found[::2], found[1::2]
        self.observer = Observer([Remembering(d, [f.image for f in found]) for d in both_detectors()])
        self.recognisers: list[Embedder] = recognisers.load()
        self.gallery = self._mains(self.shown, methods.untouched())[1]
        self.probe_faces = self._mains(self.probes, methods.untouched())[1]
        self.names = np.array([f.identity for f in self.gallery])
        self.rows = {
            r.name: (r.embed(crops_of(self.gallery, "before")), r.embed(crops_of(self.probe_faces, "before"))) for r in self.recognisers
        }
        options.tick()

    def _mains(self, found: Sequence[Found], method: Method) -> tuple[list[PhotoResult], list[Face]]:
        photos = self.observer.observe(methods.apply(found, method))
        return photos, [f for p in photos for f in p.faces if f.main]

    def threshold(self, recogniser: Embedder) -> float:
        """Cosine at FMR 1e-3, set on the gallery."""
        return fix_thresholds(self.rows[recogniser.name][0], list(self.names), recogniser.threshold)[0][1e-3]

    def run(self, method: Method, parrot: bool = False) -> Outcome:
        """A method on all probe photos; with ``parrot`` on the gallery too, for an attacker who has the same tool."""
        photos, faces = self._mains(self.probes, method)
        after = {r.name: r.embed(crops_of(faces, "after")) for r in self.recognisers}
        people = [f.identity for f in faces]
        trials = {name: self.trial(name, rows, people) for name, rows in after.items()}
        alike: dict[str, Trial] = {}
        if parrot:
            shown = crops_of(self._mains(self.shown, method)[1], "after")
            alike = {r.name: self.trial(r.name, after[r.name], people, r.embed(shown)) for r in self.recognisers}
        return Outcome(photos, faces, trials, alike, self._distances(after))

    def trial(self, recogniser: str, rows: Embeddings, people: Sequence[str], gallery: Embeddings | None = None) -> Trial:
        """The search of embeddings (N, D) of these people in the gallery, untouched unless it is given."""
        columns = {name: i for i, name in enumerate(self.names)}
        shown = self.rows[recogniser][0] if gallery is None else gallery
        scores = np.asarray(rows, np.float64) @ np.asarray(shown, np.float64).T
        return Trial(scores, np.array([columns[p] for p in people]), np.asarray(people))

    def _distances(self, after: dict[str, Embeddings]) -> dict[str, NDArray[np.float64]]:
        return {name: np.linalg.norm(np.asarray(self.rows[name][1], np.float64) - rows, axis=1) for name, rows in after.items()}
