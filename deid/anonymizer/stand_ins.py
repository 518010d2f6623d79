"""The portraits of each stand-in: two people in a picture never share one."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.face import Face
from deid.anonymizer.fallback import covers
from deid.anonymizer.parts import Parts
from deid.anonymizer.request import Level
from deid.core.attributes import ATTRIBUTES
from deid.core.types import Image
from deid.editing.looks import Looks, contrast
from deid.editing.portraits import Portraits, draw
from deid.editing.sampler import MIX, SET_SIZE, portraits_of, sample_sets, sample_shares, with_portraits, without_portraits
from deid.editing.shapes import EYES
from deid.imaging import geometry
from deid.imaging.alignment import warp
from deid.recognition.source_face import SourceFace

#: Of the portraits that a picture's faces may have, each face reserves no more than its part of this share.
_SHARED_OUT = 0.4
#: So many more stand-ins than are generated does the selector see.
_TO_CHOOSE_FROM = 2
#: Why a face is covered that every portrait is too unlike, or that came when others had taken all.
NO_PORTRAIT = "no portrait is left for it"
#: The detector's eyes and those of the 68 landmarks may lie so far apart, in pixels of 128: 5 is seldom, and 9.8 was a head half turned
#: away, whose second eye came on the wall beside it. Why such a face is covered.
_EYES_APART, LANDMARKS_APART = 8.0, "its landmarks do not agree with the detector's"
_EMPTY_SET = np.zeros((1, len(ATTRIBUTES)), np.float32)


class Candidates(NamedTuple):
    """What is generated for a face: stand-ins, each with an attribute set.

    Args:
        sets: (N, D) attribute sets with the portraits of their stand-ins, one a row.
        expected: (N,) what the selector expects of each.
    """

    sets: NDArray[np.float32]
    expected: NDArray[np.float64]


def reserve(models: Parts, photo: Image, new: Sequence[Face], faces: Sequence[Face], taken: Collection[int] = ()) -> None:
    """Draw the stand-ins that each new face may get; who gets none is covered.

    Args:
        models: whose editor has the portraits.
        photo: (H, W, 3) uint8 RGB, as it was.
        new: faces without stand-ins, the first ones first served.
        faces: all of the picture, these among them.
        taken: numbers of portraits that others have.
    """
    bank = models.portraits
    if bank is None:
        return
    used = {*taken, *_numbers(faces)}
    wanting = [face for face in new if face.is_replaced and face.person is None]
    models.threads.starmap(_look, [(models, photo, face) for face in wanting])
    budget = models.options.budget
    most = budget.generated * (budget.rounds + 1)
    share = int(_SHARED_OUT * bank.n_pictures / (MIX * max(1, len(wanting))))
    draws = [
        (face, np.random.default_rng([face.seed, 0]), bank.unsuited(looks))
        for face in wanting
        if (looks := face.looks) is not None and _agree(face)
    ]
    own = {id(face): _numbers([face]) for face in new}
    # In turns: what suits a face best goes to none as its third choice.
    for _ in range(max(1, min(most, share))):
        for face, rng, off in draws:
            # One face's stand-ins may share portraits, for only one of them is shown: the best would else go to the first.
            numbers = draw(off, rng, used - own[id(face)])
            if numbers:
                used.update(numbers)
                own[id(face)].update(numbers)
                face.stand_ins.append(with_portraits(_EMPTY_SET, numbers, sample_shares(rng, len(numbers)))[0])
    for face in wanting:
        if not face.stand_ins:
            face.levels, face.why = covers(models), [NO_PORTRAIT if _agree(face) else LANDMARKS_APART]


def _agree(face: Face) -> bool:
    """Whether the 68 landmarks of its looks have the eyes where the detector has them; true where that has none."""
    if face.detection.landmarks is None or face.looks is None:
        return True
    eyes = np.stack([face.looks.points[part].mean(axis=0) for part in EYES])
    apart = np.linalg.norm(eyes - geometry.apply(face.matrix, face.detection.landmarks[:2]), axis=1)
    return bool(apart.max() <= _EYES_APART)


def _look(models: Parts, photo: Image, face: Face) -> None:
    """Note the features that a portrait for a face must have."""
    crop, source = warp(photo, face.matrix), face.source
    assert source.attributes is not None
    embedding, second = _embedding(models, source, crop), _read_before(models, source, Portraits.second_embedder)
    child = float(models.portrait_reader.child(embedding[None], None if second is None else second[None])[0])
    looks = Looks.of(crop, models.points.points(crop), source.attributes, embedding, source.male, child, second)
    face.looks = replace(looks, brows=_brows(models, looks.brows, embedding))


def brows_of(models: Parts, source: SourceFace, crop: Image, points: NDArray[np.float64]) -> float:
    """By which share somebody's brows are darker than the skin beside them, from an aligned crop with landmarks and from who it is."""
    return _brows(models, contrast(crop, points), _embedding(models, source, crop))


