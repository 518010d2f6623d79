"""The whole product on one photo each of people outside all training: attempts, results, and utility.

Who is still recognised, and what was left exposed, is for `compare` to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deid import Anonymizer
from deid.core import seeds
from deid.core.types import Crops, Detection, FaceResult, Image
from deid.detection.central import central
from deid.imaging.alignment import align
from evaluation import datasets
from evaluation.datasets import Photo
from evaluation.detectors import both_detectors
from evaluation.metrics.bootstrap import share_interval
from evaluation.results import Measure, Results, environment, measure
from evaluation.studies import edits, judges, second_opinion
from evaluation.studies.generator import iou_change
from evaluation.studies.judges import Quantity
from evaluation.studies.lineup import groups_of, learned_opinion
from evaluation.studies.options import StudyOptions
from evaluation.studies.second_opinion import FaceMaps, SecondOpinion

#: Number of further people from whom the second opinion learns gender.
_OTHERS = 700
_NOWHERE = np.full(4, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """The person that a photo is of, before and after.

    Args:
        photo: which.
        before: (128, 128, 3) aligned crop.
        after: (128, 128, 3) of the result, cut in the same place.
        boxes: (3, 4) by the second detector before, by MTCNN before, and by MTCNN after; NaN where none is found.
        faces: results of all faces of the photo.
    """

    photo: Photo
    before: Image
    after: Image
    boxes: NDArray[np.float64]
    faces: tuple[FaceResult, ...]


def pipeline(options: StudyOptions) -> Results:
    """Tries, re-detection, overlap and gender, of the defaults."""
    photos = datasets.lfw("test")
    own = datasets.people(photos, options.people, 1, options.seed)
    taken = {p.identity for p in own}
    others = datasets.people((p for p in photos if p.identity not in taken), _OTHERS, 1, options.seed)
    detectors = both_detectors()
    options.stage("other people", len(others))
    lesson = second_opinion.gender_lesson(*edits.aligned(others, detectors[0], options.tick))
    # Nothing is kept for the next run: the generator's study keeps another one under that name.
    opinion = learned_opinion(replace(options, folder=None), lambda: lesson, FaceMaps())
    engine = Anonymizer()
    options.stage("photos", len(own))
    subjects = []
    for number, photo in enumerate(own):
        image = photo.image()
        result = engine.process(image, seed=seeds.seed_of(options.seed, number))
        found = [central(d.detect(i), i) for d, i in zip((*detectors[::-1], detectors[0]), (image, image, result.image), strict=True)]
        if (face := found[1]) is not None:
            before, after = align(image, face).crop, align(result.image, face).crop
            subjects.append(_Subject(photo, before, after, np.stack([_box(d) for d in found]), result.faces))
        options.tick()
    return Results(
        kind="study",
        title="pipeline: the whole product, with its defaults",
        settings={"data": "LFW test people, one photo each", "people": len(subjects), "seed": options.seed},
        environment=environment(),
        measures=(*_tries(subjects, options.seed), *_kept(subjects, opinion, options.seed)),
    )


def _box(face: Detection | None) -> NDArray[np.float64]:
    return _NOWHERE if face is None else face.box_xyxy


def _tries(subjects: Sequence[_Subject], seed: int) -> list[Measure]:
    """Results of all faces, bystanders included."""
    faces = [(s.photo.identity, f) for s in subjects for f in s.faces]
    tried = [(name, f) for name, f in faces if _was_tried(f)]
    rows = (
        ("sharp and sure enough for a new face", [(n, _was_tried(f)) for n, f in faces], "", "the others are covered"),
        ("new face, of those that were tried", [(n, _is_new(f)) for n, f in tried], "higher", "the others are covered"),
        ("new face at the first try", [(n, _is_new(f) and not f.why) for n, f in tried], "higher", ""),
    )
    return [
        measure("all faces", name, share_interval([hit for _, hit in row], [n for n, _ in row], seed), better=better, unit="%", note=note)
        for name, row, better, note in rows
    ]


def _is_new(face: FaceResult) -> bool:
    return bool(face.attributes)


def _was_tried(face: FaceResult) -> bool:
    return _is_new(face) or any(why.startswith("attgan") for why in face.why)


def _kept(subjects: Sequence[_Subject], opinion: SecondOpinion, seed: int) -> list[Measure]:
    """Detection, overlap and gender of the subjects."""
    genders = [s.photo.gender for s in subjects]
    reference, before, after = np.stack([s.boxes for s in subjects], axis=1)
    male_before, male_after = (opinion.male(_crops(subjects, side)) for side in ("before", "after"))
    again = judges.paired_iou(before, after)
    reader = second_opinion.NAME
    quantities = [
        Quantity("found again", (again >= 0.5).astype(float), "higher", True, "mtcnn", note="IoU of 0.5 or more"),
        Quantity("IoU with the box before", again, "higher", by="mtcnn"),
        iou_change(reference, before, after),
        Quantity("gender read as labelled, before", second_opinion.right_gender(male_before, genders), "higher", True, reader),
        Quantity("gender read as labelled, after", second_opinion.right_gender(male_after, genders), "higher", True, reader),
        Quantity("gender kept", (male_before == male_after).astype(float), "higher", True, reader),
    ]
    return judges.lines("subjects", quantities, [s.photo.identity for s in subjects], groups_of([[g] for g in genders]), seed)


def _crops(subjects: Sequence[_Subject], side: str) -> Crops:
    return np.stack([getattr(s, side) for s in subjects])
