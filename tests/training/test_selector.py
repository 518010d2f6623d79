"""The selector's training, on a made-up table in which what a face and its stand-in have in common decides what becomes of them."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deid import weights
from deid.attributes.sampler import sample_sets
from deid.attributes.selector import N_FEATURES, Selector, features
from deid.exceptions import DataError, WeightsFormatError, WeightsMissingError
from deid.training.data import split_of
from deid.training.export import write
from deid.training.selector import Limits, SelectorOptions, fit, grades, layers, limits, seen, train, tries
from deid.training.selector_table import Table

OPTIONS = SelectorOptions(hidden=(16,), decay=0.1, epochs=60)
N_PORTRAITS = 50


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def bank() -> Any:
    """Portraits that have looks, and no pictures."""
    rng = np.random.default_rng(1)
    sizes = {"pose": 7, "light": 36, "skin": 3, "attributes": 13}
    looks = {name: rng.random((N_PORTRAITS, n)) for name, n in sizes.items()}
    return SimpleNamespace(**looks, embedding=_unit(rng.standard_normal((N_PORTRAITS, 128)) + 0.5))


def _table(bank: Any, n: int, exam: int, n_pairs: int = 16) -> Table:
    """People whose new faces lie as far away as their first portrait does, and fit as it is turned."""
    rng = np.random.default_rng(0)
    names = [f"lfw/p{i}" for i in range(20 * (n + exam) + 100)]
    told = [name for name in names if split_of(name) == "train"][:n]
    asked = [name for name in names if split_of(name) == "validation"][:exam]
    count = len(told) + len(asked)
    embeddings = _unit(rng.standard_normal((count, 128)) + 0.5)
    pose = rng.random((count, 7))
    rest = rng.random((count, 36 + 3 + 13))
    looks = np.concatenate([pose, rest, embeddings, np.ones((count, 1)), np.zeros((count, 1))], axis=1).astype(np.float32)
    numbers = rng.integers(0, N_PORTRAITS, (count, n_pairs, 2))
    shares = np.broadcast_to([0.6, 0.4], (count, n_pairs, 2))
    sets = np.stack([sample_sets(True, n_pairs, rng) for _ in range(count)])
    distance = np.linalg.norm(bank.embedding[numbers[..., 0]] - embeddings[:, None], axis=-1)
    turned = np.abs(bank.pose[numbers[..., 0], 0] - pose[:, None, 0])
    ones = np.ones_like(distance, np.float32)
    return Table(
        identities=np.array([*told, *asked]),
        looks=looks,
        second_embeddings=embeddings.astype(np.float32),
        rows=np.concatenate([sets, numbers, shares], axis=-1).astype(np.float32),
        distance=distance.astype(np.float32),
        second=distance.astype(np.float32),
        iou=ones * 0.9,
        realism=ones * 0.9,
        fit=(1 - turned).astype(np.float32),
        passed=turned < 0.6,
    )


@pytest.fixture(scope="module")
def table(bank: Any) -> Table:
    return _table(bank, 120, 40)


@pytest.fixture(scope="module")
def trained(bank: Any, table: Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays, and what they are worth on the validation people."""
    out = tmp_path_factory.mktemp("out")
    return train(table, bank, out, OPTIONS), json.loads((out / "selector.json").read_text())


def test_selector_knows_who_suits_whom_and_the_thesis_network_cannot(trained: tuple[object, dict[str, Any]]) -> None:
    ours, thesis, chance = (trained[1][name] for name in ("ours", "thesis", "random"))
    assert ours["passes: AUC"] > 0.9 > 0.6 > thesis["passes: AUC"]
    assert ours["good: AUC"] > 0.75 > 0.6 > thesis["good: AUC"]
    assert ours["picked: utility"] > chance["picked: utility"] + 0.1
    assert ours["picked: passes"] > 0.95 > chance["picked: passes"]
    assert ours["passes: tries"] < chance["passes: tries"]
    assert ours["people"] == 40


