"""The study of the generator: every helper on cases with a known answer, and the whole of it on a few faces."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError, WeightsFormatError, WeightsMissingError
from deid.core.types import AlignedFace, Crops, Embeddings
from deid.editing.attgan import AttganEditor
from deid.editing.portraits import Portraits
from deid.editing.sampler import SET_SIZE, portraits_of, sample_sets
from deid.landmarks.face_points import FacePoints
from deid.models.attgan import Generator
from deid.recognition.linear import PortraitReader
from evaluation import datasets
from evaluation.studies import edits, generator, lineup, second_opinion
from evaluation.studies.edits import Subjects
from evaluation.studies.judges import Judges, Quantity, Seen, changes, lines, paired_iou, shape_error
from evaluation.studies.options import StudyOptions
from evaluation.studies.populations import rank_one_lines, realism_lines, search, stranger_distances
from evaluation.studies.second_opinion import Lesson, SecondOpinion

_MALE = ATTRIBUTES.index("Male")


def noise(n: int, seed: int = 0) -> Crops:
    return np.random.default_rng(seed).integers(0, 256, (n, 128, 128, 3)).astype(np.uint8)


def small_generator(seed: int = 0, ranks: tuple[int, ...] = (), shortcuts: int = 1) -> Generator:
    torch.manual_seed(seed)
    network = Generator(4, ranks=ranks, shortcuts=shortcuts).eval().requires_grad_(False)
    for layer in network.dec_layers:
        # Weights as torch draws them give grey crops, whatever is asked for.
        layer.get_parameter("layers.0.weight").mul_(3.0)
    return network


def test_psnr_of_a_tenth_of_the_range_is_20_db() -> None:
    dark = np.zeros((2, 10, 10, 3), np.uint8)
    other = dark.copy()
    other[1, :, :] = 255
    other[1, 1:] = 0
    assert edits.psnr(dark, other).tolist() == [np.inf, pytest.approx(10.0)]
    assert edits.psnr(dark[:1], dark[:1] + np.uint8(51))[0] == pytest.approx(20 * np.log10(5))


def test_the_sheet_shows_each_face_with_its_edits() -> None:
    columns = [np.full((3, 4, 4, 3), value, np.uint8) + np.arange(3, dtype=np.uint8)[:, None, None, None] for value in (10, 20, 30)]
    picture = edits.sheet(columns, across=2)
    assert picture.shape == (2 * (4 + 8), 2 * (12 + 8), 3)
    assert picture[4:8, 4:16].reshape(4, 3, 4, 3)[:, :, 0, 0].tolist() == [[10, 20, 30]] * 4
    assert (picture[16:20, 4:8] == 12).all()
    assert (picture[12:, 20:] == 255).all()


@pytest.mark.parametrize("shortcuts", [1, 3])
def test_two_single_passes_are_the_products_change(shortcuts: int) -> None:
    """As far as whole grey levels between the passes let them be."""
    network = small_generator(shortcuts=shortcuts)
    crops, sets, nothing = noise(3), sample_sets(True, 3, np.random.default_rng(0)), np.zeros((3, 13), np.float32)
    changes = AttganEditor(network=network).changes(crops, sets)

    def both(request: NDArray[np.float32], then: NDArray[np.float32]) -> NDArray[np.int_]:
        return edits.one_pass(network, edits.one_pass(network, crops, request), then).astype(int)

    assert np.abs(changes - (both(sets, -sets) - both(nothing, nothing))).max() <= 4
    assert np.abs(changes - (both(sets, sets) - both(nothing, nothing))).max() > 4


def subjects_of(*faces: AlignedFace) -> Subjects:
    crops = np.stack([face.crop for face in faces])
    return edits.subjects(crops, [str(i) for i in range(len(crops))], FacePoints())


def test_each_face_gets_portraits_that_suit_it(officer_face: AlignedFace, woman_face: AlignedFace, bank: Portraits) -> None:
    faces = subjects_of(officer_face, woman_face)
    rows = edits.draw_rows(faces, bank, np.random.default_rng(0))
    assert rows.shape == (2, SET_SIZE)
    for male, row in zip(faces.male, rows, strict=True):
        assert row[_MALE] * (1 if male else -1) < 0
        assert all(bank.male[i] == male for i in portraits_of(row)[0])
    assert (edits.draw_rows(faces, bank, np.random.default_rng(0)) == rows).all()


def test_a_face_that_no_portrait_suits_is_told(
    officer_face: AlignedFace, woman_face: AlignedFace, bank: Portraits, bank_of: Callable[[Sequence[int]], dict[str, NDArray[Any]]]
) -> None:
    faces = subjects_of(officer_face)
    of_others = np.flatnonzero((bank.male != faces.male[0])[: bank.n_pictures])[:3]
    with pytest.raises(DataError, match="expected a portrait"):
        edits.draw_rows(faces, Portraits(bank_of(of_others.tolist()), PortraitReader()), np.random.default_rng(0))


def test_proposals_are_the_products_and_show_inside_the_mask_only(officer_face: AlignedFace, bank: Portraits) -> None:
    faces = subjects_of(officer_face)
    level = edits.first_level(small_generator())
    made = edits.proposals(level, faces, edits.draw_rows(faces, bank, np.random.default_rng(0)))
    shown, mask = edits.blended(made)[0], made[0].mask
    assert edits.crops_of(made).shape == (1, 128, 128, 3)
    assert made[0].edited.stand_in is not None
    assert (shown[mask == 0] == faces.crops[0][mask == 0]).all()
    assert np.abs(shown[mask > 0.9].astype(int) - faces.crops[0][mask > 0.9]).mean() > 5


def test_one_attribute_changes_sides() -> None:
    labels = np.array([[1.0] * 13, [-1.0] * 13], np.float32)
    nothing, one = edits.request(labels), edits.request(labels, 4)
    assert (nothing == 0).all()
    assert (one != nothing).sum(axis=0).tolist() == [0] * 4 + [2] + [0] * 8
    assert one[:, 4].tolist() == [-1.0, 1.0]
    assert labels[0, 4] == 1.0


@pytest.mark.parametrize(("ranks", "shortcuts"), [((), 1), ((), 4), ((20, 30), 1), ((20, 30, 8, 4), 3), ((20,), 2)])
def test_a_generator_file_tells_its_own_shape(ranks: tuple[int, ...], shortcuts: int, tmp_path: Path) -> None:
    network = small_generator(3, ranks, shortcuts)
    path = tmp_path / "candidate.safetensors"
    save_file({k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}, path)
    read = edits.load_generator(path)
    assert (read.width, read.ranks, read.shortcuts) == (4, ranks, shortcuts)
    labels = np.ones((2, len(ATTRIBUTES)), np.float32)
    difference = edits.one_pass(read, noise(2), labels).astype(int) - edits.one_pass(network, noise(2), labels)
    assert np.abs(difference).max() <= 2


def test_another_file_is_no_generator(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="cannot read"):
        edits.load_generator(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(WeightsFormatError, match="expected the tensors of a generator"):
        edits.load_generator(path)
    path.write_bytes(b"no tensors at all")
    with pytest.raises(WeightsFormatError, match="expected the tensors of a generator"):
        edits.load_generator(path)


def test_boxes_overlap_in_pairs() -> None:
    nothing = [np.nan] * 4
    a = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], nothing, [0, 0, 1, 1]])
    b = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 1, 1], nothing])
    assert paired_iou(a, b).tolist() == [1.0, 0.5, 0.0, 0.0]


def test_a_shift_by_the_eyes_distance_is_an_error_of_one() -> None:
    before = np.zeros((2, 68, 2))
    before[:, 36:42] = (40.0, 50.0)
    before[:, 42:48] = (70.0, 50.0)
    after = before.copy()
    after[1, :, 0] += 30.0
    assert shape_error(before, after).tolist() == [0.0, 1.0]


def seen(seed: int, boxes: NDArray[np.float64]) -> Seen:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(len(boxes), 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    five = np.where(np.isnan(boxes[:, :1, None]), np.nan, rng.uniform(30, 90, (len(boxes), 5, 2)))
    shape, male, realism = rng.uniform(20, 100, (len(boxes), 68, 2)), rng.random(len(boxes)) > 0.5, rng.random(len(boxes))
    return Seen({"patch": rows}, boxes, five, shape, male, realism)


class _Blind:
    name = "blind"


def judged(before: Seen, after: Seen, recogniser: object) -> dict[str, list[float]]:
    judges = Judges([recogniser], _Blind(), None, None, None)  # type: ignore[list-item, arg-type]
    return {q.name: q.values.tolist() for q in changes(before, after, judges)}


def test_an_edit_that_does_nothing_fails_and_keeps_everything(recogniser: object) -> None:
    before = seen(0, np.tile([20.0, 20, 100, 100], (3, 1)))
    found = judged(before, before, recogniser)
    assert found["over the threshold"] == found["over the threshold and re-detected"] == found["distance before to after"] == [0, 0, 0]
    assert found["re-detected"] == found["IoU with the box before"] == found["gender kept"] == [1, 1, 1]
    assert found["landmark error, 5 points"] == found["landmark error, 68 points"] == [0, 0, 0]


def test_a_lost_face_counts_and_an_unknown_one_does_not(recogniser: object) -> None:
    before = seen(0, np.array([[20.0, 20, 100, 100], [20, 20, 100, 100], [np.nan] * 4]))
    after = seen(1, np.array([[np.nan] * 4, [20, 20, 100, 100], [20, 20, 100, 100]]))
    found = judged(before, after, recogniser)
    assert found["over the threshold"] == [1, 1, 1]
    assert found["over the threshold and re-detected"][:2] == found["re-detected"][:2] == [0, 1]
    assert np.isnan([found["re-detected"][2], found["IoU with the box before"][0], found["landmark error, 5 points"][0]]).all()


def test_lines_leave_out_what_was_not_measured() -> None:
    groups = lineup.groups_of([["old", "male"], ["old", ""], ["young", "male"]])
    assert {name: mask.tolist() for name, mask in groups.items()} == {
        "all": [True] * 3,
        "male": [True, False, True],
        "old": [True, True, False],
        "young": [False, False, True],
    }
    found = lines("s", [Quantity("q", np.array([1.0, np.nan, 0.0]), "higher", True)], ["a", "b", "c"], groups, 0)
    assert [(m.group, m.value, m.n) for m in found] == [("all", 0.5, 2), ("male", 0.5, 2), ("old", 1.0, 1), ("young", 0.0, 1)]


def test_half_the_overlap_is_a_change_of_minus_50_percent() -> None:
    nothing = [np.nan] * 4
    reference = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], nothing])
    before = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 1, 1]])
    after = np.array([[0.0, 0, 10, 5], nothing, [0, 0, 1, 1]])
    values = generator.iou_change(reference, before, after).values
    assert values[0] == pytest.approx(-0.5)
    assert np.isnan(values[1:]).all()


def test_flips_tell_what_changed_from_what_was_there() -> None:
    wanted = np.array([[True], [True], [False], [False]])
    before = np.array([[True], [False], [True], [True]])
    after = np.array([[True], [True], [False], [True]])
    found = {q.name: q.values for q in generator.flips(["Bangs"], before, after, wanted)}
    assert found["Bangs: wanted side seen"].tolist() == [1, 1, 1, 0]
    assert found["Bangs: changed"][1:].tolist() == [1, 1, 0]
    assert np.isnan(found["Bangs: changed"][0])
    assert found["mean of 1 attributes: wanted side seen"].mean() == 0.75
    assert found["mean of 1 attributes: wanted side seen before"].mean() == 0.25


def test_strangers_are_of_one_gender() -> None:
    rows = np.eye(4, dtype=np.float32)
    gaps, first = stranger_distances(rows, [True, True, False, False])
    assert gaps.tolist() == pytest.approx([np.sqrt(2)] * 2)
    assert first.tolist() == [0, 2]


def test_rank_one_is_all_for_the_same_photos_and_chance_for_equal_ones() -> None:
    people, groups = ["a", "b", "c", "d"], {"all": np.ones(4, bool), "none": np.zeros(4, bool)}
    rows = np.eye(4, dtype=np.float32)
    same: Embeddings = np.ones((4, 4), np.float32) / 2
    for probes, rate in ((rows, 1.0), (same, 0.25)):
        trial, control = (search(p, rows, np.arange(4), people) for p in (probes, rows))
        (line,) = rank_one_lines("s", trial, control, "patch", groups, 0)
        assert line.value == pytest.approx(rate)
        assert line.name == "rank 1, gallery of 4"
        assert line.chance == pytest.approx(0.25, abs=0.05)
        assert line.control == 1.0


def test_realism_is_told_beside_the_mosaic() -> None:
    rng = np.random.default_rng(0)
    real, sets = rng.normal(size=(400, 4)), {"like": rng.normal(size=(200, 4)), "far": rng.normal(3.0, 1.0, (200, 4))}
    found = {m.name: m for m in realism_lines(real, sets, "far", "features", 0)}
    assert abs(found["KID x 1000, like"].value) < 0.05 * found["KID x 1000, far"].value
    assert found["KID x 1000, far"].low < found["KID x 1000, far"].value < found["KID x 1000, far"].high
    ratio = found["KID, like, as a share of far"].value
    assert ratio == pytest.approx(found["KID x 1000, like"].value / found["KID x 1000, far"].value)


@pytest.mark.parametrize(
    ("age", "group"), [(0, "0-12"), (12, "0-12"), (13, "13-19"), (39, "20-39"), (60, "60 and over"), (110, "60 and over")]
)
def test_ages_have_groups(age: int, group: str) -> None:
    assert lineup.age_group(age) == group


def test_kinds_are_drawn_evenly_as_far_as_they_go() -> None:
    kinds = ["a"] * 50 + ["b"] * 20 + ["c"] * 2
    chosen = lineup.evenly(kinds, 20, np.random.default_rng(0))
    assert len(set(chosen)) == 20
    assert Counter(kinds[i] for i in chosen) == {"a": 9, "b": 9, "c": 2}


def test_gender_is_right_only_where_it_is_labelled() -> None:
    values = second_opinion.right_gender(np.array([True, True, False]), ["male", "female", ""])
    assert values[:2].tolist() == [1.0, 0.0]
    assert np.isnan(values[2])


def opinion_of(answers: NDArray[np.float32]) -> SecondOpinion:
    """One that gives these answers (N, 13), whatever it is shown."""
    plain = np.zeros(13, np.float32)
    return SecondOpinion(lambda crops: answers, plain, plain + 1, np.eye(13, dtype=np.float32), plain)


def test_a_constant_answer_is_half_right() -> None:
    rng = np.random.default_rng(0)
    signs = np.where(rng.random((40, 13)) < 0.2, 1.0, -1.0).astype(np.float32)
    signs[0], signs[1], signs[:, 2] = 1.0, -1.0, 0.0
    exam = Lesson(noise(1), signs, tuple(f"p{i // 2}" for i in range(40)))
    for answers, value in ((-np.ones_like(signs), 0.5), (signs, 1.0)):
        found = second_opinion.accuracy_lines(opinion_of(answers), exam, 0)
        assert len(found) == 13
        assert {m.value for m in found} == {value}


def test_a_second_opinion_learns_and_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 40, (60, 128, 128, 3)).astype(np.uint8)
    signs = np.zeros((60, 13), np.float32)
    signs[:, _MALE], signs[:, 0] = [1.0] * 6 + [-1.0] * 54, 1.0
    crops[:6, :, :, 0] += 40

    def look(crops: Crops) -> NDArray[np.float32]:
        return crops.mean(axis=(1, 2)).astype(np.float32)

    opinion = second_opinion.learn(look, Lesson(crops, signs, ("p",) * 60))
    assert opinion.male(crops).tolist() == [True] * 6 + [False] * 54
    assert opinion.sees(crops)[:, 0].all()
    assert not opinion.sees(crops)[:, 1].any()
    # Both sides weigh alike: the middle is half way between their means, though nine in ten are women.
    means = np.stack([look(crops[:6]).mean(axis=0), look(crops[6:]).mean(axis=0)])
    men, women = (((means - opinion.mean) / opinion.scale) @ opinion.weights[_MALE] + opinion.bias[_MALE]).tolist()
    assert men == pytest.approx(-women, rel=0.1)
    second_opinion.write(opinion, tmp_path / "kept" / "opinion.safetensors")
    again = second_opinion.read(tmp_path / "kept" / "opinion.safetensors", look)
    assert (again.sees(crops) == opinion.sees(crops)).all()


def test_lessons_are_joined_and_unknown_genders_stay_unknown() -> None:
    photos = [datasets.Photo(f"{g}.jpg", g, g, bytes) for g in ("male", "female", "")]
    lesson = second_opinion.gender_lesson(photos, noise(3))
    assert lesson.signs[:, _MALE].tolist() == [1.0, -1.0, 0.0]
    assert (np.delete(lesson.signs, _MALE, axis=1) == 0).all()
    both = second_opinion.joined(lesson, lesson)
    assert (len(both.crops), both.signs.shape, len(both.people)) == (6, (6, 13), 6)


def test_two_passes_of_candidates_are_timed(officer_face: AlignedFace, bank: Portraits) -> None:
    faces = subjects_of(officer_face)
    rows = np.repeat(edits.draw_rows(faces, bank, np.random.default_rng(0)), 2, axis=0)
    times = edits.seconds(edits.first_level(small_generator()), faces, rows, repeats=3)
    assert len(times) == 3
    assert min(times) > 0


def test_utkface_names_are_read(lfw_data: Path) -> None:
    every = datasets.utkface()
    assert len(every) > 1000
    assert {photo.gender for photo, _, _ in every} == {"male", "female"}
    assert {skin for _, _, skin in every} == {"White", "Black", "Asian", "Indian", "other"}
    assert all(0 < age < 120 for _, age, _ in every)


def test_the_whole_study_on_a_few_faces(lfw_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = datasets.celeba()[:240]
    monkeypatch.setattr(second_opinion, "celeba", lambda: some)
    monkeypatch.setattr(lineup, "_OTHERS", 5)
    monkeypatch.setattr(generator, "_PORTRAITS", 5)
    monkeypatch.setattr(generator, "_CANDIDATES", 2)
    candidate = tmp_path / "candidate.safetensors"
    save_file(small_generator().state_dict(), candidate)
    results = generator.generator(StudyOptions(people=4, folder=tmp_path / "out", weights=candidate))
    files = {p.name for p in (tmp_path / "out").iterdir()}
    assert files == {"sheet.png", "sheet-crops.png", "second-opinion-4-0.safetensors"}
    sections = Counter(m.section for m in results.measures)
    kinds = {f"two passes, {kind}" for kind in ("crop", "blended")}
    rest = {"second opinion", "untouched", "reconstruction", "attributes", "realism", "diversity", "speed", "UTKFace, two passes, blended"}
    assert set(sections) == kinds | rest
    assert all(m.n > 0 and np.isfinite(m.value) for m in results.measures)
    assert results.find("rank 1, gallery of 9", section="untouched").n == 4
    # Whatever the network adds, a portrait is a face.
    assert results.find("re-detected", section="two passes, crop").value > 0
    assert results.find("found in the crop", section="untouched").value == 1
    assert results.settings["width and shortcuts"] == "4 and 1"
