"""What the selector gains on people whom nothing was trained on, beside drawing lots, generating more, and searching on.

Every way gets a face and gives an attribute set; what becomes of the set is then measured in the same way for all, and each is
charged the seconds that it took. The second recogniser is the one of the training: the attacker's takes no part here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deid import blend, weights
from deid.attributes.sampler import sample_sets
from deid.attributes.selector import Selector
from deid.config import QUALITIES, Options
from deid.detect.face_points import FacePoints
from deid.detect.mtcnn import MtcnnDetector
from deid.edit.attgan import AttganEditor, coarsen
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.ladder import STRENGTHS
from deid.models.attgan import ATTRIBUTES, N_CODES, Generator, inverted
from deid.structures import Embeddings, Image
from deid.training.calibrate import FMR
from deid.training.classifier import to_tensor
from deid.training.recognisers import dlib_recogniser
from deid.training.selector import NEAR_STRANGERS, Limits, limits, ranking, tries
from deid.training.selector_table import Bench, Table, join
from deid.verify import SourceFace, utility
from evaluation import datasets
from evaluation.results import Measure, Results, environment
from evaluation.studies import edits
from evaluation.studies.edits import load_generator
from evaluation.studies.judges import Quantity, lines
from evaluation.studies.options import StudyOptions

_RECOGNISER = "recognisers/mobilefacenet-casia.safetensors"
#: Sets of each face that are measured whether they are chosen or not.
_SETS = 32
#: Steps of the gradient search and how far each goes; new sets in each of the mutation's rounds, and their spread.
_STEPS, _RATE = (2, 6), 0.25
_MUTANTS, _ROUNDS, _SPREAD = 4, 3, 0.5
_CODES = slice(len(ATTRIBUTES), None)

#: A face, what the gate remembers of it, and where the randomness comes from, to one set (29,).
Way = Callable[["_Face", np.random.Generator], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    """Somebody who is to get a new face.

    Args:
        name: who it is.
        crop: (128, 128, 3), aligned.
        source: what the gate remembers.
    """

    name: str
    crop: Image
    source: SourceFace

    @property
    def told(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the selector is told."""
        return self.source.attributes, self.source.embeddings[0][0]

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Random sets (n, 29)."""
        return sample_sets(self.source.male > 0.5, n, rng, STRENGTHS[0])


def selector(options: StudyOptions) -> Results:
    """Ways to find a set, what each found and what it cost, and how different the new people are."""
    # Budgets were set on these people: the test people are left for the whole pipeline.
    photos = datasets.people(datasets.lfw("validation"), options.people, 1, options.seed)
    options.stage("LFW", len(photos))
    kept, crops = edits.aligned(photos, MtcnnDetector(min_face=20), options.tick)
    network = load_generator(options.weights)
    editor = AttganEditor(network=network)
    bench = Bench(datasets.data_file(_RECOGNISER), editor=editor)
    faces = [_Face(photo.identity, crop, bench.source(crop)) for photo, crop in zip(kept, crops, strict=True)]
    options.stage("random sets", len(faces))
    drawn = [face.draw(_SETS, rng) for face, rng in zip(faces, _rngs(options, 0, faces), strict=True)]
    lots = join([_ticked(options, bench.measure, f.name, f.crop, f.source, sets) for f, sets in zip(faces, drawn, strict=True)])
    goals, chooser = limits(lots), Selector()
    found = _in_order(chooser, lots, goals)
    ways = _ways(bench, chooser, _Lift(editor, network))
    options.stage("ways to choose", len(ways) * len(faces))
    for name, way in ways.items():
        rows, seconds = [], []
        for face, rng in zip(faces, _rngs(options, 1, faces), strict=True):
            start = time.perf_counter()
            one = way(face, rng)
            seconds.append(time.perf_counter() - start)
            rows.append(_ticked(options, bench.measure, face.name, face.crop, face.source, one[None]))
        found += _lines(name, join(rows), goals, np.array(seconds), options.seed)
    for name in ("random, 1 generated", "selector, balanced"):
        twice = [[ways[name](face, rng) for face, rng in zip(faces, _rngs(options, run, faces), strict=True)] for run in (2, 3)]
        found += _diversity(f"{name}: who comes out", bench, faces, np.stack(twice, axis=1), options.seed)
    return Results(
        kind="study",
        title="selector: attribute sets for the face that they are for",
        settings={
            "data": "LFW validation people, one photo each",
            "people": len(faces),
            "seed": options.seed,
            "far": f"passes the gate, and dlib's distance is at least {goals.distance:.3f}, that of all but {NEAR_STRANGERS:.0%} of "
            "strangers of one gender",
            "good": f"far, and by the second recogniser, too: at least {goals.second:.3f}",
            "utility": f"detection probability x IoU x distance in thresholds (FMR {FMR:g}, the nearer recogniser) x realism",
        },
        environment=environment(),
        measures=tuple(found),
    )


def _rngs(options: StudyOptions, run: int, faces: Sequence[_Face]) -> list[np.random.Generator]:
    """Where each face's randomness comes from, in each run anew."""
    return [np.random.default_rng([options.seed, run, i]) for i in range(len(faces))]


