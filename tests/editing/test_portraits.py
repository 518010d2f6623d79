"""The bank of portraits: what is taken for whom, and that a damaged one is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from deid import weights
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import WeightsError, WeightsFormatError, WeightsHashError, WeightsMissingError
from deid.core.types import AlignedFace, Embeddings
from deid.editing import portraits
from deid.editing.looks import Looks, light
from deid.editing.portraits import SIDE, Portraits, mirrored
from deid.landmarks.face_points import FacePoints
from deid.recognition.linear import PortraitReader, SnapshotReader

Arrays = dict[str, NDArray[Any]]


def _looks(bank: Portraits, number: int, **changed: Any) -> Looks:
    """Somebody who looks as a portrait does, and is nobody dlib knows."""
    its = Looks(
        bank.pose[number],
        bank.light[number],
        bank.skin[number],
        bank.attributes[number],
        np.zeros(128),
        float(bank.male[number]),
        float(bank.child[number]),
    )
    return replace(its, **changed)


@pytest.fixture(scope="module")
def few(bank_of: Callable[..., Arrays]) -> Portraits:
    """Forty portraits."""
    return Portraits(bank_of(range(40)), PortraitReader())


def test_mirrored_twice_is_the_same() -> None:
    points = np.random.default_rng(0).uniform(0, 127, (68, 2))
    np.testing.assert_allclose(mirrored(mirrored(points)), points)
    assert not np.allclose(mirrored(points), points)


def test_mirrored_landmarks_are_those_of_the_mirrored_face(officer_face: AlignedFace) -> None:
    """Every landmark gets the number of its counterpart: the left eye's corner that of the right one."""
    assert officer_face.points is not None
    found = FacePoints().points(np.ascontiguousarray(officer_face.crop[:, ::-1]))
    away = np.linalg.norm(mirrored(officer_face.points) - found, axis=1)
    assert away.mean() < 2.0
    assert away.max() < 6.0


@pytest.mark.parametrize("number", [0, 7, 39])
def test_mirror_image_is_a_portrait_of_its_own(number: int, few: Portraits) -> None:
    other = number + few.n_pictures
    assert len(few) == 2 * few.n_pictures
    np.testing.assert_array_equal(few.picture(other), few.picture(number)[:, ::-1])
    np.testing.assert_allclose(few.points[other], mirrored(few.points[number]))
    np.testing.assert_allclose(few.light[other].reshape(6, 6), few.light[number].reshape(6, 6)[:, ::-1])
    # Turned to the other side: 0.5 is straight on.
    assert few.pose[other, 0] == pytest.approx(-few.pose[number, 0], abs=1e-6)
    np.testing.assert_array_equal(few.attributes[other], few.attributes[number])


def test_pictures_are_upright_faces_with_their_landmarks(few: Portraits) -> None:
    for number in (0, 21, 45):
        picture = few.picture(number)
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture.dtype == np.uint8
        small = picture.reshape(128, 3, 128, 3, 3).mean(axis=(1, 3)).round().astype(np.uint8)
        assert np.linalg.norm(FacePoints().points(small) - few.points[number], axis=1).mean() < 2.0
        # The map of light is that of the picture.
        np.testing.assert_allclose(light(small), few.light[number], atol=0.12)


def test_shipped_bank_serves_men_women_and_children(bank: Portraits) -> None:
    for male in (True, False):
        assert (bank.male[~bank.child] == male).sum() > 100
        assert (bank.male[bank.child] == male).sum() >= 4


@pytest.mark.parametrize("child", [False, True], ids=["adult", "child"])
@pytest.mark.parametrize("male", [False, True], ids=["female", "male"])
def test_choice_keeps_gender_and_age_group(male: bool, child: bool, bank: Portraits) -> None:
    some = int(np.flatnonzero((bank.male == male) & (bank.child == child))[0])
    for seed in range(20):
        chosen = bank.choose(_looks(bank, some), np.random.default_rng(seed))
        assert len(chosen) == 2
        assert (bank.male[chosen] == male).all()
        assert (bank.child[chosen] == child).all()