def _brows(models: Parts, seen: float, embedding: NDArray[np.float32]) -> float:
    """The same from what the crop shows and an embedding (D,)."""
    return float(models.portrait_reader.brows(np.array([seen]), embedding[None])[0])


def _embedding(models: Parts, source: SourceFace, crop: Image) -> NDArray[np.float32]:
    """(D,) by the recogniser that the portraits are compared with; it was read before where it is one of the gate's."""
    embedder = models.bank_embedder
    row = _read_before(models, source, embedder.name)
    return np.asarray(embedder.embed(crop[None])[0] if row is None else row)


def _read_before(models: Parts, source: SourceFace, name: str) -> NDArray[np.float32] | None:
    """(D,) by one of the gate's recognisers; None where it has none of that name."""
    named = zip(models.reader.embedders, source.embeddings, strict=True)
    return next((np.asarray(rows[0]) for embedder, rows in named if embedder.name == name), None)


def _numbers(faces: Sequence[Face]) -> set[int]:
    """Numbers of the portraits that faces have or may get."""
    known = [face.person.level.sets[0] for face in faces if face.person is not None and face.person.level.sets is not None]
    return {i for row in [*known, *(r for face in faces for r in face.stand_ins)] for i in portraits_of(row)[0]}


def candidates_for(models: Parts, face: Face, level: Level, rng: np.random.Generator) -> Candidates:
    """The candidates that a level generates for a face.

    They are the level's own, or new ones that the selector ranks best; none where no portrait is left.
    """
    if level.sets is not None:
        return Candidates(level.sets, np.ones(len(level.sets)))
    male, bank = face.source.male > 0.5, models.portraits
    if bank is None:
        return Candidates(without_portraits(sample_sets(male, level.n_sets, rng, level.strength)), np.ones(level.n_sets))
    if not face.stand_ins or face.looks is None:
        return Candidates(np.zeros((0, SET_SIZE), np.float32), np.ones(0))
    if len(face.used) == len(face.stand_ins):
        face.used.clear()
    # Drawn at random, the first ones are. A selector that saw all of them would give somebody the same portrait in each of many photos.
    free = [i for i in range(len(face.stand_ins)) if i not in face.used][: level.n_sets + _TO_CHOOSE_FROM]
    rows = np.repeat([face.stand_ins[i] for i in free], level.n_proposals, axis=0)
    rows[:, : len(ATTRIBUTES)] = sample_sets(male, len(rows), rng, level.strength)
    value = np.ones(len(rows)) if models.selector is None else models.selector.judge(face.looks, bank, rows).value
    # At most one of a stand-in: two sets on one portrait make two faces that are much alike.
    best = [group[value[group].argmax()] for group in np.array_split(np.arange(len(rows)), len(free))]
    chosen = sorted(best, key=lambda i: -value[i])[: level.n_sets]
    face.used.update(free[i // level.n_proposals] for i in chosen)
    return Candidates(rows[chosen], value[chosen])
