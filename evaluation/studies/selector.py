"""Gain of the selector on people outside all training, against random choice, the thesis's network, and more candidates.

Every pair of stand-in and attribute set that a face might get is made and measured once; each way to choose then picks from the same
pairs, as the product would. The second recogniser is the one of the training: the attacker's takes no part here.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from deid import weights
from deid.core.attributes import ATTRIBUTES
from deid.editing.portraits import Portraits
from deid.editing.selector import Judgement, Selector
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import PortraitReader
from deid.training import pairs
from deid.training.selector import NEAR_STRANGERS, Limits, limits, ranking, tries
from deid.training.selector_table import Table
from deid.verification.utility import utility
from evaluation import datasets
from evaluation.results import Measure, Results, environment
from evaluation.studies.judges import Quantity, lines
from evaluation.studies.options import StudyOptions

_RECOGNISER = "recognisers/mobilefacenet-casia.safetensors"
#: Stand-ins of each face, and sets for each of them.
_STAND_INS, _SETS = 8, 1
#: Number of groups of people: the thesis's network is fitted on the others.
_THESIS_LAYERS, _FOLDS = (10, 20, 40, 20, 20), 5
_QUESTIONS = ("passes", "far", "good")
#: What a quantity was measured by.
_BY = {"distance": "dlib_resnet", "second recogniser": "mobilefacenet-casia", "realism": "critic", "IoU": "mtcnn"}
#: Rows that are judged at once when the selector is timed.
_TIMED = 64

#: Weights (F, S) of each face's pairs: how often a way ends with which; they sum to 1.
Choice = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Predicted:
    """Predictions for pairs before they are generated.

    Args:
        chances: (F, S, 3) that a pair passes, is far, is good.
        value: (F, S) what a pair is worth.
    """

    chances: NDArray[np.float64]
    value: NDArray[np.float64]


def selector(options: StudyOptions) -> Results:
    """Ways to choose a pair, and what each found."""
    # Budgets were set on these people: the test people are left for the whole pipeline.
    table, bank, chooser = _measured(options), Portraits(weights.read_bank(), PortraitReader()), Selector()
    goals = limits(table)
    judged = [chooser.judge(face, bank, rows) for face, rows in zip(table.faces, table.rows, strict=True)]
    predicted = {"selector": _by_selector(judged), "thesis's network": _by_thesis(table, goals, options.seed)}
    found = [line for name, prediction in predicted.items() for line in _in_order(f"{name}: order of all pairs", prediction, table, goals)]
    for name, choice in _ways(table, predicted).items():
        found += _lines(name, table, choice, goals, options.seed)
    found.append(_time(chooser, bank, table))
    return Results(
        kind="study",
        title="selector: stand-ins and attribute sets for the face that they are for",
        settings={
            "data": "LFW validation people, one photo each",
            "people": len(table),
            "pairs": f"{_STAND_INS} stand-ins, {_SETS} set each",
            "seed": options.seed,
            "far": f"passes the gate, and dlib's distance is at least {goals.distance:.3f}, that of all but {NEAR_STRANGERS:.0%} of "
            "strangers of one gender",
            "good": f"far, and by the second recogniser, too: at least {goals.second:.3f}",
            "utility": "IoU x distance in thresholds (the nearer recogniser's) x realism x fit",
        },
        environment=environment(),
        measures=tuple(found),
    )


def _measured(options: StudyOptions) -> Table:
    """Every pair of every face; parts that were measured before are read from the folder of the results."""
    people = pairs.people(datasets.data_folder(), 0, options.people, options.seed)
    plan = pairs.Plan(datasets.data_file(_RECOGNISER), _STAND_INS, _SETS, options.seed)
    options.stage(f"parts of {pairs.PART} people", -(-len(people) // pairs.PART))
    with tempfile.TemporaryDirectory() if options.folder is None else nullcontext(str(options.folder)) as folder:
        return pairs.make(people, Path(folder) / "table", plan, report=lambda done, total, note: options.tick())


def _by_selector(judged: Sequence[Judgement]) -> _Predicted:
    chances = np.stack([np.stack([j.passes, j.far, j.good], axis=1) for j in judged])
    return _Predicted(chances, np.stack([j.value for j in judged]))


def _by_thesis(table: Table, goals: Limits, seed: int) -> _Predicted:
    """The thesis's network, which sees the attributes alone, fitted on the other people of the table."""
    fold, chances = np.arange(len(table)) % _FOLDS, np.zeros((*table.passed.shape, len(_QUESTIONS)))
    right = np.stack([goals.columns(table)[name] > 0 for name in _QUESTIONS], axis=-1).astype(int)
    alone = table.rows[..., : len(ATTRIBUTES)]
    for f in range(_FOLDS):
        learned, asked = (alone[mask].reshape(-1, len(ATTRIBUTES)) for mask in (fold != f, fold == f))
        network = MLPClassifier(_THESIS_LAYERS, early_stopping=True, max_iter=500, random_state=seed)
        network.fit(learned, right[fold != f].reshape(-1, len(_QUESTIONS)))
        chances[fold == f] = network.predict_proba(asked).reshape(chances[fold == f].shape)
    return _Predicted(chances, chances[..., 2])


