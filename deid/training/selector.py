"""Trains the selector on its table: chances and a worth for every face, stand-in and attribute set.

The baseline beside it is the one of the thesis: a network of layers (10, 20, 40, 20, 20) that sees the attributes alone.
"""

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.attributes.selector import N_ANSWERS, Likeness, Selector, features
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.exceptions import DataError, DependencyError
from deid.models.attgan import ATTRIBUTES
from deid.structures import Embeddings
from deid.training.calibrate import FMR
from deid.training.selector_table import Table
from deid.verify import utility

log = logging.getLogger(__name__)

#: A good new face lies as far from its source as all but so many strangers do from each other, for both recognisers: whoever looks
#: for the source then finds a tenth of all people nearer.
NEAR_STRANGERS = 0.1
#: The thesis's network, with scikit-learn's own weight decay.
THESIS_LAYERS, _THESIS_DECAY = (10, 20, 40, 20, 20), 1e-4
_PRECISION = 0.75
_RECALL = f"recall at precision {_PRECISION:.0%}"
#: Share of the training people who say when to stop, and how many rounds without a gain end the training.
_STOPPING, _PATIENCE, _BATCH = 0.15, 10, 64
_PARTS = ("weight", "bias")


@dataclass(frozen=True, slots=True)
class SelectorOptions:
    """Settings of a run.

    Args:
        people: of the training split, one photo each.
        exam: people of the validation split whom the numbers are told of.
        stand_ins: for each of them.
        sets: for each stand-in.
        hidden: sizes of the layers between.
        decay: weight decay.
        epochs: passes over the table at most.
        seed: of people, pairs and weights.
        workers: processes that measure.
    """

    people: int = 360
    exam: int = 40
    stand_ins: int = 8
    sets: int = 1
    hidden: tuple[int, ...] = (64,)
    decay: float = 10.0
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

    def right(self, table: Table) -> NDArray[np.bool_]:
        """(F, S, 3) whether a new face passes; lies as far away as strangers do by dlib, too, as the thesis judged by one recogniser;
        and does so by both: whoever comes with a third is then less likely to know the face."""
        far = table.passed & (table.distance >= self.distance)
        return np.stack([table.passed, far, far & (table.second >= self.second)], axis=-1)

    def worth(self, table: Table) -> NDArray[np.float64]:
        """(F, S) utility times fit, with the nearer of the two recognisers' distances."""
        shares = np.minimum(table.distance / DlibResNetEmbedder.threshold, table.second / self.threshold)
        return np.asarray(utility(shares, table.realism, table.iou) * table.fit, np.float64)

    def wanted(self, table: Table) -> NDArray[np.float64]:
        """(F, S, 9) what the network learns: the answers of a `Judgement`, and what they are made of."""
        made_of = (table.distance, table.second, table.realism, table.iou, table.fit)
        return np.concatenate([self.right(table), np.stack([self.worth(table), *made_of], axis=-1)], axis=-1, dtype=np.float64)


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


def seen(table: Table, bank: Likeness) -> NDArray[np.float32]:
    """(F, S, N_FEATURES) what the networks see of a table."""
    return np.stack([features(face, bank, rows) for face, rows in zip(table.faces, table.rows, strict=True)]).astype(np.float32)


