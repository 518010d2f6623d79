"""`known-people`: share of photos that stay of five LFW people to keep, and of all others.

By the functions of `deid run --keep`. Every photo counts once, by the face that it is named for. LFW's people with one photo of the
training split are among the strangers of nearness (in means of three), so the others are reported separately.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.known_people import LOOSE, STRICT, KnownPeople, Reference, is_clear
from deid.anonymizer.selection import best_pairs
from deid.anonymizer.strangers import Strangers, shipped_strangers
from deid.core.options import Options
from deid.core.protocols import Embedder
from deid.core.types import Detection, Embeddings
from deid.detection.central import central
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging.alignment import align_matrix, warp
from deid.landmarks.realigned import realigned
from deid.recognition import build_embedder
from deid.recognition.mirrored import rows_of
from deid.training.data import split_of
from evaluation import datasets
from evaluation.metrics.bootstrap import mean_interval, share_interval
from evaluation.results import Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions

#: People to keep in each draw, reference photos of each, and photos of theirs that are left to be kept.
_PEOPLE, _REFERENCES, _LEAST_LEFT = 5, 8, 4
_DRAWS = 100
#: Photos that LFW's own list of errors gives to the wrong person (vis-www.cs.umass.edu/lfw, "Errata").
_ERRATA = ("Michael_Schumacher_0008.jpg", "Carlos_Ruckauf_0001.jpg", "Recep_Tayyip_Erdogan_0004.jpg")


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The main face of every photo.

    Args:
        rows: embeddings (N, D) with mirror images, by embedder.
        names: (N,) of the photos.
        people: (N,) whose.
        clear: (N,) whether it is seen well enough to be kept.
    """

    rows: tuple[Embeddings, ...]
    names: NDArray[np.str_]
    people: NDArray[np.str_]
    clear: NDArray[np.bool_]