def _ticked(options: StudyOptions, measured: Callable[..., Table], *what: object) -> Table:
    row = measured(*what)
    options.tick()
    return row


def _in_order(chooser: Selector, lots: Table, goals: Limits) -> list[Measure]:
    """How good an order the selector brings into random sets, before anything is generated."""
    judged = [chooser.judge(*row) for row in zip(lots.attributes, lots.embeddings, lots.sets, strict=True)]
    order = np.argsort(-np.stack([j.value for j in judged]), axis=1)
    section, n = f"{_SETS} random sets of each face", lots.passed.size
    rows = []
    for name, right, chance in (
        ("pass", lots.passed, [j.passes for j in judged]),
        ("are far", goals.far(lots), [j.far for j in judged]),
        ("are good", goals.good(lots), [j.good for j in judged]),
    ):
        first, drawn = tries(np.take_along_axis(right, order, axis=1)), tries(right)
        rows.append(Measure(section=section, name=f"sets that {name}", value=float(right.mean()), n=n, unit="%"))
        rows.append(
            Measure(
                section=section, name=f"tries until they {name}", value=first, n=len(lots), better="lower", chance=drawn, published="3.1"
            )
        )
        for what, value in ranking(np.stack(chance), right).items():
            unit, told = ("%", "3 %, one model for all") if "recall" in what else ("", "")
            rows.append(Measure(section=section, name=f"{name}: {what}", value=value, n=n, better="higher", unit=unit, published=told))
    return rows


def _ways(bench: Bench, chooser: Selector, lift: "_Lift") -> Mapping[str, Way]:
    """Ways to come to one set, by name."""

    def one(face: _Face, rng: np.random.Generator) -> NDArray[np.float32]:
        return np.asarray(face.draw(1, rng)[0])

    def random(n: int) -> Way:
        return lambda face, rng: _best(bench, face, face.draw(n, rng), np.ones(n))[0]

    def selected(n_proposals: int, n: int) -> Way:
        def way(face: _Face, rng: np.random.Generator) -> NDArray[np.float32]:
            sets, expected = chooser.choose(*face.told, face.draw(n * n_proposals, rng), n)
            return sets[0] if n == 1 else _best(bench, face, sets, expected)[0]

        return way

    def mutated(face: _Face, rng: np.random.Generator) -> NDArray[np.float32]:
        sets, expected = chooser.choose(*face.told, face.draw(16 * _MUTANTS, rng), _MUTANTS)
        best, worth = _best(bench, face, sets, expected)
        for _ in range(_ROUNDS):
            sets = _mutants(best, rng)
            other, value = _best(bench, face, sets, np.ones(len(sets)))
            best, worth = (other, value) if value > worth else (best, worth)
        return best

    def lifted(steps: int) -> Way:
        return lambda face, rng: lift(face, chooser.choose(*face.told, face.draw(24, rng), 1)[0][0], steps)

    budgets = QUALITIES.items()
    return {
        "random, 1 generated": one,
        **{f"random, {b.generated} generated": random(b.generated) for _, b in budgets},
        **{f"selector, 1 generated of {n}": selected(n, 1) for n in (8, 24, 256)},
        **{f"selector, {quality}": selected(b.proposals, b.generated) for quality, b in budgets},
        f"selector, then {_ROUNDS} rounds of {_MUTANTS} mutants": mutated,
        **{f"selector, then {n} gradient steps": lifted(n) for n in _STEPS},
    }


