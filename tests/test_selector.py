"""Selection in the pipeline: what the selector likes is generated, the gate decides, and nobody gets another's face."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deid import ladder, weights
from deid.align import TEMPLATE
from deid.attributes.sampler import sample_sets
from deid.attributes.selector import Judgement, Selector
from deid.config import QUALITIES, Options
from deid.dataset.run import Plan
from deid.exceptions import DataError, WeightsMissingError
from deid.ladder import Rung
from deid.people import People
from deid.pipeline import Anonymizer
from deid.structures import AlignedFace, Detection, EditedFace, Image

#: The number of a set's code that the fake selector likes to be large.
_LIKED = 13
FACE = Detection(np.array([28.0, 18.0, 100.0, 112.0]), 1.0, TEMPLATE)
LAX: dict[str, Any] = {"seed": 1, "min_realism": 0.0, "min_iou": 0.0, "gender_slack": 1.0}


class _Liking(Selector):
    """Likes sets with a large first number of the code; sees no face."""

    def __init__(self) -> None:
        """Without a file."""

    def judge(self, attributes: np.ndarray, embedding: np.ndarray, sets: np.ndarray) -> Judgement:
        value = sets[:, _LIKED].astype(float) + 10.0
        sure = np.ones(len(sets))
        return Judgement(sure, sure, sure, value)


@pytest.fixture
def liking() -> Selector:
    return _Liking()


@dataclass
class _Painter:
    """Paints every set as a picture of its own, and remembers what it was asked for."""

    name: str = "painter"
    asked: list[np.ndarray] = field(default_factory=list)
    always: Image | None = None

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float) -> list[EditedFace]:
        self.asked.append(attributes.copy())
        return [EditedFace(_picture(a[13:]) if self.always is None else self.always, self.name, a, strength) for a in attributes]


def _picture(code: np.ndarray) -> Image:
    coarse = np.clip(128 + 60 * code.reshape(4, 4), 0, 255).astype(np.uint8)
    return np.repeat(cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)[..., None], 3, axis=2)


def _portrait(seed: int) -> Image:
    """(128, 128, 3) that is no face to a detector, but somebody to the fake recogniser."""
    return _picture(np.random.default_rng(seed).standard_normal(16))


@pytest.fixture
def engine(liking: Selector, fake_embedder: Any) -> Callable[..., tuple[Anonymizer, _Painter]]:
    def build(selector: Selector | None = liking, **options: Any) -> tuple[Anonymizer, _Painter]:
        painter = _Painter()
        made = Anonymizer(Options(**(LAX | options)), editor=painter, embedders=[fake_embedder()], selector=selector)
        # What the selector is told of who somebody is; the fake one does not look.
        made._parts["dlib"] = fake_embedder()
        return made, painter

    return build


@pytest.mark.parametrize("quality", QUALITIES)
def test_quality_says_how_many_are_generated(quality: str, engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, painter = engine(quality=quality)
    made.process(_portrait(0), [FACE])
    assert [len(sets) for sets in painter.asked] == [QUALITIES[quality].generated]


def test_budgets_grow() -> None:
    fast, balanced, thorough = (QUALITIES[name] for name in ("fast", "balanced", "thorough"))
    assert fast.generated < balanced.generated < thorough.generated


def test_what_the_selector_likes_is_generated(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    both = engine(quality="thorough"), engine(None, quality="thorough")
    (chosen, drawn) = (painter.asked[0] for made, painter in both if made.process(_portrait(0), [FACE]))
    assert len(chosen) == len(drawn)
    assert chosen[:, _LIKED].mean() > drawn[:, _LIKED].mean() + 0.5


def test_of_those_that_pass_the_liked_one_is_kept(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    """Where the gate sees no difference between them."""
    made, painter = engine(quality="thorough")
    painter.always = _portrait(7)
    (face,) = made.process(_portrait(0), [FACE]).faces
    assert face.attributes["identity_0"] == painter.asked[0][:, _LIKED].max()


def test_each_group_of_proposals_sends_its_best(liking: Selector) -> None:
    sets = sample_sets(True, 12, np.random.default_rng(0))
    chosen, expected = liking.choose(np.zeros(13), np.zeros(128), sets, 3)
    np.testing.assert_array_equal(chosen[:, _LIKED], sets[:, _LIKED].reshape(3, 4).max(axis=1))
    np.testing.assert_allclose(expected, chosen[:, _LIKED] + 10.0)


def test_one_that_always_fails_uses_its_budget_and_ends_covered(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, painter = engine(quality="fast")
    photo = painter.always = _portrait(0)
    result = made.process(photo, [FACE])
    (face,) = result.faces
    assert face.status == "fallback"
    assert face.method in {"blur", "solid"}
    budget = QUALITIES["fast"]
    # As often as the budget says on the mildest way, and once on the other one that such an editor has.
    assert [len(sets) for sets in painter.asked] == [budget.generated] * (budget.rounds + 1)
    assert len({a.tobytes() for sets in painter.asked for a in sets}) == budget.generated * (budget.rounds + 1)
    middle = slice(40, 90)
    assert (result.image[middle, middle] != photo[middle, middle]).any(axis=2).mean() > 0.9


def test_ladder_of_the_real_editor_ends_in_a_solid_cover() -> None:
    from deid.edit.attgan import AttganEditor
    from deid.models.attgan import Generator

    options = Options(quality="fast")
    rungs = list(ladder.rungs(options, AttganEditor(network=Generator(4, n_codes=16).eval())))
    assert [(r.editor.name, r.strength) for r in rungs if not r.pastes_face] == [("blur", 2.25), ("solid", 1.0)]
    assert [r.last for r in rungs] == [False] * (len(rungs) - 1) + [True]
    assert [r.strength for r in rungs if r.pastes_face] == [0.6] * options.budget.rounds + [1.0] * 3
    assert {(r.n_sets, r.n_proposals) for r in rungs if r.pastes_face} == {(options.budget.generated, options.budget.proposals)}


def test_no_set_comes_twice(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    """In one picture, in two pictures of a run without a seed, and in two runs of one picture."""
    made, painter = engine(seed=None)
    photo = np.concatenate([_portrait(0), _portrait(1)], axis=1)
    for _ in range(2):
        made.process(photo, [FACE, FACE.moved(np.ones(2), np.array([128.0, 0.0]))])
    sets = [a[13:].tobytes() for asked in painter.asked for a in asked]
    assert len(painter.asked) == 4
    assert len(set(sets)) == len(sets)


def test_same_seed_same_sets(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    results = [engine()[0].process(_portrait(0), [FACE], seed=seed) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(results[0].image, results[1].image)
    assert results[0].faces[0].attributes == results[1].faces[0].attributes
    assert results[0].faces[0].attributes != results[2].faces[0].attributes


def _sets(result: Any) -> list[dict[str, float]]:
    return [face.attributes for face in result.faces]


def test_one_person_keeps_the_face_through_a_data_set(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, _ = engine(seed=None, consistency="dataset")
    first, again, other = (made.process(_portrait(who), [FACE]) for who in (0, 0, 1))
    assert _sets(first) == _sets(again)
    assert _sets(first) != _sets(other)
    fresh, _ = engine(seed=None, consistency="photo")
    assert _sets(fresh.process(_portrait(0), [FACE])) != _sets(fresh.process(_portrait(0), [FACE]))


def test_two_people_of_one_picture_never_get_one_face(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    """Even where the recogniser takes them for the same one."""
    made, _ = engine(seed=None, consistency="dataset")
    made.process(_portrait(0), [FACE])
    twins = np.concatenate([_portrait(0)] * 2, axis=1)
    one, two = _sets(made.process(twins, [FACE, FACE.moved(np.ones(2), np.array([128.0, 0.0]))]))
    assert one != two


def test_threads_agree_on_who_is_who(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, _ = engine(seed=None, consistency="dataset")
    photos = [_portrait(i % 2) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        sets = [_sets(result) for result in pool.map(lambda photo: made.process(photo, [FACE]), photos)]
    assert sets == sets[:2] * 4
    assert sets[0] != sets[1]


def test_person_is_found_by_all_embedders_or_not_at_all(fake_embedder: Any) -> None:
    near, far = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    people = People([fake_embedder(), fake_embedder()])
    rung = Rung(_Painter(), 1.0, True)
    assert people.find((near, near)) is None
    people.add((near, near), rung)
    found = people.find((near, near))
    assert found is not None
    assert found.rung is rung
    assert people.find((near, far)) is None
    assert people.find((near, near), [found]) is None


@pytest.mark.parametrize("given", [{"workers": 2}, {"workers": 0}, {"workers": 1, "engine": "ray"}, {"workers": 1, "resume": True}])
def test_consistency_that_cannot_be_kept_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    options = Options(consistency="dataset")
    with pytest.raises(DataError, match="1 local worker"):
        Plan(given=str(tmp_path), out=tmp_path / "out", options=options, **given)
    Plan(given=str(tmp_path), out=tmp_path / "out", options=options, workers=1)


def test_without_a_selector_file_nothing_is_edited(monkeypatch: pytest.MonkeyPatch, astronaut: Image) -> None:
    read = weights.read
    monkeypatch.setattr(weights, "read", lambda name: read("nobody" if name == "selector" else name))
    with pytest.raises(WeightsMissingError, match="nobody"):
        Anonymizer(Options(seed=1)).process(astronaut)


def test_own_editor_without_selector_draws_its_sets(fake_embedder: Any) -> None:
    made = Anonymizer(Options(**LAX), editor=_Painter(), embedders=[fake_embedder()])
    assert made.selector is None
    assert Anonymizer(Options(**LAX)).selector is not None