def test_choice_takes_what_suits(bank: Portraits) -> None:
    """Turn, light and skin of those that are chosen are much nearer than those of others."""
    for some in np.flatnonzero(~bank.child)[[3, 60, 200]]:
        looks = _looks(bank, some)
        off = bank.mismatch(looks)
        assert off[some] == pytest.approx(0, abs=1e-9)
        chosen = {i for seed in range(10) for i in bank.choose(looks, np.random.default_rng(seed))}
        fit = np.sort(off[np.isfinite(off)])
        # The best of them, two of which are gone for a second one.
        assert max(off[sorted(chosen)]) <= fit[portraits._SUITABLE + 1]
        assert len(fit) > 4 * portraits._SUITABLE


def test_what_suits_better_is_drawn_more_often() -> None:
    """And never always the same one: an attacker could undo the choice."""
    off = np.array([0.0, 0.0, portraits._WORSE, 3 * portraits._WORSE, np.inf, np.inf] * 2)
    drawn = np.bincount([portraits.draw(off, np.random.default_rng(seed), n=1)[0] % 6 for seed in range(600)], minlength=6)
    assert drawn[4] == drawn[5] == 0
    assert min(drawn[:2]) > 180
    assert drawn[2] == pytest.approx(drawn[0] / np.e, rel=0.35)
    assert 0 < drawn[3] < drawn[2] / 3


@pytest.mark.parametrize(("probability", "expected"), [(0.05, {False}), (0.5, {False, True}), (0.95, {True})])
def test_somebody_half_grown_may_get_the_face_of_a_child(probability: float, expected: set[bool], bank: Portraits) -> None:
    some = int(np.flatnonzero(bank.child)[0])
    suits = np.isfinite(bank.mismatch(_looks(bank, some, child=probability)))
    assert set(bank.child[suits].tolist()) == expected


def test_choice_never_gives_a_portrait_or_its_mirror_image_twice(few: Portraits) -> None:
    for seed in range(50):
        chosen = few.choose(_looks(few, seed % 40), np.random.default_rng(seed), n=3)
        assert len({i % few.n_pictures for i in chosen}) == len(chosen)


def test_choice_leaves_what_others_have(few: Portraits) -> None:
    """Until none is left, and then there is none."""
    looks, rng = _looks(few, 5), np.random.default_rng(0)
    like = int((few.male[: few.n_pictures] == few.male[5]).sum())
    taken: list[int] = []
    while chosen := few.choose(looks, rng, taken):
        assert not {i % few.n_pictures for i in chosen} & {i % few.n_pictures for i in taken}
        taken += chosen
    assert len(taken) == int(((few.male == few.male[5]) & (few.child == few.child[5]))[: few.n_pictures].sum())
    assert 0 < len(taken) <= like


def test_last_portrait_is_given_alone(few: Portraits) -> None:
    looks = _looks(few, 5)
    mine = np.flatnonzero(np.isfinite(few.mismatch(looks))[: few.n_pictures]).tolist()
    assert few.choose(looks, np.random.default_rng(0), mine[1:])[0] % few.n_pictures == mine[0]
    assert len(few.choose(looks, np.random.default_rng(0), mine[1:])) == 1


def test_choice_is_that_of_its_seed(bank: Portraits) -> None:
    looks = _looks(bank, 9)
    drawn = [tuple(bank.choose(looks, np.random.default_rng(seed))) for seed in (1, 1, *range(2, 22))]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 10


def test_portrait_that_dlib_takes_for_the_subject_is_not_chosen(bank: Portraits) -> None:
    """There are others that suit, and those lie farther away."""
    for some in (9, 100):
        looks = _looks(bank, some, embedding=bank.embedding[some])
        chosen = {i % bank.n_pictures for seed in range(30) for i in bank.choose(looks, np.random.default_rng(seed))}
        assert some not in chosen


def test_looks_of_a_face_make_the_row_of_a_bank(officer_face: AlignedFace) -> None:
    assert officer_face.points is not None
    attributes, embedding = np.linspace(0, 1, 13), np.full(128, 0.1)
    looks = Looks.of(officer_face.crop, officer_face.points, attributes, embedding, 0.2, 0.1)
    row = looks.row()
    assert row.shape == (189,)
    pictures = {"images": np.zeros(4, np.uint8), "ends": np.array([4]), "points": officer_face.points[None], "looks": row[None]}
    (back,) = [Portraits(pictures, PortraitReader())]
    np.testing.assert_allclose(back.pose[0], looks.pose, atol=1e-5)
    np.testing.assert_allclose(back.light[0], looks.light, atol=1e-5)
    np.testing.assert_allclose(back.skin[0], looks.skin, atol=1e-4)
    np.testing.assert_allclose(back.attributes[0], attributes, atol=1e-6)
    np.testing.assert_allclose(back.embedding[0], embedding, atol=1e-6)
    assert (bool(back.male[0]), bool(back.child[0])) == (False, False)