def _best(
    bench: Bench, face: _Face, sets: NDArray[np.float32], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float32], tuple[bool, float]]:
    """The set that the product would take of those that it generates, and what the gate's numbers say of it."""
    checks = bench.gate.measure(face.source, bench.edit(face.crop, sets))
    worth = [float(utility(c.distances[0].value / c.distances[0].threshold, c.realism or 0.0)) for c in checks]
    best = max(range(len(sets)), key=lambda i: (checks[i].passed, worth[i] * expected[i]))
    return sets[best], (checks[best].passed, worth[best])


def _mutants(best: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Sets (n, 29) near one: the same attributes, codes of the same length."""
    sets = np.repeat(best[None], _MUTANTS, axis=0)
    codes = sets[:, _CODES] + _SPREAD * rng.standard_normal((_MUTANTS, N_CODES))
    sets[:, _CODES] = codes * np.sqrt(N_CODES) / np.linalg.norm(codes, axis=1, keepdims=True)
    return sets


class _Lift:
    """Gradient steps on a set through both passes, dlib's network and the critic; the code keeps its length, the attributes stay.

    Args:
        editor: says what its generator sees.
        network: the generator, as it was before the editor made it ready: gradients flow through it.
    """

    def __init__(self, editor: AttganEditor, network: Generator) -> None:
        self._editor, self._network, self._dlib = editor, network, dlib_recogniser()
        self._critic = weights.load_realism()
        self._points = FacePoints()

    def __call__(self, face: _Face, start: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
        image = to_tensor(face.crop[None])
        mask = torch.from_numpy(blend.face_mask(self._points.points(face.crop), crop=face.crop))[None, None]
        shown = to_tensor(self._editor.shown(face.crop, start[None]))
        seen = self._network.encode(coarsen(shown, Options().input_cells))
        place = torch.from_numpy(face.source.embeddings[0])
        one = torch.from_numpy(start)[None]
        code = one[:, _CODES].clone().requires_grad_()
        adam = torch.optim.Adam([code], lr=_RATE)
        for _ in range(steps):
            loss = -self._worth(seen, image, mask, place, torch.cat([one[:, : len(ATTRIBUTES)], _on_sphere(code)], dim=1))
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
        return np.concatenate([start[: len(ATTRIBUTES)], _on_sphere(code.detach())[0].numpy()])

    def _worth(self, seen: tuple[Tensor, Tensor], image: Tensor, mask: Tensor, place: Tensor, one: Tensor) -> Tensor:
        edited = self._network(self._network.decode(seen, one), inverted(one))
        blended = edited * mask + image * (1 - mask)
        distance = (self._dlib(blended) - place).norm(dim=1) / DlibResNetEmbedder.threshold
        worth: Tensor = (distance.clamp(max=1.5) * self._critic(blended).sigmoid()).sum()
        return worth


def _on_sphere(code: Tensor) -> Tensor:
    scaled: Tensor = functional.normalize(code) * N_CODES**0.5
    return scaled


def _lines(section: str, table: Table, goals: Limits, seconds: NDArray[np.float64], seed: int) -> list[Measure]:
    """What became of the sets that one way chose, one for each face."""
    flat = {name: np.asarray(getattr(table, name), np.float64)[:, 0] for name in ("distance", "second", "realism", "iou")}
    quantities = [
        Quantity("passes", table.passed[:, 0].astype(float), "higher", True),
        Quantity("is far", goals.far(table)[:, 0].astype(float), "higher", True),
        Quantity("is good", goals.good(table)[:, 0].astype(float), "higher", True),
        Quantity("utility", goals.worth(table)[:, 0], "higher"),
        Quantity("distance", flat["distance"], "higher", by="dlib_resnet"),
        Quantity("distance", flat["second"], "higher", by="mobilefacenet-casia"),
        Quantity("realism", flat["realism"], "higher", by="critic"),
        Quantity("IoU", flat["iou"], "higher", by="mtcnn"),
        Quantity("time to choose", seconds, "lower", unit="s"),
    ]
    return lines(section, quantities, [str(i) for i in table.identities], {"all": np.ones(len(table), bool)}, seed)


def _diversity(section: str, bench: Bench, faces: Sequence[_Face], sets: NDArray[np.float32], seed: int) -> list[Measure]:
    """Whether two runs of one photo give two people, and two people stay two; strangers among the sources stand beside.

    Args:
        section: which way chose.
        bench: edits and looks.
        faces: F people.
        sets: (F, 2, 29) what two runs chose.
        seed: of the intervals.
    """
    people, everybody = [face.name for face in faces], {"all": np.ones(len(faces), bool)}
    edited = [bench.edit(face.crop, both) for face, both in zip(faces, sets, strict=True)]
    male = np.array([face.source.male > 0.5 for face in faces])
    code = sets[..., _CODES] / np.linalg.norm(sets[..., _CODES], axis=2, keepdims=True)
    alike = code[:, 0] @ code[:, 1].T
    found = lines(section, [Quantity("cosine of the codes of two runs", alike.diagonal(), "lower")], people, everybody, seed)
    others = np.where(np.eye(len(faces), dtype=bool), np.nan, alike)
    found += lines(section, [Quantity("cosine of the codes of two people", np.nanmean(others, axis=1), "lower")], people, everybody, seed)
    for name, look in (("dlib_resnet", bench.gate.embedders[0].embed), ("mobilefacenet-casia", bench.places)):
        first, second = (look(np.stack([both[k] for both in edited])) for k in (0, 1))
        source = look(np.stack([face.crop for face in faces]))
        quantities = [
            Quantity("distance of two runs of one photo", np.linalg.norm(first - second, axis=1), "higher", by=name),
            Quantity("distance of two people after", _to_others(first, male), "higher", by=name),
            Quantity("distance of two people before", _to_others(source, male), "higher", by=name),
        ]
        if name == bench.gate.embedders[0].name:
            one = np.linalg.norm(first - second, axis=1) <= bench.gate.embedders[0].threshold
            quantities.append(Quantity("two runs give one person", one.astype(float), "lower", True, name))
            for when, rows in (("after", first), ("before", source)):
                same = _to_others(rows, male, bench.gate.embedders[0].threshold)
                quantities.append(Quantity(f"two people are one person {when}", same, "lower", True, name))
        found += lines(section, quantities, people, everybody, seed)
    return found


def _to_others(rows: Embeddings, male: NDArray[np.bool_], threshold: float | None = None) -> NDArray[np.float64]:
    """(N,) mean distance of each row (N, D) to those of others of its gender, or with how many of them it is one person."""
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2).astype(np.float64)
    other = (male[:, None] == male[None]) & ~np.eye(len(rows), dtype=bool)
    values = distances if threshold is None else (distances <= threshold).astype(float)
    return np.asarray((values * other).sum(axis=1) / np.maximum(other.sum(axis=1), 1))
