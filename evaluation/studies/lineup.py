"""People and judges for studies of a generator."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.anonymizer.request import Level
from deid.check.judges import mtcnn
from deid.core.types import Crops, Embeddings
from deid.editing.portraits import Portraits
from deid.landmarks.face_points import FacePoints
from deid.models.attgan import Generator
from deid.recognition.linear import PortraitReader
from deid.verification.realism import RealismScorer
from evaluation import datasets, recognisers
from evaluation.datasets import Photo
from evaluation.pairs import other_photo
from evaluation.studies import edits, second_opinion
from evaluation.studies.edits import Subjects
from evaluation.studies.judges import Judges, Seen
from evaluation.studies.options import StudyOptions
from evaluation.studies.second_opinion import FaceMaps, Lesson, Look, SecondOpinion

#: People with one photo: they fill the gallery, and are the photos that edits are compared with.
_OTHERS = 690
#: First years of the age groups.
_AGES = (0, 13, 20, 40, 60)


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """The people, the judges and the generator.

    Args:
        network: the generator.
        bank: the portraits.
        level: what the product tries first with it.
        judges: who looks; the last recogniser is the attacker's, with which nothing was trained or chosen.
        opinion: the second opinion.
        maps: input.
        faces: one photo each of the people.
        before: what the judges see in them.
        genders: (N,) as they are labelled.
        shown: (N, D) by recogniser: another photo of each.
        others: (M, 128, 128, 3) photos of other people.
        crowd: (M, D) what the attacker sees in those.
        seed: of everything that is drawn.
    """

    network: Generator
    bank: Portraits
    level: Level
    judges: Judges
    opinion: SecondOpinion
    maps: FaceMaps
    faces: Subjects
    before: Seen
    genders: tuple[str, ...]
    shown: dict[str, Embeddings]
    others: Crops
    crowd: Embeddings
    seed: int

    @property
    def attacker(self) -> str:
        """Name of the attacker's recogniser."""
        return self.judges.recognisers[-1].name

    @property
    def groups(self) -> dict[str, NDArray[np.bool_]]:
        """Everybody, women and men."""
        return groups_of([[g] for g in self.genders])

    def rows(self, draw: int) -> NDArray[np.float32]:
        """One stand-in and random set (N, D) for each face; other ones for every draw."""
        return edits.draw_rows(self.faces, self.bank, np.random.default_rng([self.seed, draw]))


def line_up(options: StudyOptions) -> tuple[Lineup, Lesson]:
    """LFW people whom no generator was trained on, and the faces that the second opinion is examined on."""
    detector, points, known = mtcnn(), FacePoints(), recognisers.load()
    network = edits.load_generator(options.weights)
    photos = datasets.lfw("test")
    own = datasets.people(photos, options.people, 2, options.seed)
    taken = {p.identity for p in own}
    others = datasets.people((p for p in photos if p.identity not in taken), _OTHERS, 1, options.seed)
    options.stage("LFW", len(own) + len(others))
    kept, crops = edits.aligned([*own, *others], detector, options.tick)
    split = other_photo([p.identity for p in kept])
    rest = np.delete(split.gallery, split.own)
    probes = [kept[i] for i in split.probes]
    exam = second_opinion.celeba_lesson("validation", detector, options.stage, options.tick)
    maps = FaceMaps()
    opinion = learned_opinion(options, lambda: second_opinion.gender_lesson([kept[i] for i in rest], crops[rest]), maps)
    judges = Judges(known, detector, opinion.male, points, RealismScorer())
    options.stage("untouched photos", 1)
    faces = edits.subjects(crops[split.probes], [p.identity for p in probes], points)
    lineup = Lineup(
        network=network,
        bank=Portraits(weights.read_bank(), PortraitReader()),
        level=edits.first_level(network),
        judges=judges,
        opinion=opinion,
        maps=maps,
        faces=faces,
        before=judges.look(faces.crops),
        genders=tuple(p.gender for p in probes),
        shown=judges.embed(crops[split.gallery[split.own]]),
        others=crops[rest],
        crowd=known[-1].embed(crops[rest]),
        seed=options.seed,
    )
    options.tick()
    return lineup, exam


def learned_opinion(options: StudyOptions, genders: Callable[[], Lesson], look: Look) -> SecondOpinion:
    """The second opinion, learned once for a folder and its settings from CelebA and from LFW people who are not tried on."""
    name = f"second-opinion-{options.people}-{options.seed}.safetensors"
    path = options.folder / name if options.folder else None
    if path is not None and path.is_file():
        return second_opinion.read(path, look)
    taught = second_opinion.celeba_lesson("test", mtcnn(), options.stage, options.tick)
    options.stage("second opinion", 1)
    opinion = second_opinion.learn(look, second_opinion.joined(taught, genders()))
    options.tick()
    if path is not None:
        second_opinion.write(opinion, path)
    return opinion


def groups_of(memberships: Sequence[Sequence[str]]) -> dict[str, NDArray[np.bool_]]:
    """Masks (N,) of all faces, and of each group that one of them belongs to; the empty name is none."""
    names = sorted({name for own in memberships for name in own if name})
    masks = {name: np.array([name in own for own in memberships], bool) for name in names}
    return {"all": np.ones(len(memberships), bool), **masks}


def age_group(age: int) -> str:
    """Name of the group of an age in years."""
    k = bisect_right(_AGES, age)
    return f"{_AGES[k - 1]} and over" if k == len(_AGES) else f"{_AGES[k - 1]}-{_AGES[k] - 1}"


def evenly(kinds: Sequence[Hashable], n: int, rng: np.random.Generator) -> list[int]:
    """``n`` of the items, drawn so that all kinds (N,) are there as evenly as their numbers allow."""
    before: dict[Hashable, int] = defaultdict(int)
    turns = []
    for i in rng.permutation(len(kinds)):
        turns.append((before[kinds[i]], int(i)))
        before[kinds[i]] += 1
    return [i for _, i in sorted(turns, key=lambda turn: turn[0])][:n]


def portraits(n: int, rng: np.random.Generator) -> tuple[list[Photo], dict[str, list[str]]]:
    """UTKFace photos, ages and skin groups as evenly as they are to be had, and the groups of each by its name."""
    every = datasets.utkface()
    chosen = [every[i] for i in evenly([(age_group(age), skin) for _, age, skin in every], n, rng)]
    return [photo for photo, _, _ in chosen], {p.name: [f"age {age_group(age)}", f"skin {skin}", p.gender] for p, age, skin in chosen}