def _without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {k: v for k, v in arrays.items() if k != name}


def _with(**changed: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {k: change(arrays[k]) for k, change in changed.items()}


def _nan(values: NDArray[Any]) -> NDArray[Any]:
    out = values.copy()
    out.flat[7] = np.nan
    return out


NO_BANKS: dict[str, tuple[Callable[[Arrays], Arrays], str]] = {
    "no pictures": (_without("images"), "expected 'images' in a bank of portraits"),
    "no ends": (_without("ends"), "expected 'ends'"),
    "no landmarks": (_without("points"), "expected 'points'"),
    "no looks": (_without("looks"), "expected 'looks'"),
    "five landmarks": (_with(points=lambda p: p[:, :5]), r"landmarks \(N, 68, 2\)"),
    "another's looks": (_with(looks=lambda x: x[:, :100]), r"looks \(N, 189\)"),
    "one landmark row less": (_with(points=lambda p: p[:-1]), "of N = 4 portraits"),
    "brows of another bank": (_with(brows=lambda b: b[:-1]), r"brows \(4,\)"),
    "embeddings of another bank": (_with(second=lambda b: b[:-1]), r"second embeddings \(4, D\)"),
    "embeddings that are no numbers": (_with(second=_nan), "finite numbers"),
    "brows that are no numbers": (_with(brows=lambda b: b * np.nan), "finite numbers"),
    "nobody": (
        _with(ends=lambda e: e[:0], points=lambda p: p[:0], looks=lambda x: x[:0], brows=lambda b: b[:0], second=lambda b: b[:0]),
        "of N = 0 portraits",
    ),
    "landmarks that are no numbers": (_with(points=_nan), "finite numbers"),
    "looks that are no numbers": (_with(looks=_nan), "finite numbers"),
    "pictures cut short": (_with(images=lambda d: d[:-50]), "rising ends of 4 portraits"),
    "pictures that overlap": (_with(ends=lambda e: e[::-1].copy()), "rising ends"),
    "ends from below": (_with(ends=lambda e: e - e[0]), "rising ends"),
}


def test_brows_as_dark_suit_better(few: Portraits) -> None:
    plain = few.mismatch(_looks(few, 0))
    some = np.isfinite(plain)
    faint, dark = (few.mismatch(_looks(few, 0, brows=by))[some] - plain[some] for by in (0.05, 0.6))
    assert np.corrcoef(few.brows[some], faint)[0, 1] > 0.5
    assert np.corrcoef(few.brows[some], dark)[0, 1] < -0.5


def test_who_is_near_for_either_recogniser_suits_worse(few: Portraits) -> None:
    looks = _looks(few, 0, embedding=few.embedding[0])
    alone = few.unsuited(looks)
    suits = np.flatnonzero(np.isfinite(alone))
    # Whom dlib's network takes for portrait 0, the second one takes for another.
    like = int(suits[1])
    known = replace(looks, second=few.second[like])
    worse = (few.unsuited(known)[suits] - few.mismatch(known)[suits]) - (alone[suits] - few.mismatch(looks)[suits])
    assert worse[1] == pytest.approx(portraits._NEAREST, abs=1)
    assert np.median(worse) < 10
    # An embedding of another network says nothing.
    np.testing.assert_array_equal(few.unsuited(replace(looks, second=few.second[1, :512])), alone)


class _Snapshots(SnapshotReader):
    """Says of every second portrait of a bank, and of its mirror image, that it is posed."""

    def snapshot(self, embeddings: Embeddings) -> NDArray[np.float64]:
        return np.where(np.arange(len(embeddings)) % 2 == 0, -9.0, 9.0)


def test_portraits_that_look_posed_are_drawn_more_seldom(bank_of: Callable[..., Arrays], few: Portraits) -> None:
    told = Portraits(bank_of(range(40)), PortraitReader(snapshots=_Snapshots()))
    looks = _looks(few, 0, embedding=few.embedding[0])
    suits = np.isfinite(few.mismatch(looks))
    off = told.unsuited(looks)[suits] - few.unsuited(looks)[suits] + few._posed()[suits]
    np.testing.assert_allclose(off, np.tile([portraits._POSED * portraits._MOST_POSED, 0.0], 40)[suits], atol=1e-6)


def test_shipped_portraits_look_posed_to_different_degrees(bank: Portraits) -> None:
    assert np.ptp(np.quantile(bank._posed(), (0.1, 0.9))) > portraits._POSED


def test_bank_that_no_second_recogniser_saw_has_nothing_posed(bank_of: Callable[..., Arrays]) -> None:
    assert not Portraits(_without("second")(bank_of(range(40))), PortraitReader())._posed().any()


def test_older_banks_are_taken(bank_of: Callable[..., Arrays], few: Portraits) -> None:
    older = Portraits(_without("second")(bank_of(range(40))), PortraitReader())
    looks = _looks(few, 0, embedding=few.embedding[0])
    np.testing.assert_allclose(older.unsuited(replace(looks, second=few.second[1])), few.unsuited(looks) - few._posed(), rtol=1e-9)


def _wanted(years: NDArray[np.float64]) -> float:
    """How old a portrait is to be for somebody as old as the first one."""
    return float(np.clip((years[0] - portraits._LOOKS_OLDER) / portraits._LOOKS_AS, years.min(), years.max()))


def test_ages_and_origins_are_compared_by_what_is_known_of_both(bank_of: Callable[..., Arrays], few: Portraits) -> None:
    older = Portraits(_without("second")(bank_of(range(40))), PortraitReader())
    looks = _looks(few, 0, embedding=few.embedding[0])
    assert not np.allclose(older.years, few.years)
    by_one, by_both = (np.abs(years - _wanted(years)) for years in (older.years, few.years))
    alone = few.mismatch(looks)
    suits = np.isfinite(alone)
    change = few.mismatch(replace(looks, second=few.second[0]))[suits] - alone[suits]
    apart = [np.abs(bank.origins - bank.origins[0]).sum(axis=1) / 2 for bank in (older, few)]
    wanted = [
        np.minimum(off[suits] / portraits._YEARS, portraits._MOST_YEARS) + portraits._ORIGIN * away[suits]
        for off, away in zip((by_one, by_both), apart, strict=True)
    ]
    np.testing.assert_allclose(change, wanted[1] - wanted[0], atol=1e-3)


def test_bank_without_brows_is_taken(bank_of: Callable[..., Arrays], few: Portraits) -> None:
    older = Portraits(_without("brows")(bank_of(range(40))), PortraitReader())
    np.testing.assert_array_equal(older.mismatch(_looks(few, 0, brows=30.0)), few.mismatch(_looks(few, 0)))


@pytest.mark.parametrize(("spoil", "message"), NO_BANKS.values(), ids=NO_BANKS.keys())
def test_what_is_no_bank_is_refused(spoil: Callable[[Arrays], Arrays], message: str, bank_of: Callable[..., Arrays]) -> None:
    with pytest.raises(WeightsFormatError, match=message):
        Portraits(spoil(bank_of([0, 1, 2, 3])), PortraitReader())


@pytest.mark.parametrize("number", [1, 5], ids=["picture", "mirror image"])
def test_damaged_picture_is_named(number: int, bank_of: Callable[..., Arrays]) -> None:
    arrays = bank_of([0, 1, 2, 3])
    arrays["images"] = arrays["images"].copy()
    arrays["images"][arrays["ends"][0] : arrays["ends"][0] + 40] = 0
    bank = Portraits(arrays, PortraitReader())
    assert bank.picture(0).shape == (SIDE, SIDE, 3)
    with pytest.raises(WeightsFormatError, match="portrait 1 of the bank is damaged"):
        bank.picture(number)


def test_picture_of_another_size_is_named(bank_of: Callable[..., Arrays], monkeypatch: pytest.MonkeyPatch) -> None:
    bank = Portraits(bank_of([0, 1]), PortraitReader())
    monkeypatch.setattr(portraits, "SIDE", 256)
    with pytest.raises(WeightsFormatError, match="expected portrait 0 of the bank to be 256 x 256, got 384 x 384"):
        bank.picture(0)


def test_own_file_comes_back(bank_of: Callable[..., Arrays], tmp_path: Path) -> None:
    arrays = bank_of([4, 9, 11])
    save_file(arrays, tmp_path / "own.safetensors")
    back = weights.read_bank(tmp_path / "own.safetensors")
    assert set(back) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == values.dtype


NO_FILES: dict[str, tuple[bytes | None, type[WeightsError], str]] = {
    "missing": (None, WeightsMissingError, r"cannot read .*own\.safetensors: No such file"),
    "empty": (b"", WeightsFormatError, r"own\.safetensors is no bank of portraits.*deid portraits build"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), WeightsFormatError, r"own\.safetensors is no bank of portraits"),
}


