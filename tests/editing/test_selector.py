"""Selection in the pipeline: what the selector likes is generated, the gate decides, and nobody gets another's face."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deid import weights
from deid.anonymizer import fallback, stand_ins
from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.face import Person
from deid.anonymizer.identities import People
from deid.anonymizer.models import Models
from deid.anonymizer.request import Level
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError, WeightsMissingError
from deid.core.options import QUALITIES, Options
from deid.core.types import AlignedFace, Crops, Detection, EditedFace, Embeddings, Image
from deid.dataset.run import Plan
from deid.editing.attgan import AttganEditor
from deid.editing.portraits import Portraits
from deid.editing.sampler import portraits_of
from deid.editing.selector import Judgement, Likeness, Selector
from deid.imaging.template import TEMPLATE
from deid.recognition.linear import PortraitReader

_BROWS = ATTRIBUTES.index("Bushy_Eyebrows")
FACE = Detection(np.array([28.0, 18.0, 100.0, 112.0]), 1.0, TEMPLATE)
LAX: dict[str, Any] = {"seed": 1, "min_realism": 0.0, "min_iou": 0.0, "gender_slack": 1.0}


class _Liking(Selector):
    """Likes high numbers of the first portrait, and of the sets for one stand-in the bushiest brows."""

    def __init__(self) -> None:
        """Without a file."""
        self.shown: list[np.ndarray] = []

    def judge(self, looks: Likeness, bank: Likeness, rows: np.ndarray) -> Judgement:
        self.shown.append(rows.copy())
        sure = np.ones(len(rows))
        return Judgement(sure, sure, sure, rows[:, 13] + 10.0 + 0.1 * rows[:, _BROWS])


@pytest.fixture
def liking() -> _Liking:
    return _Liking()


class _Asked:
    """Paints every row as a picture of its own, and remembers what it was asked for."""

    name = "painter"

    def __init__(self, always: Image | None = None) -> None:
        self.asked: list[np.ndarray] = []
        self.always = always

    def edit(self, face: AlignedFace, attributes: np.ndarray, strength: float = 1.0) -> list[EditedFace]:
        self.asked.append(attributes.copy())
        return [EditedFace(_picture(a) if self.always is None else self.always, self.name, a, strength) for a in attributes]


class _Painter(_Asked, AttganEditor):
    """One that has portraits."""

    def __init__(self) -> None:
        AttganEditor.__init__(self, bank=_bank())
        _Asked.__init__(self)

    def preload(self) -> None:
        """Nothing to read."""


def _picture(row: np.ndarray) -> Image:
    rng = np.random.default_rng(np.frombuffer(np.asarray(row, np.float32).tobytes(), np.uint8))
    return _painted(rng.standard_normal(16))


def _painted(code: np.ndarray) -> Image:
    coarse = np.clip(128 + 60 * code.reshape(4, 4), 0, 255).astype(np.uint8)
    return np.repeat(cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)[..., None], 3, axis=2)


def _portrait(seed: int) -> Image:
    """(128, 128, 3) that is no face to a detector, but somebody to the fake recogniser."""
    return _painted(np.random.default_rng(seed).standard_normal(16))


def _bank(n: int = 120) -> Portraits:
    """Portraits that are never looked at, half of them of men."""
    looks = np.random.default_rng(0).uniform(0.2, 0.4, (n, 189)).astype(np.float32)
    looks[:, -2] = np.arange(n) % 2
    points = np.tile(np.random.default_rng(1).uniform(30, 100, (1, 68, 2)), (n, 1, 1))
    return Portraits({"images": np.zeros(n, np.uint8), "ends": np.arange(1, n + 1), "points": points, "looks": looks}, PortraitReader())


@dataclass
class _Dlib:
    """What the selector is told of who somebody is: always the same."""

    name: str = "dlib"
    threshold: float = 0.2
    seen: list[Crops] = field(default_factory=list)

    def embed(self, crops: Crops) -> Embeddings:
        return np.full((len(crops), 128), 128**-0.5, np.float32)


@pytest.fixture
def engine(liking: Selector, fake_embedder: Any) -> Callable[..., tuple[Anonymizer, _Painter]]:
    def build(selector: Selector | None = liking, **options: Any) -> tuple[Anonymizer, _Painter]:
        painter = _Painter()
        parts = {"editor": painter, "embedders": [fake_embedder()], "selector": selector, "bank_embedder": _Dlib()}
        return Anonymizer(models=Models(Options(**(LAX | options)), **parts)), painter

    return build


@pytest.mark.parametrize("quality", QUALITIES)
def test_quality_says_how_many_are_generated(quality: str, engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, painter = engine(quality=quality)
    made.process(_portrait(0), [FACE])
    assert [len(sets) for sets in painter.asked] == [QUALITIES[quality].generated]


def test_budgets_grow() -> None:
    fast, balanced, thorough = (QUALITIES[name] for name in ("fast", "balanced", "thorough"))
    most = [budget.generated * (budget.rounds + 1) for budget in (fast, balanced, thorough)]
    assert most == sorted(set(most))
    assert fast.generated <= balanced.generated < thorough.generated


def _first_portraits(rows: np.ndarray) -> list[int]:
    return [portraits_of(row)[0][0] for row in rows]


def test_the_liked_of_those_that_were_drawn_first_are_generated(
    engine: Callable[..., tuple[Anonymizer, _Painter]], liking: _Liking
) -> None:
    made, painter = engine(quality="thorough")
    made.process(_portrait(0), [FACE])
    (chosen,), (shown,) = painter.asked, liking.shown
    budget = QUALITIES["thorough"]
    reserved = sorted(_first_portraits(shown[:: budget.proposals]), reverse=True)
    # Not of all: one portrait would stand in for somebody in every photo.
    assert len(reserved) == budget.generated + stand_ins._TO_CHOOSE_FROM == len(shown) / budget.proposals
    assert len(reserved) < budget.generated * (budget.rounds + 1)
    # One of a stand-in, those first that are liked best, each under the set that is liked best.
    assert _first_portraits(chosen) == reserved[: budget.generated]
    for row in chosen:
        assert row[_BROWS] == max(other[_BROWS] for other in shown if np.array_equal(other[13:], row[13:]))


def test_the_next_round_takes_the_next_best(engine: Callable[..., tuple[Anonymizer, _Painter]], liking: _Liking) -> None:
    made, painter = engine(quality="fast")
    painter.always = photo = _portrait(0)
    made.process(photo, [FACE])
    tried = [i for rows in painter.asked for i in _first_portraits(rows)]
    budget = QUALITIES["fast"]
    assert tried == [max(_first_portraits(rows)) for rows in liking.shown]
    assert len(tried) == budget.generated * (budget.rounds + 1)
    left, most = range(len(tried), 0, -budget.generated), budget.generated + stand_ins._TO_CHOOSE_FROM
    assert [len(rows) for rows in liking.shown] == [budget.proposals * min(n, most) for n in left]


def test_when_all_stand_ins_are_used_they_come_again(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, painter = engine(quality="fast")
    painter._bank = _bank(12)
    painter.always = photo = _portrait(0)
    made.process(photo, [FACE])
    tried = [i for rows in painter.asked for i in _first_portraits(rows)]
    budget = QUALITIES["fast"]
    assert len(tried) == budget.generated * (budget.rounds + 1) > len(set(tried)) > 0


def test_without_a_selector_stand_ins_are_taken_as_they_were_drawn(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    chosen, drawn = engine(quality="thorough"), engine(None, quality="thorough")
    for made, _ in (chosen, drawn):
        made.process(_portrait(0), [FACE])
    liked, first = (_first_portraits(painter.asked[0]) for _, painter in (chosen, drawn))
    assert len(first) == len(liked)
    assert sum(liked) > sum(first)


def test_of_those_that_pass_the_liked_one_is_kept(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    """Where the gate sees no difference between them."""
    made, painter = engine(quality="thorough")
    painter.always = _portrait(7)
    (face,) = made.process(_portrait(0), [FACE]).faces
    assert face.attributes["Bushy_Eyebrows"] == pytest.approx(float(painter.asked[0][0, _BROWS]))


def test_one_that_always_fails_uses_its_budget_and_ends_covered(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    made, painter = engine(quality="fast")
    photo = painter.always = _portrait(0)
    result = made.process(photo, [FACE])
    (face,) = result.faces
    assert face.status == "fallback"
    assert face.method in {"blur", "solid"}
    budget = QUALITIES["fast"]
    # As often as the budget says on the mildest way, and once on the harder one.
    assert [len(sets) for sets in painter.asked] == [budget.generated] * (budget.rounds + 1)
    assert len({a.tobytes() for sets in painter.asked for a in sets}) == budget.generated * (budget.rounds + 1)
    middle = slice(40, 90)
    assert (result.image[middle, middle] != photo[middle, middle]).any(axis=2).mean() > 0.9


def test_levels_of_the_real_editor_end_in_a_solid_cover() -> None:
    options = Options(quality="fast")
    levels = list(fallback.levels(Models(options), _Painter()))
    assert [(r.editor.name, r.strength) for r in levels if not r.pastes_face] == [("blur", 2.25), ("solid", 1.0)]
    assert [r.last for r in levels] == [False] * (len(levels) - 1) + [True]
    assert [r.strength for r in levels if r.pastes_face] == [1.0] * options.budget.rounds + [1.5]
    assert {(r.n_sets, r.n_proposals) for r in levels if r.pastes_face} == {(options.budget.generated, options.budget.proposals)}


def test_no_set_comes_twice(engine: Callable[..., tuple[Anonymizer, _Painter]]) -> None:
    """In one picture, in two pictures of a run without a seed, and in two runs of one picture."""
    made, painter = engine(seed=None)
    photo = np.concatenate([_portrait(0), _portrait(1)], axis=1)
    for _ in range(2):
        made.process(photo, [FACE, FACE.moved(np.ones(2), np.array([128.0, 0.0]))])
    sets = [a.tobytes() for asked in painter.asked for a in asked]
    # A stand-in that does not suit is followed by another one.
    assert len(painter.asked) >= 4
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
    level = Level(_Asked(), 1.0, True)
    assert people.find((near, near)) is None
    people.add(Person((near, near), level))
    found = people.find((near, near))
    assert found is not None
    assert found.level is level
    assert people.find((near, far)) is None
    assert people.find((near, near), [found]) is None


@pytest.mark.parametrize("given", [{"workers": 2}, {"workers": 0}, {"workers": 1, "engine": "ray"}, {"workers": 1, "resume": True}])
def test_consistency_that_cannot_be_kept_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    options = Options(consistency="dataset")
    with pytest.raises(DataError, match="1 local worker"):
        Plan(given=str(tmp_path), out=tmp_path / "out", options=options, make_engine=Anonymizer, **given)
    Plan(given=str(tmp_path), out=tmp_path / "out", options=options, make_engine=Anonymizer, workers=1)


def test_without_a_selector_file_nothing_is_edited(monkeypatch: pytest.MonkeyPatch, astronaut: Image) -> None:
    read = weights.read
    monkeypatch.setattr(weights, "read", lambda name: read("nobody" if name == "selector" else name))
    with pytest.raises(WeightsMissingError, match="nobody"):
        Anonymizer(Options(seed=1)).process(astronaut)


def test_own_editor_without_selector_draws_its_sets(fake_embedder: Any) -> None:
    made = Anonymizer(Options(**LAX), editor=_Painter(), embedders=[fake_embedder()])
    assert made.selector is None
    assert Anonymizer(Options(**LAX)).selector is not None
    assert Anonymizer(Options(**LAX, stand_in="none")).selector is None
    assert Anonymizer(Options(**LAX, method="blur")).selector is None


def test_editor_without_portraits_has_nothing_to_choose_from(liking: _Liking, fake_embedder: Any) -> None:
    painter = _Asked()
    made = Anonymizer(Options(**LAX), editor=painter, embedders=[fake_embedder()], selector=liking)
    made.process(_portrait(0), [FACE])
    assert len(painter.asked[0]) == QUALITIES["balanced"].generated
    assert not liking.shown
