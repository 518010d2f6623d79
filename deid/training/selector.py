"""Trains the selector on its table: a chance and a worth for every set and face.

The baseline beside it is the one of the thesis: a network of layers (10, 20, 40, 20, 20) that sees the attributes alone.
"""

import copy
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.attributes.classify import MALE
from deid.attributes.selector import FaceCode, Selector
from deid.embed.dlib_resnet import DlibResNetEmbedder
from deid.exceptions import DataError, DependencyError
from deid.models.attgan import ATTRIBUTES
from deid.structures import Embeddings
from deid.training.calibrate import FMR
from deid.training.selector_table import Table
from deid.verify import utility

log = logging.getLogger(__name__)

#: A good edit lies as far from its source as all but so many strangers do from each other, for both recognisers: whoever looks
#: for the source then finds a tenth of all people nearer.
NEAR_STRANGERS = 0.1
#: The thesis's network, with scikit-learn's own weight decay.
THESIS_LAYERS, _THESIS_DECAY = (10, 20, 40, 20, 20), 1e-4
_PRECISION = 0.8
_RECALL = f"recall at precision {_PRECISION:.0%}"
#: Share of the training people who say when to stop, and how many rounds without a gain end the training.
_STOPPING, _PATIENCE = 0.15, 5
#: Axes of the embedding that the bilinear form takes (more only fit its own people better), its ridge, and the folds of people.
_AXES, _RIDGE, _FOLDS = 64, 300.0, 5


@dataclass(frozen=True, slots=True)
class SelectorOptions:
    """Settings of a run.

    Args:
        people: of the training split, one photo each.
        exam: people of the validation split whom the numbers are told of.
        sets: for each of them.
        components: numbers of a face's embedding that the networks see.
        hidden: sizes of the layers between.
        decay: weight decay.
        epochs: passes over the table at most.
        seed: of people, sets and weights.
        workers: processes that measure.
    """

    people: int = 2000
    exam: int = 200
    sets: int = 32
    components: int = 24
    hidden: tuple[int, ...] = (64, 32)
    decay: float = 10.0
    epochs: int = 60
    seed: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Distances that say what is far, from strangers of one gender in the table.

    Args:
        threshold: of the second recogniser, at a false match rate of 1e-3.
        distance: dlib's of a good edit at least.
        second: the second recogniser's likewise.
    """

    threshold: float
    distance: float
    second: float

    def far(self, table: Table) -> NDArray[np.bool_]:
        """(F, S) whether an edit passes and lies as far away as strangers do by dlib, as the thesis judged by one recogniser."""
        return np.asarray(table.passed & (table.distance >= self.distance))

    def good(self, table: Table) -> NDArray[np.bool_]:
        """(F, S) whether it does so by both recognisers: whoever comes with a third is then less likely to know the face."""
        return np.asarray(self.far(table) & (table.second >= self.second))

    def worth(self, table: Table) -> NDArray[np.float64]:
        """(F, S) utility, with the nearer of the two recognisers' distances."""
        shares = np.minimum(table.distance / DlibResNetEmbedder.threshold, table.second / self.threshold)
        return np.asarray(utility(shares, table.realism, table.iou, table.score), np.float64)


def limits(table: Table) -> Limits:
    """The limits that a table's own people set.

    Raises:
        DataError: no two of them are of one gender.
    """
    male = table.attributes[:, MALE] > 0.5
    first, second = (_strangers(rows, male) for rows in (table.embeddings, table.second_embeddings))
    if not len(first):
        raise DataError(f"expected two people of one gender among {len(table)}, found none")
    return Limits(float(np.quantile(second, FMR)), *(float(np.quantile(d, NEAR_STRANGERS)) for d in (first, second)))


def _strangers(embeddings: Embeddings, male: NDArray[np.bool_]) -> NDArray[np.float64]:
    alike = np.triu(male[:, None] == male[None], 1)
    cosine = np.asarray(embeddings @ embeddings.T, np.float64)
    return np.asarray(np.sqrt(np.maximum(2 - 2 * cosine[alike], 0.0)))


