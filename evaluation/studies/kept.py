"""Gender and age of new faces, for women and men, light and dark skin, by independent classifiers."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import crops_of
from deid.check.judges import mtcnn
from deid.core.errors import DataError
from evaluation import datasets
from evaluation.faces import Face
from evaluation.new_faces import new_faces, read_report
from evaluation.results import Measure, Results, environment
from evaluation.skin import DARK_BELOW_DEG, tones
from evaluation.studies import edits, judges, second_opinion
from evaluation.studies.ages import learned_ages
from evaluation.studies.judges import Quantity
from evaluation.studies.lineup import age_group, groups_of, learned_opinion
from evaluation.studies.options import StudyOptions
from evaluation.studies.second_opinion import FaceMaps, Lesson

#: Number of people in neither folder from whom the classifier of gender learns.
_OTHERS = 700
_WORDS = {True: "men", False: "women"}


def kept(options: StudyOptions) -> Results:
    """Gender and age before and after, of all new faces of two folders.

    Raises:
        DataError: there are none, or the data that the readers learn from is absent.
    """
    pairs, report = options.pairs(), read_report(options.report) if options.report else None
    options.stage("new faces", len(pairs))
    faces = [f.face for f in new_faces(pairs, report, options.least_px, tick=options.tick)]
    if not faces:
        raise DataError(f"expected new faces in {options.after}, found none")
    maps, people = FaceMaps(), {p.identity for p in pairs}
    readers = replace(options, folder=_readers(options.folder, people))
    opinion = learned_opinion(readers, lambda: _others(people, options), maps)
    ages = learned_ages(readers, maps)
    before, after = crops_of(faces, "before"), crops_of(faces, "after")
    male, years = np.stack([opinion.male(before), opinion.male(after)]), np.stack([ages.years(before), ages.years(after)])
    labels = datasets.genders(datasets.data_folder() / "lfw-gender.csv")
    labelled = [labels.get(f.file.rsplit("/", 1)[-1], "") for f in faces]
    note = {
        "reader of ages": f"wrong by {float(ages.error[0]):.1f} years on average, on UTKFace",
        "dark skin": f"cheeks under {DARK_BELOW_DEG:g} degrees of the typology angle in the untouched photo, whose light counts too",
        "another photo": "the same of two untouched photos of a person: what the readers' own errors leave",
    }
    return Results(
        kind="study",
        title="kept: gender and age of new faces",
        settings={"faces": len(faces), "people": len({f.identity for f in faces}), "seed": options.seed, **note},
        environment=environment(),
        measures=tuple(kept_lines(faces, male, years, labelled, tones(before), options.seed)),
    )


def _readers(folder: Path | None, people: set[str]) -> Path | None:
    """Where the readers are kept: a classifier trained on one crowd does not judge another."""
    mark = hashlib.sha256("\n".join(sorted(people)).encode()).hexdigest()[:8]
    return folder / f"readers-{mark}" if folder else None


def _others(taken: set[str], options: StudyOptions) -> Lesson:
    own = datasets.people((p for p in datasets.lfw("test") if p.identity not in taken), _OTHERS, 1, options.seed)
    options.stage("other people", len(own))
    return second_opinion.gender_lesson(*edits.aligned(own, mtcnn(), options.tick))


def kept_lines(
    faces: Sequence[Face],
    male: NDArray[np.bool_],
    years: NDArray[np.float64],
    labels: Sequence[str],
    angles: NDArray[np.float64],
    seed: int,
) -> list[Measure]:
    """Lines for everybody, women, men, light and dark skin.

    Args:
        faces: N of them.
        male: (2, N) as read before and after.
        years: (2, N) likewise.
        labels: (N,) genders, empty where unknown: there the reader's word before stands.
        angles: (N,) of the skin before.
        seed: of the intervals.
    """
    men = [{"male": True, "female": False}.get(g, bool(m)) for g, m in zip(labels, male[0], strict=True)]
    groups = groups_of([[_WORDS[m], "dark skin" if a < DARK_BELOW_DEG else "light skin"] for m, a in zip(men, angles, strict=True)])
    spans = np.array([[age_group(int(max(y, 0))) for y in row] for row in years])
    reader = second_opinion.NAME
    quantities = [
        Quantity("gender kept", (male[0] == male[1]).astype(float), "higher", True, reader),
        Quantity("gender read as labelled, before", second_opinion.right_gender(male[0], labels), "higher", True, reader),
        Quantity("gender read as labelled, after", second_opinion.right_gender(male[1], labels), "higher", True, reader),
        Quantity("gender, another photo", _agreement(faces, male[0]), "higher", True, reader),
        Quantity("age group kept", (spans[0] == spans[1]).astype(float), "higher", True, "reader of ages"),
        Quantity("age group, another photo", _agreement(faces, spans[0]), "higher", True, "reader of ages"),
        Quantity("age change", np.abs(years[1] - years[0]), "lower", by="reader of ages", unit="years"),
        Quantity("age shift", years[1] - years[0], "", by="reader of ages", unit="years"),
    ]
    return judges.lines("kept", quantities, [f.identity for f in faces], groups, seed)


def _agreement(faces: Sequence[Face], read: NDArray[np.generic]) -> NDArray[np.float64]:
    """(N,) whether the next untouched photo of the same person is read alike; NaN for the last photo of everybody."""
    own: dict[str, list[int]] = defaultdict(list)
    for i, face in enumerate(faces):
        own[face.identity].append(i)
    found = np.full(len(faces), np.nan)
    for rows in own.values():
        for i, j in pairwise(rows):
            found[i] = float(read[i] == read[j])
    return found