def train(
    table: Table, bank: Likeness, out: Path, options: SelectorOptions, report: Callable[[int, int, str], None] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Train on the table's training people.

    Args:
        table: what was measured.
        bank: the portraits that stood in.
        out: ``out/selector.json`` then holds what the selector is worth on the table's validation people.
        options: of the run.
        report: told the networks that are done, how many there are, and a note.

    Returns:
        The arrays that `Selector` takes.
    """
    told, exam = table.split("train"), table.split("validation")
    goals, rows = limits(told), seen(told, bank)
    mean, spread = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    # Attributes that are never moved have no spread.
    spread = np.where(spread > 1e-4, spread, 1.0)
    wanted = goals.wanted(told)
    level, scale = wanted.mean(axis=(0, 1)), np.maximum(wanted.std(axis=(0, 1)), 1e-4)
    network = fit("MLPRegressor", (rows - mean) / spread, (wanted - level) / scale, options.hidden, options)
    # What it is asked beside what it shall tell is there for the hidden layers to learn from, and falls away.
    *hidden, last = layers(network)
    last = (last[0] * scale)[:, :N_ANSWERS], (last[1] * scale + level)[:N_ANSWERS]
    arrays = {"scaler.mean": mean, "scaler.spread": spread}
    arrays |= {f"network.{i}.{part}": array for i, both in enumerate([*hidden, last]) for part, array in zip(_PARTS, both, strict=True)}
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    if report:
        report(1, 1, "network")
    if len(exam):
        alone, decay = told.rows[..., : len(ATTRIBUTES)], replace(options, decay=_THESIS_DECAY)
        thesis = fit("MLPClassifier", alone, goals.right(told).astype(int), THESIS_LAYERS, decay)
        result = {"limits": asdict(goals)} | compare(Selector(arrays), thesis, exam, bank, goals)
        out.mkdir(parents=True, exist_ok=True)
        (out / "selector.json").write_text(json.dumps(result, indent=2))
        log.info("validation people %s", result)
    return arrays


def fit(kind: str, rows: NDArray[Any], target: NDArray[Any], hidden: tuple[int, ...], options: SelectorOptions) -> Any:
    """A network of scikit-learn as it was when it did best on people who were kept back.

    Args:
        kind: name in `sklearn.neural_network`.
        rows: (F, S, D).
        target: (F, S, K) numbers, or for the classifier yes or no to each of K questions.
        hidden: sizes of the layers between.
        options: of the run.

    Raises:
        DependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn import neural_network
    except ImportError as error:
        raise DependencyError("training the selector needs scikit-learn: pip install 'deid-face[evaluation]'") from error
    kept = max(1, round(_STOPPING * len(rows)))
    mine, theirs = ((_flat(rows[part]), _flat(target[part])) for part in (slice(kept, None), slice(kept)))
    settings = {"hidden_layer_sizes": hidden, "alpha": options.decay, "random_state": options.seed}
    network = getattr(neural_network, kind)(batch_size=min(_BATCH, len(mine[0])), **settings)
    best, best_loss, waited = network, np.inf, 0
    for _ in range(options.epochs):
        network.partial_fit(*mine, **({"classes": np.arange(target.shape[-1])} if kind == "MLPClassifier" else {}))
        loss = _loss(network, *theirs)
        best, best_loss, waited = (copy.deepcopy(network), loss, 0) if loss < best_loss else (best, best_loss, waited + 1)
        if waited >= _PATIENCE:
            break
    return best


def _flat(target: NDArray[Any]) -> NDArray[Any]:
    return target.reshape(-1, *target.shape[2:])


def _loss(network: Any, rows: NDArray[np.float32], target: NDArray[Any]) -> float:
    if not hasattr(network, "predict_proba"):
        return float(np.square(network.predict(rows) - target).mean())
    chance = np.clip(network.predict_proba(rows), 1e-7, 1 - 1e-7)
    return float(-(target * np.log(chance) + (1 - target) * np.log(1 - chance)).mean())


def layers(network: Any) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Weights (inputs, outputs) and biases of each layer of a network of scikit-learn."""
    return list(zip(network.coefs_, network.intercepts_, strict=True))


def compare(selector: Selector, thesis: Any, exam: Table, bank: Likeness, goals: Limits) -> dict[str, dict[str, float]]:
    """Drawing lots, the thesis's network and a selector by their names on people whom none of them has seen."""
    shape = exam.passed.shape
    lots = np.random.default_rng(0).random(shape)
    alone = exam.rows[..., : len(ATTRIBUTES)].reshape(-1, len(ATTRIBUTES))
    chances = thesis.predict_proba(alone).reshape(*shape, -1)
    judged = [selector.judge(face, bank, rows) for face, rows in zip(exam.faces, exam.rows, strict=True)]
    ours = np.stack([np.stack([j.passes, j.far, j.good], axis=-1) for j in judged])
    return {
        "random": grades(np.repeat(lots[..., None], 3, axis=-1), lots, exam, goals),
        "thesis": grades(chances, chances[..., 2], exam, goals),
        "ours": grades(ours, np.stack([j.value for j in judged]), exam, goals),
    }


def grades(chances: NDArray[np.float64], value: NDArray[np.float64], table: Table, goals: Limits) -> dict[str, float]:
    """What a selection is worth.

    Args:
        chances: (F, S, 3) of a new face that passes, is far, and is good.
        value: (F, S) by which pairs are put in order for each face.
        table: what became of them.
        goals: what far and good mean.
    """
    order = np.argsort(-value, axis=1, kind="stable")
    found = {"people": float(len(table))}
    for k, name in enumerate(("passes", "far", "good")):
        right = goals.right(table)[..., k]
        found |= {f"{name}: share": float(right.mean()), f"{name}: tries": tries(np.take_along_axis(right, order, axis=1))}
        found |= {f"{name}: {what}": number for what, number in ranking(chances[..., k], right).items()}
        found[f"picked: {name}"] = _picked(right, order)
    columns = {"utility": goals.worth(table), "distance": table.distance, "second recogniser": table.second}
    columns |= {"realism": table.realism, "fit": table.fit, "iou": table.iou}
    return found | {f"picked: {name}": _picked(column, order) for name, column in columns.items()}


def _picked(column: NDArray[Any], order: NDArray[np.intp]) -> float:
    return float(np.take_along_axis(column, order[:, :1], axis=1).mean())


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