def known_people(options: StudyOptions) -> Results:
    """Keep five people drawn at random, many times.

    Raises:
        DataError: LFW is absent.
    """
    embedders = [build_embedder(name) for name in Options().embedders]
    faces = _faces(options, embedders)
    faces = _where(faces, ~np.isin(faces.names, _ERRATA))
    strangers = shipped_strangers()
    counts = {who: int((faces.people[faces.clear] == who).sum()) for who in np.unique(faces.people)}
    able = sorted(who for who, n in counts.items() if n >= _REFERENCES + _LEAST_LEFT)
    rng = np.random.default_rng(options.seed)
    options.stage("draws", _DRAWS)
    draws = []
    for _ in range(_DRAWS):
        draws.append(_draw(faces, [str(who) for who in rng.choice(able, _PEOPLE, replace=False)], embedders, strangers, rng))
        options.tick()
    settings = {"people": _PEOPLE, "references": _REFERENCES, "draws": _DRAWS, "photos": len(faces.names), "people to draw from": len(able)}
    return Results(
        kind="study",
        title="People to keep",
        settings=settings
        | {"recognisers": ", ".join(e.name for e in embedders)}
        | {"strict": STRICT, "loose": LOOSE, "left out": ", ".join(_ERRATA), "seed": options.seed},
        environment=environment(),
        measures=tuple(_measures(draws, options.seed)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """One draw.

    Args:
        kept: (M,) whether each clear photo of the people to keep is kept.
        owners: (M,) whose.
        others: (K,) whether each photo of somebody else is kept.
        seen: (K,) whether it is of the split that the strangers are made of.
        exposed: (M,) whether each clear photo would stay as it is, were these the only people to go.
        left: (K,) whether each photo of somebody else would stay as it is then.
    """

    kept: NDArray[np.bool_]
    owners: NDArray[np.str_]
    others: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    exposed: NDArray[np.bool_]
    left: NDArray[np.bool_]


def _draw(faces: Faces, people: Sequence[str], embedders: Sequence[Embedder], strangers: Strangers, rng: np.random.Generator) -> _Draw:
    references, own = [], np.isin(faces.people, people)
    used = np.zeros(len(own), bool)
    for who in people:
        chosen = rng.permutation(np.flatnonzero((faces.people == who) & faces.clear))[:_REFERENCES]
        used[chosen] = True
        means = [rows[chosen].mean(axis=0, keepdims=True) for rows in faces.rows]
        references.append(Reference(who, tuple(mean / np.linalg.norm(mean) for mean in means)))
    near = KnownPeople(references, embedders, strangers).compare(faces.rows)
    as_whom = np.full(len(near), "", faces.people.dtype)
    for i in np.flatnonzero(faces.clear & (near.min(axis=1) < STRICT)):
        as_whom[i] = next(people[person] for person, _ in best_pairs(near[i : i + 1]))
    apart = (near.min(axis=1) > LOOSE) & faces.clear
    mine = own & faces.clear & ~used
    single = np.array([split_of(f"lfw/{who}") == "train" for who in faces.people[~own]])
    return _Draw(
        kept=as_whom[mine] == faces.people[mine],
        owners=faces.people[mine],
        others=as_whom[~own] != "",
        seen=single,
        exposed=apart[mine],
        left=apart[~own],
    )


def _measures(draws: Sequence[_Draw], seed: int) -> list[Measure]:
    kept, owners = np.concatenate([d.kept for d in draws]), [str(o) for d in draws for o in d.owners]
    number = [str(i) for i in range(len(draws))]
    others = mean_interval([float(d.others.sum()) for d in draws], number, seed)
    unseen = mean_interval([float(d.others[~d.seen].sum()) for d in draws], number, seed)
    none = share_interval([not d.others.any() for d in draws], number, seed)
    exposed = share_interval(np.concatenate([d.exposed for d in draws]), owners, seed)
    left = mean_interval([float(d.left.mean()) for d in draws], number, seed)
    note = f"of about {len(draws[0].others)} photos of others"
    return [
        measure("keep", "kept, of the people's other clear photos", share_interval(kept, owners, seed), better="higher", unit="%"),
        measure("keep", "draws in which nobody else is kept", none, better="higher", unit="%"),
        measure("keep", "photos of others that are kept, in a draw", others, better="lower", note=note),
        measure("keep", "the same outside the strangers' split", unseen, better="lower", note=f"of {int((~draws[0].seen).sum())} photos"),
        measure("only", "exposed, of the people's clear photos", exposed, better="lower", unit="%"),
        measure("only", "left as they are, of others' photos", left, better="higher", unit="%"),
    ]


def _where(faces: Faces, mask: NDArray[np.bool_]) -> Faces:
    return Faces(tuple(rows[mask] for rows in faces.rows), faces.names[mask], faces.people[mask], faces.clear[mask])


def _faces(options: StudyOptions, embedders: Sequence[Embedder]) -> Faces:
    """All of LFW, embedded once for a folder."""
    names = [embedder.name for embedder in embedders]
    path = options.folder / f"lfw-{'-'.join(names)}.npz" if options.folder else None
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return Faces(tuple(stored[name] for name in names), stored["names"], stored["people"], stored["clear"])
    faces = _embedded(options, embedders)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(zip(names, faces.rows, strict=True))
        np.savez(path, names=faces.names, people=faces.people, clear=faces.clear, **arrays)
    return faces


def _embedded(options: StudyOptions, embedders: Sequence[Embedder]) -> Faces:
    photos, detector = datasets.lfw(None), MtcnnDetector(min_face=50)
    options.stage("LFW", len(photos))
    rows: list[list[Embeddings]] = [[] for _ in embedders]
    clear, usual = [], Options()
    for photo in photos:
        image = photo.image()
        face = central(detector.detect(image), image)
        clear.append(face is not None and is_clear(face, usual))
        crop = _crop(image, face)[None]
        for own, embedder in zip(rows, embedders, strict=True):
            own.append(rows_of(embedder, crop))
        options.tick()
    stacked = tuple(np.concatenate(own) for own in rows)
    return Faces(stacked, np.array([p.name for p in photos]), np.array([p.identity for p in photos]), np.array(clear))


def _crop(image: NDArray[np.uint8], face: Detection | None) -> NDArray[np.uint8]:
    return warp(image, align_matrix(datasets.LFW_POINTS)) if face is None else realigned(image, face)