def face_code(table: Table, components: int) -> FaceCode:
    """Where faces lie, and where among the identity codes: the bilinear form of embedding and code that foretells best, by ridge
    regression, which of a face's sets end nearer to it than its others."""
    mean = table.embeddings.mean(axis=0)
    _, spread, axes = np.linalg.svd(table.embeddings - mean, full_matrices=False)
    scaled = (axes[:components] / np.maximum(spread[:components], 1e-6)[:, None] * np.sqrt(len(table))).T
    return FaceCode(mean, scaled, _place(table, mean))


def _place(table: Table, mean: Embeddings) -> Embeddings:
    offset = np.asarray(table.embeddings - mean, np.float64)
    _, spread, axes = np.linalg.svd(offset, full_matrices=False)
    # Axes keep their spread: those in which people differ little are shrunk most by the ridge.
    axes = axes[:_AXES].T * (np.sqrt(len(table)) / max(float(spread[0]), 1e-9))
    codes = np.asarray(table.sets[..., len(ATTRIBUTES) :], np.float64)
    forms = [axes @ form for form in _bilinear(offset @ axes, codes, -np.stack([table.distance, table.second]))]
    place = np.concatenate([form / max(float((offset @ form).std()), 1e-9) for form in forms], axis=1)
    return place.astype(np.float32)


