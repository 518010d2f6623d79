"""The selector's training, on a made-up table in which what a face and its stand-in have in common decides what becomes of them."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deid import weights
from deid.core.errors import DataError, WeightsFormatError, WeightsMissingError
from deid.editing.sampler import sample_sets
from deid.editing.selector import N_FEATURES, Judgement, Records, Selector, features
from deid.training.data import split_of
from deid.training.export import write
from deid.training.selector import Limits, SelectorOptions, fit, grades, limits, records, seen, train, tries, unseen
from deid.training.selector_table import Table

OPTIONS = SelectorOptions(hidden=(16,), decay=0.1, epochs=20)
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
    lesson = [name for name in names if split_of(name) == "train"][:n]
    asked = [name for name in names if split_of(name) == "validation"][:exam]
    count = len(lesson) + len(asked)
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
        identities=np.array([*lesson, *asked]),
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


def test_selector_knows_who_suits_whom(trained: tuple[object, dict[str, Any]]) -> None:
    ours = trained[1]["validation"]
    assert ours["passes: AUC"] > 0.85
    assert ours["good: AUC"] > 0.75
    assert ours["utility: picked"] > ours["utility: all"] + 0.1
    assert ours["passes: picked"] > 0.95 > ours["passes: all"]
    assert ours["passes: tries"] < 1.1
    assert ours["people"] == 40


def test_stored_network_computes_what_scikit_learn_does(bank: Any, table: Table) -> None:
    lesson = table.split("train")
    goals = limits(lesson)
    columns = np.stack(list(goals.columns(lesson).values()), axis=-1)
    wanted = columns - columns.mean(axis=1, keepdims=True) + columns.mean(axis=(0, 1))
    rows = unseen(lesson, bank, goals)
    network = fit(_standard(rows), _standard(wanted), OPTIONS)
    spread = np.where(rows.std(axis=(0, 1)) > 1e-4, rows.std(axis=(0, 1)), 1.0)
    asked = (seen(lesson, bank, records(lesson, bank, goals))[3] - rows.mean(axis=(0, 1))) / spread
    answers = network.predict(asked) * wanted.std(axis=(0, 1)) + wanted.mean(axis=(0, 1))
    judged = Selector(train(lesson, bank, Path(), OPTIONS)).judge(lesson.faces[3], bank, lesson.rows[3])
    np.testing.assert_allclose(judged.passes, np.clip(answers[:, 0], 0, 1), atol=1e-3)
    np.testing.assert_allclose(judged.utility, answers[:, 3], atol=1e-3)


def test_records_say_who_does_better_and_doubt_what_is_rare(bank: Any, table: Table) -> None:
    goals = limits(table)
    known = records(table, bank, goals)
    utility = goals.columns(table)["utility"]
    better, first = utility - utility.mean(axis=1, keepdims=True), table.rows[..., 13].astype(int)
    of = known.of(bank.embedding)
    for i in range(5):
        n = (first == i).sum()
        assert of[i, 0] == pytest.approx(better[first == i].mean() * n / (n + 2.5), abs=1e-5)
    np.testing.assert_array_equal(known.of(bank.embedding + 1.0), 0.0)
    # What happened to a person is no part of what is told of that person.
    lucky = Table(**table.columns() | {"fit": np.concatenate([table.fit[:1] * 2, table.fit[1:]])})
    np.testing.assert_array_equal(unseen(lucky, bank, goals)[0], unseen(table, bank, goals)[0])


def _standard(rows: np.ndarray) -> np.ndarray:
    spread = rows.std(axis=(0, 1))
    return np.asarray((rows - rows.mean(axis=(0, 1))) / np.where(spread > 1e-4, spread, 1.0))


def test_features_tell_the_pair_apart(bank: Any, table: Table) -> None:
    face, rows = table.faces[0], table.rows[0][:1]
    assert features(face, bank, rows, Records.none()).shape == (1, N_FEATURES)
    own = SimpleNamespace(**{name: getattr(face, name)[None] for name in ("pose", "light", "skin", "attributes", "embedding")})
    alone = rows.copy()
    alone[:, 13:] = 0, 0, 1, 0
    # A face is not apart from itself.
    np.testing.assert_allclose(features(face, own, alone, Records.none())[0, 13 + 1 + 28 :], 0.0, atol=1e-6)
    other = rows.copy()
    other[:, 13] = (other[:, 13] + 1) % N_PORTRAITS
    assert (features(face, bank, other, Records.none()) != features(face, bank, rows, Records.none())).sum() > 20


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
    for spoilt in ({k: v for k, v in arrays.items() if k != "scaler.mean"}, arrays | {"network.0.weight": np.zeros((3, 3), np.float32)}):
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
    worth = Limits(threshold=2.0, distance=0.0, second=0.0).columns(table)["utility"]
    np.testing.assert_allclose(worth, table.second / 2.0 * 0.9 * 0.9 * table.fit, rtol=1e-5)


@pytest.mark.parametrize(("sign", "area"), [(1.0, 1.0), (-1.0, 0.0)])
def test_perfect_and_reversed_selection_are_graded_as_such(sign: float, area: float, table: Table, bank: Any) -> None:
    goals = limits(table)
    columns, turn = goals.columns(table), iter(range(len(table)))

    class Knowing(Selector):
        def judge(self, looks: object, bank: object, rows: object) -> Judgement:
            i = next(turn)
            return Judgement(*(0.5 + sign * (columns[name][i] - 0.5) for name in ("passes", "far", "good")), np.ones(table.rows.shape[1]))

    lesson = grades(Knowing(), table, bank, goals)
    assert lesson["far: AUC"] == lesson["good: AUC"] == area
    assert lesson["good: picked"] == pytest.approx((columns["good"].any if sign > 0 else columns["good"].all)(axis=1).mean())


def test_tries_count_from_one_and_a_face_without_luck_counts_all() -> None:
    assert tries(np.array([[True, False, False], [False, False, True], [False, False, False]])) == pytest.approx((1 + 3 + 4) / 3)