def test_stored_network_computes_what_scikit_learn_does(bank: Any, table: Table) -> None:
    told = table.split("train")
    rows, right = seen(told, bank), limits(told).right(told).astype(int)
    mean, spread = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1)) + 1e-6
    rows = (rows - mean) / spread
    options = SelectorOptions(epochs=2)
    chance, worth = fit("MLPClassifier", rows, right, (16, 8), options), fit("MLPRegressor", rows, told.distance, (16, 8), options)
    arrays = {"scaler.mean": mean, "scaler.spread": spread} | layers("chance", chance) | layers("utility", worth)
    selector = Selector({name: np.asarray(array, np.float32) for name, array in arrays.items()})
    for i in range(3):
        judged = selector.judge(told.faces[i], bank, told.rows[i])
        np.testing.assert_allclose(np.column_stack([judged.passes, judged.far, judged.good]), chance.predict_proba(rows[i]), atol=1e-4)
        np.testing.assert_allclose(judged.utility, worth.predict(rows[i]), atol=1e-4)


def test_features_tell_the_pair_apart(bank: Any, table: Table) -> None:
    face, rows = table.faces[0], table.rows[0][:1]
    assert features(face, bank, rows).shape == (1, N_FEATURES)
    own = SimpleNamespace(**{name: getattr(face, name)[None] for name in ("pose", "light", "skin", "attributes", "embedding")})
    alone = rows.copy()
    alone[:, 13:] = 0, 0, 1, 0
    # A face is not apart from itself.
    np.testing.assert_allclose(features(face, own, alone)[0, 13 + 1 + 28 :], 0.0, atol=1e-6)
    other = rows.copy()
    other[:, 13] = (other[:, 13] + 1) % N_PORTRAITS
    assert (features(face, bank, other) != features(face, bank, rows)).sum() > 20


def test_judging_64_pairs_takes_under_2_ms(bank: Any, table: Table, trained: tuple[dict[str, np.ndarray], object]) -> None:
    selector, face, rows = Selector(trained[0]), table.faces[0], np.resize(table.rows[0], (64, table.rows.shape[2]))
    times = []
    for _ in range(50):
        start = time.thread_time()
        selector.judge(face, bank, rows)
        times.append(time.thread_time() - start)
    assert min(times) < 0.002


def test_training_is_the_same_from_the_same_seed(
    bank: Any, table: Table, trained: tuple[dict[str, np.ndarray], object], tmp_path: Path
) -> None:
    again = train(table, bank, tmp_path, OPTIONS)
    assert sorted(again) == sorted(trained[0])
    for name, array in trained[0].items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_written_file_loads_and_a_spoilt_one_is_told(
    trained: tuple[dict[str, np.ndarray], object], bank: Any, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import save

    arrays = trained[0]
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    write(save(arrays), "selector", tmp_path, {}, {"input": "x"})
    pair = table.faces[0], bank, table.rows[0]
    np.testing.assert_array_equal(Selector().judge(*pair).utility, Selector(arrays).judge(*pair).utility)
    for spoilt in ({k: v for k, v in arrays.items() if k != "scaler.mean"}, arrays | {"chance.0.weight": np.zeros((3, 3), np.float32)}):
        write(save(spoilt), "selector", tmp_path, {}, {"input": "x"})
        with pytest.raises(WeightsFormatError, match=r"selector\.safetensors"):
            Selector().judge(*pair)
    (tmp_path / "selector.safetensors").unlink()
    with pytest.raises(WeightsMissingError, match=r"selector\.safetensors"):
        Selector().judge(*pair)


def test_limits_need_two_people_of_one_gender(bank: Any) -> None:
    with pytest.raises(DataError, match="two people of one gender"):
        limits(_table(bank, 1, 0))


def test_worth_counts_the_nearer_recogniser_and_the_fit(table: Table) -> None:
    worth = Limits(threshold=2.0, distance=0.0, second=0.0).worth(table)
    np.testing.assert_allclose(worth, table.second / 2.0 * 0.9 * 0.9 * table.fit, rtol=1e-5)


def test_perfect_and_reversed_selection_are_graded_as_such(table: Table) -> None:
    goals = limits(table)
    right = goals.right(table)
    perfect = grades(right + 0.0, right[..., 2] + 0.0, table, goals)
    assert perfect["far: AUC"] == perfect["good: AUC"] == 1.0
    assert perfect["good: recall at precision 75%"] == 1.0
    assert perfect["picked: good"] == right[..., 2].any(axis=1).mean()
    assert grades(1.0 - right, 1.0 - right[..., 2], table, goals)["good: AUC"] == 0.0


def test_tries_count_from_one_and_a_face_without_luck_counts_all() -> None:
    assert tries(np.array([[True, False, False], [False, False, True], [False, False, False]])) == pytest.approx((1 + 3 + 4) / 3)