@pytest.mark.parametrize(("content", "error", "message"), NO_FILES.values(), ids=NO_FILES.keys())
def test_own_file_that_is_none_is_named(content: bytes | None, error: type[WeightsError], message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        weights.read_bank(path)


def test_shipped_bank_that_was_altered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("manifest.toml", "portraits.safetensors"):
        shutil.copy(weights.folder() / name, tmp_path / name)
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    path = tmp_path / "portraits.safetensors"
    assert weights.read_bank()["points"].shape[1:] == (68, 2)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsHashError, match=r"portraits\.safetensors has sha256 .*altered"):
        weights.read_bank()
    path.unlink()
    with pytest.raises(WeightsMissingError, match=r"portraits\.safetensors.*install deid-face again"):
        weights.read_bank()


def test_attributes_have_the_usual_order(bank: Portraits) -> None:
    """Portraits that the classifier takes for men are those of the gender reader."""
    agree = (bank.attributes[:, ATTRIBUTES.index("Male")] > 0.5) == bank.male
    assert agree.mean() > 0.9


def test_old_faces_get_old_portraits_and_young_ones_young(bank: Portraits) -> None:
    """The middle of a new face is as old as the neck and the hair around it."""
    adults = np.flatnonzero(~bank.child)
    by_age = adults[np.argsort(bank.years[adults])]
    ages = []
    for some in (*by_age[:8], *by_age[-8:]):
        looks = _looks(bank, int(some), embedding=_another(bank, int(some)))
        chosen = [i for seed in range(10) for i in bank.choose(looks, np.random.default_rng(seed))]
        ages.append(bank.years[chosen].mean())
    assert np.mean(np.array(ages[8:]) > max(ages[:8])) > 0.7
    assert np.mean(ages[8:]) > np.mean(ages[:8]) + 15


