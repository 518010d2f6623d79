"""Training of the selector on its table: chance and worth of every face, stand-in and attribute set."""

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError, DependencyError
from deid.core.types import Embeddings
from deid.editing.selector import N_ANSWERS, N_FEATURES, Likeness, Records, Selector, features
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.training.calibrate import FMR
from deid.training.selector_table import Table
from deid.verification.utility import utility

log = logging.getLogger(__name__)

#: A good new face lies as far from its source as all but this share of strangers do from each other, for both recognisers. A search for
#: the source then ranks a tenth of all people before it.
NEAR_STRANGERS = 0.1
_PRECISION = 0.75
_RECALL = f"recall at precision {_PRECISION:.0%}"
#: Share of the training people who say when to stop, and how many rounds without a gain end the training.
_STOPPING, _PATIENCE, _BATCH = 0.15, 10, 64
_PARTS = ("weight", "bias")
#: Values in a portrait's record; number of draws that weigh as much as the prior; folds of people.
_RECORDED, _DOUBT, _FOLDS = ("utility", "realism", "fit"), 2.5, 8


@dataclass(frozen=True, slots=True)
class SelectorOptions:
    """Settings of a run.

    Args:
        people: of the training split, one photo each.
        exam: people of the validation split on whom the numbers are measured.
        stand_ins: for each of them.
        sets: for each stand-in.
        hidden: sizes of the layers between.
        decay: weight decay.
        epochs: passes over the table at most.
        seed: of people, pairs and weights.
        workers: processes that measure.
    """

    people: int = 170
    exam: int = 40
    stand_ins: int = 8
    sets: int = 1
    hidden: tuple[int, ...] = (64,)
    decay: float = 20.0
    epochs: int = 80
    seed: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Distances that say what is far, from strangers of one gender in the table.

    Args:
        threshold: of the second recogniser, at a false match rate of 1e-3.
        distance: dlib's of a good new face at least.
        second: the second recogniser's likewise.
    """

    threshold: float
    distance: float
    second: float

    def columns(self, table: Table) -> dict[str, NDArray[np.float64]]:
        """(F, S) each: the answers of a `Judgement` as they turned out, then what they are made of.

        A new face is far when it passes and lies as far away as strangers do by dlib, as the thesis judged by one recogniser; and good
        when it does so by both: a third recogniser is then less likely to match the face.
        """
        far = table.passed & (table.distance >= self.distance)
        shares = np.minimum(table.distance / DlibResNetEmbedder.threshold, table.second / self.threshold)
        found: dict[str, NDArray[Any]] = {"passes": table.passed, "far": far, "good": far & (table.second >= self.second)}
        found |= {"utility": utility(shares, table.realism, table.iou) * table.fit, "distance": table.distance}
        found |= {"second recogniser": table.second, "realism": table.realism, "IoU": table.iou, "fit": table.fit}
        return {name: np.asarray(column, np.float64) for name, column in found.items()}


def limits(table: Table) -> Limits:
    """The limits that a table's own people set.

    Raises:
        DataError: no two of them are of one gender.
    """
    male, dlib = np.array([face.male > 0.5 for face in table.faces]), np.array([face.embedding for face in table.faces])
    first, second = (_strangers(rows, male) for rows in (dlib, table.second_embeddings))
    if not len(first):
        raise DataError(f"expected two people of one gender among {len(table)}, found none")
    return Limits(float(np.quantile(second, FMR)), *(float(np.quantile(d, NEAR_STRANGERS)) for d in (first, second)))


def _strangers(embeddings: Embeddings, male: NDArray[np.bool_]) -> NDArray[np.float64]:
    alike = np.triu(male[:, None] == male[None], 1)
    cosine = np.asarray(embeddings @ embeddings.T, np.float64)
    return np.asarray(np.sqrt(np.maximum(2 - 2 * cosine[alike], 0.0)))


def records(table: Table, bank: Likeness, goals: Limits) -> Records:
    """How well the first portraits of a table's pairs did, beside the other pairs of the same people; of few, little is believed."""
    first, columns = table.rows[..., len(ATTRIBUTES)].astype(np.intp).ravel(), goals.columns(table)
    better = np.stack([columns[name] - columns[name].mean(axis=1, keepdims=True) for name in _RECORDED], axis=-1)
    keys, which = np.unique(Records.keys(bank.embedding[first]), axis=0, return_inverse=True)
    sums, counts = np.zeros((len(keys), len(_RECORDED))), np.bincount(which.ravel(), minlength=len(keys))
    np.add.at(sums, which.ravel(), better.reshape(-1, len(_RECORDED)))
    return Records(keys, (sums / (counts[:, None] + _DOUBT)).astype(np.float32))


def seen(table: Table, bank: Likeness, known: Records) -> NDArray[np.float32]:
    """(F, S, N_FEATURES) what the network sees of a table."""
    rows = [features(face, bank, rows, known) for face, rows in zip(table.faces, table.rows, strict=True)]
    return np.stack(rows).astype(np.float32)


def unseen(table: Table, bank: Likeness, goals: Limits) -> NDArray[np.float32]:
    """`seen` of people to whom the records owe nothing: each fold by what the others say, or their own luck would foretell itself."""
    fold = np.arange(len(table)) % _FOLDS
    found = np.empty((*table.passed.shape, N_FEATURES), np.float32)
    for f in set(fold):
        others = table.where(fold != f)
        found[fold == f] = seen(table.where(fold == f), bank, records(others, bank, goals) if len(others) else Records.none())
    return found