def _in_order(section: str, prediction: _Predicted, table: Table, goals: Limits) -> list[Measure]:
    """How good an order someone brings into the pairs before anything is generated."""
    order, n = np.argsort(-prediction.value, axis=1), table.passed.size
    rows = []
    for k, name in enumerate(_QUESTIONS):
        right = goals.columns(table)[name] > 0
        first, drawn = tries(np.take_along_axis(right, order, axis=1)), tries(right)
        rows.append(Measure(section=section, name=f"{name}: share of all", value=float(right.mean()), n=n, unit="%"))
        rows.append(
            Measure(
                section=section,
                name=f"{name}: tries until the first",
                value=first,
                n=len(table),
                better="lower",
                chance=drawn,
                published="3.1",
            )
        )
        for what, value in ranking(prediction.chances[..., k], right).items():
            unit, said = ("%", "3 %, one model for all") if "recall" in what else ("", "")
            rows.append(Measure(section=section, name=f"{name}: {what}", value=value, n=n, better="higher", unit=unit, published=said))
    return rows


def _ways(table: Table, predicted: Mapping[str, _Predicted]) -> dict[str, Choice]:
    """Ways to come to one pair, by name."""
    shape, half = table.passed.shape, _STAND_INS // 2 * _SETS
    pairs = np.array(list(combinations(range(shape[1]), 2)))
    measured, ones = _by_gate(table), np.ones(shape)
    ours = predicted["selector"].value
    best_two = np.argsort(-ours, axis=1)[:, :2]
    return {
        "random, 1 generated": ones / shape[1],
        "random, 2 generated": _mean([_best(measured, np.tile(pair, (shape[0], 1))) for pair in pairs]),
        f"thesis's network, 1 generated of {shape[1]}": _best(predicted["thesis's network"].value, None),
        f"selector, 1 generated of {half}": _best(np.where(np.arange(shape[1]) < half, ours, -np.inf), None),
        f"selector, 1 generated of {shape[1]}": _best(ours, None),
        f"selector, 2 generated of {shape[1]}": _best(measured * ours, best_two),
        f"all {shape[1]} generated": _best(measured, None),
    }


def _by_gate(table: Table) -> NDArray[np.float64]:
    """(F, S) by which the product orders what it has generated: what passes first, then utility by the gate's own recogniser."""
    worth = utility(table.distance / DlibResNetEmbedder.threshold, table.realism) * table.fit
    return np.asarray(worth + 10.0 * table.passed, np.float64)


def _best(value: NDArray[np.float64], among: NDArray[np.intp] | None) -> Choice:
    """The best pair of each face by a value (F, S), among some (F, K) of them, or all."""
    among = np.tile(np.arange(value.shape[1]), (len(value), 1)) if among is None else among
    picked = np.take_along_axis(among, np.take_along_axis(value, among, axis=1).argmax(axis=1)[:, None], axis=1)
    choice = np.zeros(value.shape)
    np.put_along_axis(choice, picked, 1.0, axis=1)
    return choice


def _mean(choices: Sequence[Choice]) -> Choice:
    return np.asarray(np.mean(choices, axis=0), np.float64)


def _lines(section: str, table: Table, choice: Choice, goals: Limits, seed: int) -> list[Measure]:
    """Results of the pairs that one method chose."""

    quantities = [
        Quantity(name, np.asarray((choice * column).sum(axis=1), np.float64), "higher", name in _QUESTIONS, _BY.get(name, ""))
        for name, column in goals.columns(table).items()
    ]
    return lines(section, quantities, [str(i) for i in table.identities], {"all": np.ones(len(table), bool)}, seed)


def _time(chooser: Selector, bank: Portraits, table: Table, repeats: int = 50) -> Measure:
    """How long the selector takes; the median of many runs."""
    face, rows = table.faces[0], np.resize(table.rows[0], (_TIMED, table.rows.shape[2]))
    seconds = [_seconds(lambda: chooser.judge(face, bank, rows)) for _ in range(repeats)]
    return Measure(section="selector", name=f"time to judge {_TIMED} pairs", value=1000 * float(np.median(seconds)), n=repeats, unit="ms")


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