def test_skin_decides_more_than_a_beard(bank: Portraits) -> None:
    """A pale man with a beard gets no dark portrait."""
    beard = ATTRIBUTES.index("No_Beard")
    pale = np.flatnonzero(bank.male & ~bank.child & (bank.skin[:, 0] > 165))[0]
    attributes = bank.attributes[pale].copy()
    attributes[beard] = 0.02
    looks = _looks(bank, int(pale), attributes=attributes)
    chosen = [i for seed in range(30) for i in bank.choose(looks, np.random.default_rng(seed))]
    assert bank.skin[chosen, 0].min() > 115
    assert bank.skin[chosen, 0].mean() > 145


@pytest.mark.parametrize(("doubtful", "sure"), [(0.4, 0.02), (0.75, 0.98)])
def test_who_may_well_have_a_beard_has_one(doubtful: float, sure: float, bank: Portraits) -> None:
    """Moustaches and stubble, of which the classifier is not sure, met a shaved face half of the time."""
    man, off = int(np.flatnonzero(bank.male & ~bank.child)[0]), list[NDArray[Any]]()
    for no_beard in (doubtful, sure):
        attributes = bank.attributes[man].copy()
        attributes[ATTRIBUTES.index("No_Beard")] = no_beard
        found = bank.mismatch(_looks(bank, man, attributes=attributes))
        off.append(found[np.isfinite(found)])
    assert np.abs(off[0] - off[1]).max() < 4


def _another(bank: Portraits, number: int) -> NDArray[Any]:
    """The embedding of somebody who is of one sort with a portrait, and farther from all of them than its own picture is."""
    else_where = np.random.default_rng(number).standard_normal(128)
    mixed = bank.embedding[number] + 0.4 * else_where / np.linalg.norm(else_where)
    return np.asarray(mixed / np.linalg.norm(mixed))