def train(
    table: Table, bank: Likeness, out: Path, options: SelectorOptions, report: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Train on the table's training people.

    Args:
        table: what was measured.
        bank: the portraits that stood in.
        out: ``out/selector.json`` then holds what the selector is worth on the table's validation people.
        options: of the run.
        report: called with the number of finished networks, their total, and a note.

    Returns:
        The arrays that `Selector` takes.
    """
    lesson, exam = table.split("train"), table.split("validation")
    goals = limits(lesson)
    known, rows = records(lesson, bank, goals), unseen(lesson, bank, goals)
    mean, spread = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    # Attributes that are never moved have no spread.
    spread = np.where(spread > 1e-4, spread, 1.0)
    columns = np.stack(list(goals.columns(lesson).values()), axis=-1)
    # All pairs of a face share what the face is like; a pair is chosen for what it is beside the others.
    wanted = columns - columns.mean(axis=1, keepdims=True) + columns.mean(axis=(0, 1))
    level, scale = wanted.mean(axis=(0, 1)), np.maximum(wanted.std(axis=(0, 1)), 1e-4)
    network = fit((rows - mean) / spread, (wanted - level) / scale, options)
    # The additional targets only train the hidden layers, and are dropped afterwards.
    *hidden, last = zip(network.coefs_, network.intercepts_, strict=True)
    layers = [*hidden, ((last[0] * scale)[:, :N_ANSWERS], (last[1] * scale + level)[:N_ANSWERS])]
    arrays = {"scaler.mean": mean, "scaler.spread": spread, "records.who": known.who, "records.worth": known.worth}
    arrays |= {f"network.{i}.{part}": array for i, both in enumerate(layers) for part, array in zip(_PARTS, both, strict=True)}
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    if report:
        report(1, 1, "network")
    if len(exam):
        result = {"limits": asdict(goals), "validation": grades(Selector(arrays), exam, bank, goals)}
        out.mkdir(parents=True, exist_ok=True)
        (out / "selector.json").write_text(json.dumps(result, indent=2))
        log.info("validation people %s", result)
    return arrays


def fit(rows: NDArray[Any], target: NDArray[Any], options: SelectorOptions) -> Any:
    """A network of scikit-learn as it was when it did best on people who were kept back.

    Args:
        rows: (F, S, D).
        target: (F, S, K).
        options: of the run.

    Raises:
        DependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.neural_network import MLPRegressor
    except ImportError as error:
        raise DependencyError("training the selector needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    kept = max(1, round(_STOPPING * len(rows)))
    mine, theirs = ((_flat(rows[part]), _flat(target[part])) for part in (slice(kept, None), slice(kept)))
    settings = {"hidden_layer_sizes": options.hidden, "alpha": options.decay, "random_state": options.seed}
    network = MLPRegressor(batch_size=min(_BATCH, len(mine[0])), **settings)
    best, best_loss, waited = network, np.inf, 0
    for _ in range(options.epochs):
        network.partial_fit(*mine)
        loss = float(np.square(network.predict(theirs[0]) - theirs[1]).mean())
        best, best_loss, waited = (copy.deepcopy(network), loss, 0) if loss < best_loss else (best, best_loss, waited + 1)
        if waited >= _PATIENCE:
            break
    return best


def _flat(rows: NDArray[Any]) -> NDArray[Any]:
    return rows.reshape(-1, rows.shape[-1])


def grades(selector: Selector, table: Table, bank: Likeness, goals: Limits) -> dict[str, float]:
    """What a selector is worth on people whom it has not seen: how well it tells what a pair becomes, and what the best of each face
    became beside the mean of all."""
    judged = [selector.judge(face, bank, rows) for face, rows in zip(table.faces, table.rows, strict=True)]
    order = np.argsort([-j.value for j in judged], axis=1, kind="stable")
    columns, chances = goals.columns(table), ([j.passes for j in judged], [j.far for j in judged], [j.good for j in judged])
    found = {"people": float(len(table))}
    for name, chance in zip(columns, chances, strict=False):
        found |= {f"{name}: {what}": value for what, value in ranking(np.stack(chance), columns[name] > 0).items()}
        found[f"{name}: tries"] = tries(np.take_along_axis(columns[name] > 0, order, axis=1))
    for name, column in columns.items():
        found |= {f"{name}: all": float(column.mean()), f"{name}: picked": float(np.take_along_axis(column, order[:, :1], axis=1).mean())}
    return found


def ranking(chance: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, float]:
    """How well chances (F, S) tell what is right (F, S): the area under the ROC curve, and the recall at a precision; NaN where all or
    none is right."""
    from sklearn.metrics import precision_recall_curve, roc_auc_score

    if right.all() or not right.any():
        return {"AUC": np.nan, _RECALL: np.nan}
    precision, recall, _ = precision_recall_curve(right.ravel(), chance.ravel())
    return {"AUC": float(roc_auc_score(right.ravel(), chance.ravel())), _RECALL: float(recall[precision >= _PRECISION].max())}


def tries(right: NDArray[np.bool_]) -> float:
    """Mean number of tries until the first that is right, in order (F, S); a face without one counts as S + 1."""
    first = np.where(right.any(axis=1), right.argmax(axis=1), right.shape[1])
    return float(first.mean() + 1)