def _bilinear(faces: NDArray[np.float64], codes: NDArray[np.float64], targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Forms B (T, K, C) for which ``face @ B @ code`` is nearest to what is said of the face's codes, each less the face's mean.

    Args:
        faces: (F, K).
        codes: (F, S, C).
        targets: (T, F, S).
    """
    codes = codes - codes.mean(axis=1, keepdims=True)
    wanted = np.asarray(targets - targets.mean(axis=2, keepdims=True), np.float64)
    # The sums over each face's sets come first: all products side by side would fill the memory.
    inner = np.einsum("fsc,fsd->fcd", codes, codes)
    size = faces.shape[1] * codes.shape[2]
    square = np.einsum("fk,fl,fcd->kcld", faces, faces, inner, optimize=True).reshape(size, size)
    sums = np.einsum("fk,fsc,tfs->kct", faces, codes, wanted, optimize=True).reshape(size, -1)
    return np.linalg.solve(square + _RIDGE * np.eye(size), sums).T.reshape(len(targets), faces.shape[1], -1)


def features(code: FaceCode, table: Table) -> NDArray[np.float32]:
    """(F, S, D) what the networks see of a table."""
    seen = code.features(table.attributes[:, None], table.embeddings[:, None], table.sets)
    return seen.astype(np.float32)


def unseen_features(code: FaceCode, table: Table) -> NDArray[np.float32]:
    """`features` of people whose own rows the form was fitted on, as if it had not been: each fold with what the others say.

    Its fit to its own people is better than to others, and the networks would rely on it too much.
    """
    fold = np.arange(len(table)) % _FOLDS
    seen = [features(replace(code, place=_place(table.where(fold != f), code.mean)), table.where(fold == f)) for f in range(_FOLDS)]
    rows = np.empty((len(table), *seen[0].shape[1:]), np.float32)
    for f, part in enumerate(seen):
        rows[fold == f] = part
    return rows


def train(table: Table, out: Path, options: SelectorOptions, report: Callable[[int, int, str], None] | None = None) -> dict[str, Any]:
    """Train on the table's training people.

    Returns:
        The arrays that `Selector` takes. ``out/selector.json`` holds what it is worth on the table's validation people.
    """
    told, exam = table.split("train"), table.split("validation")
    goals, code = limits(told), face_code(told, options.components)
    rows = unseen_features(code, told)
    mean, spread = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    # Attributes that are never moved have no spread.
    spread = np.where(spread > 1e-4, spread, 1.0).astype(np.float32)
    rows = (rows - mean) / spread
    targets = np.stack([told.passed, goals.far(told), goals.good(told)], axis=-1).astype(int), goals.worth(told)
    networks = []
    for step, (kind, target) in enumerate(zip(("MLPClassifier", "MLPRegressor"), targets, strict=True), 1):
        networks.append(fit(kind, rows, target, options.hidden, options))
        if report:
            report(step, 2, kind)
    arrays = {"code.mean": code.mean, "code.axes": code.axes, "code.place": code.place, "scaler.mean": mean, "scaler.spread": spread}
    for name, network in zip(("chance", "utility"), networks, strict=True):
        arrays |= layers(name, network)
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    if len(exam):
        thesis = fit("MLPClassifier", told.sets[..., : len(ATTRIBUTES)], targets[0], THESIS_LAYERS, replace(options, decay=_THESIS_DECAY))
        result = {"limits": asdict(goals)} | compare({"ours": Selector(arrays), "shipped": Selector()}, thesis, exam, goals)
        out.mkdir(parents=True, exist_ok=True)
        (out / "selector.json").write_text(json.dumps(result, indent=2))
        log.info("validation people %s", result)
    return arrays


def fit(kind: str, rows: NDArray[np.float32], target: NDArray[Any], hidden: tuple[int, ...], options: SelectorOptions) -> Any:
    """A network of scikit-learn as it was when it did best on people who were kept back.

    Args:
        kind: name in `sklearn.neural_network`.
        rows: (F, S, D).
        target: (F, S), or for the classifier (F, S, K): yes or no to each of K questions.
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
    mine, theirs = ((rows[part].reshape(-1, rows.shape[-1]), _flat(target[part])) for part in (slice(kept, None), slice(kept)))
    settings = {"hidden_layer_sizes": hidden, "alpha": options.decay, "random_state": options.seed}
    network = getattr(neural_network, kind)(batch_size=min(256, len(mine[0])), **settings)
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


def layers(name: str, network: Any) -> dict[str, NDArray[np.float32]]:
    """Arrays of a network of scikit-learn, as `Selector` names them."""
    pairs = enumerate(zip(network.coefs_, network.intercepts_, strict=True))
    return {f"{name}.{i}.{part}": array for i, both in pairs for part, array in zip(("weight", "bias"), both, strict=True)}


def compare(selectors: Mapping[str, Selector], thesis: Any, exam: Table, goals: Limits) -> dict[str, dict[str, float]]:
    """Chance, the thesis's network and selectors by their names on people whom none of them has seen."""
    shape = exam.passed.shape
    lots = np.random.default_rng(0).random((2, *shape))
    alone = exam.sets[..., : len(ATTRIBUTES)].reshape(-1, len(ATTRIBUTES))
    chances = thesis.predict_proba(alone)[:, 1:].T.reshape(2, *shape)
    found = {"random": grades(lots, lots[1], exam, goals), "thesis": grades(chances, chances[1], exam, goals)}
    for name, selector in selectors.items():
        judged = [selector.judge(*face) for face in zip(exam.attributes, exam.embeddings, exam.sets, strict=True)]
        far_and_good = np.stack([[j.far for j in judged], [j.good for j in judged]])
        found[name] = grades(far_and_good, np.stack([j.value for j in judged]), exam, goals)
    return found


def grades(chances: NDArray[np.float64], value: NDArray[np.float64], table: Table, goals: Limits) -> dict[str, float]:
    """What a selection is worth.

    Args:
        chances: (2, F, S) of an edit that is far, and of one that is good.
        value: (F, S) by which sets are put in order for each face.
        table: what became of them.
        goals: what far and good mean.
    """
    right = {"far": goals.far(table), "good": goals.good(table)}
    order = np.argsort(-value, axis=1)

    def picked(column: NDArray[Any]) -> float:
        return float(np.take_along_axis(column, order[:, :1], axis=1).mean())

    return {
        "people": len(table),
        "passes": float(table.passed.mean()),
        **{f"{name}: share": float(sets.mean()) for name, sets in right.items()},
        **{f"{name}: {k}": v for (name, sets), c in zip(right.items(), chances, strict=True) for k, v in ranking(c, sets).items()},
        **{f"{name}: tries": tries(np.take_along_axis(sets, order, axis=1)) for name, sets in ({"passes": table.passed} | right).items()},
        **{f"picked: {name}": picked(sets) for name, sets in ({"passes": table.passed} | right).items()},
        "picked: utility": picked(goals.worth(table)),
        "picked: distance": picked(table.distance),
        "picked: second recogniser": picked(table.second),
        "picked: realism": picked(table.realism),
    }


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