def _chosen(bank: Portraits, looks: Looks) -> list[int]:
    return [i for seed in range(10) for i in bank.choose(looks, np.random.default_rng(seed))]


def test_grave_faces_get_fewer_smiles(bank: Portraits) -> None:
    """Somebody who is like a portrait in all but the mouth gets others than one who smiles."""
    adults = np.flatnonzero(~bank.child)
    grave, smiling = adults[bank.smile[adults] < 0.1][:12], adults[bank.smile[adults] > 0.9][:12]
    assert len(grave) == len(smiling) == 12
    means = [
        np.mean([bank.smile[_chosen(bank, _looks(bank, int(i), points=bank.points[i]))].mean() for i in some]) for some in (grave, smiling)
    ]
    assert means[0] < 0.4 < 0.85 < means[1]


def test_landmarks_of_nobody_tell_no_smile_and_no_jaw(bank: Portraits) -> None:
    some = int(np.flatnonzero(bank.smile < 0.1)[0])
    off, known = bank.mismatch(_looks(bank, some)), bank.mismatch(_looks(bank, some, points=bank.points[some]))
    own = np.isfinite(off)
    apart = portraits._jaws(bank.points, bank.points[some])
    jaws = np.maximum(apart - portraits._JAW, 0) / portraits._BENT + portraits._FAR_BENT * np.maximum(apart - portraits._MOST_BENT, 0)
    np.testing.assert_allclose(known[own] - off[own], (portraits._SMILE * np.abs(bank.smile - bank.smile[some]) + jaws)[own], atol=1e-9)


def test_jaws_are_measured_where_the_features_lie_on_the_faces(bank: Portraits) -> None:
    """Place, size and tilt of a face do not count; a wider jaw does."""
    some, angle = bank.points[5], np.deg2rad(20)
    turned = 0.8 * some @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + (9, -4)
    assert portraits._jaws(bank.points, turned)[5] < 1e-6
    assert np.median(portraits._jaws(bank.points, turned)) > 2
    wide = some.copy()
    wide[:17, 0] += np.where(np.arange(17) < 8, -6, 6) * (np.arange(17) != 8)
    assert portraits._jaws(bank.points, wide)[5] == pytest.approx(6 * np.sqrt(16 / 17))


def test_turned_heads_get_portraits_that_need_not_be_bent(bank: Portraits) -> None:
    """A portrait that looks ahead is refused there, after all has been made."""
    aside = np.argsort(-np.abs(bank.pose[: bank.n_pictures, 0]))[:10]
    apart = []
    for some in aside:
        looks = _looks(bank, int(some), points=bank.points[some])
        own = {int(some), int(some) + bank.n_pictures}
        chosen = [i for seed in range(10) for i in bank.choose(looks, np.random.default_rng(seed), own, n=1)]
        apart.append(portraits._jaws(bank.points, bank.points[some])[chosen].mean())
    assert np.mean(np.array(apart) < portraits._MOST_BENT) > 0.7


@pytest.mark.parametrize("kind", range(4), ids=["White", "Black", "Asian", "Indian"])
def test_people_get_portraits_of_their_origin(kind: int, bank: Portraits, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the light of somebody else's photo, for the cheeks' colour is also the light's."""
    sure = np.flatnonzero(~bank.child & (bank.origins[:, kind] > 0.8))[:10]
    other = int(np.flatnonzero(bank.origins[:, kind] < 0.1)[0])
    shares = []
    for weight in (portraits._ORIGIN, 0.0):
        monkeypatch.setattr(portraits, "_ORIGIN", weight)
        looks = [_looks(bank, int(i), embedding=_another(bank, int(i)), skin=bank.skin[other]) for i in sure]
        shares.append(np.mean([bank.origins[_chosen(bank, some), kind].mean() for some in looks]))
    assert shares[0] > 1.3 * shares[1]
    assert shares[0] > 1.5 * bank.origins[~bank.child, kind].mean() or shares[0] > 0.8


class _OneOrigin(PortraitReader):
    def origins(self, embeddings: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
        return np.tile([1.0, 0.0], (len(embeddings), 1))


def test_reader_can_be_given(bank_of: Callable[..., Arrays]) -> None:
    bank = Portraits(bank_of(range(6)), _OneOrigin())
    bank.preload()
    assert bank.origins.shape == (12, 2)
