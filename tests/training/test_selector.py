"""The selector's training, on a made-up table in which who a face is decides which codes are good for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from deid import weights
from deid.attributes.sampler import sample_sets
from deid.attributes.selector import Selector
from deid.exceptions import DataError, WeightsFormatError, WeightsMissingError
from deid.training import selector as training
from deid.training.data import split_of
from deid.training.export import write
from deid.training.selector import SelectorOptions, _bilinear, features, fit, grades, layers, limits, train, tries
from deid.training.selector_table import Table

OPTIONS = SelectorOptions(components=4, hidden=(16,), decay=0.1, epochs=60)


def _table(n: int, exam: int, n_sets: int = 16) -> Table:
    """People of which each is far from the codes that point away from the first numbers of its embedding."""
    rng = np.random.default_rng(0)
    names = (f"lfw/p{i}" for i in range(100_000))
    train_people = [name for name, _ in zip((p for p in names if split_of(p) == "train"), range(n), strict=False)]
    exam_people = [name for name, _ in zip((p for p in names if split_of(p) == "validation"), range(exam), strict=False)]
    count = n + exam
    # Far from nought, as recognisers put people: strangers are about 0.6 apart.
    embeddings = rng.standard_normal((count, 128)) * np.where(np.arange(128) < 4, 1.0, 0.5)
    embeddings[:, -1] += 12.0
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    sets = np.stack([sample_sets(True, n_sets, rng) for _ in range(count)])
    near = np.einsum("fk,fsk->fs", embeddings[:, :4], sets[..., 13:17])
    distance = (0.58 - 0.3 * near + 0.01 * rng.standard_normal(near.shape)).astype(np.float32)
    ones = np.ones_like(distance)
    return Table(
        np.array([*train_people, *exam_people]),
        np.full((count, 13), 0.9, np.float32),
        embeddings.astype(np.float32),
        embeddings.astype(np.float32),
        sets,
        distance,
        distance,
        ones,
        ones * 0.9,
        ones,
        ones * 0.9,
        distance > 0.5,
    )


@pytest.fixture(scope="module")
def table() -> Table:
    return _table(120, 40)


@pytest.fixture(scope="module")
def trained(table: Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """The arrays, and what they are worth on the validation people."""
    out = tmp_path_factory.mktemp("out")
    return train(table, out, OPTIONS), json.loads((out / "selector.json").read_text())


@pytest.fixture(scope="module")
def arrays(trained: tuple[dict[str, np.ndarray], object]) -> dict[str, np.ndarray]:
    return trained[0]


def test_selector_knows_who_suits_what_and_the_thesis_network_cannot(trained: tuple[object, dict[str, dict[str, float]]]) -> None:
    ours, thesis, chance = (trained[1][name] for name in ("ours", "thesis", "random"))
    assert ours["good: AUC"] > 0.75 > 0.6 > thesis["good: AUC"]
    assert ours["picked: distance"] > chance["picked: distance"] + 0.01
    assert ours["good: tries"] < chance["good: tries"]
    # The shipped one was taught on real faces: on made-up embeddings it is judged too, and knows less.
    assert trained[1]["shipped"]["good: AUC"] < ours["good: AUC"]
    assert ours["people"] == 40


def test_stored_network_computes_what_scikit_learn_does(table: Table) -> None:
    told = table.split("train")
    code = training.face_code(told, 4)
    rows = features(code, told)
    mean, spread = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1)) + 1e-6
    rows = (rows - mean) / spread
    goals = limits(told)
    chance = fit("MLPClassifier", rows, np.stack([told.passed, goals.far(told), goals.good(told)], axis=-1).astype(int), (16, 8), OPTIONS)
    worth = fit("MLPRegressor", rows, told.distance, (16, 8), OPTIONS)
    arrays = {"code.mean": code.mean, "code.axes": code.axes, "code.place": code.place, "scaler.mean": mean, "scaler.spread": spread}
    arrays |= layers("chance", chance) | layers("utility", worth)
    selector = Selector({name: np.asarray(array, np.float32) for name, array in arrays.items()})
    for i in range(5):
        seen = selector.judge(told.attributes[i], told.embeddings[i], told.sets[i])
        np.testing.assert_allclose(np.column_stack([seen.passes, seen.far, seen.good]), chance.predict_proba(rows[i]), atol=1e-5)
        np.testing.assert_allclose(seen.utility, worth.predict(rows[i]), atol=1e-5)


def test_training_is_the_same_from_the_same_seed(table: Table, arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    again = train(table, tmp_path, OPTIONS)
    assert sorted(again) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_written_file_loads_and_a_spoilt_one_is_told(
    arrays: dict[str, np.ndarray], table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import save

    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    write(save(arrays), "selector", tmp_path, {}, {"input": "x"})
    face = table.attributes[0], table.embeddings[0], table.sets[0]
    np.testing.assert_array_equal(Selector().judge(*face).utility, Selector(arrays).judge(*face).utility)
    for spoilt in ({k: v for k, v in arrays.items() if k != "code.axes"}, arrays | {"chance.0.weight": np.zeros((3, 3), np.float32)}):
        write(save(spoilt), "selector", tmp_path, {}, {"input": "x"})
        with pytest.raises(WeightsFormatError, match=r"selector\.safetensors"):
            Selector().judge(*face)
    (tmp_path / "selector.safetensors").unlink()
    with pytest.raises(WeightsMissingError, match=r"selector\.safetensors"):
        Selector().judge(*face)


def test_bilinear_form_is_found_again() -> None:
    rng = np.random.default_rng(0)
    faces, codes, form = rng.standard_normal((300, 5)), rng.standard_normal((300, 12, 4)), rng.standard_normal((5, 4))
    # What all sets of a face have in common says nothing about its codes.
    target = np.einsum("fk,kc,fsc->fs", faces, form, codes) + 9 * rng.standard_normal((300, 1))
    (found,) = _bilinear(faces, codes, target[None].astype(np.float32))
    np.testing.assert_allclose(found, form, atol=0.35)
    assert np.corrcoef(found.ravel(), form.ravel())[0, 1] > 0.999


def test_limits_need_two_people_of_one_gender() -> None:
    with pytest.raises(DataError, match="two people of one gender"):
        limits(_table(1, 0))


def test_perfect_and_reversed_selection_are_graded_as_such(table: Table) -> None:
    goals = limits(table)
    right = np.stack([goals.far(table), goals.good(table)])
    perfect = grades(right + 0.0, right[1] + 0.0, table, goals)
    assert perfect["far: AUC"] == perfect["good: AUC"] == 1.0
    assert perfect["good: recall at precision 80%"] == 1.0
    assert perfect["picked: good"] == right[1].any(axis=1).mean()
    assert grades(1.0 - right, 1.0 - right[1], table, goals)["good: AUC"] == 0.0


def test_tries_count_from_one_and_a_face_without_luck_counts_all() -> None:
    assert tries(np.array([[True, False, False], [False, False, True], [False, False, False]])) == pytest.approx((1 + 3 + 4) / 3)
