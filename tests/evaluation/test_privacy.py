"""The lines of the report on made-up people: a method that does nothing fails each, a solid cover passes each."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from deid.check.recognition import embed, fix_thresholds
from deid.check.states import states
from deid.core.protocols import Embedder
from evaluation.coverage import coverage
from evaluation.faces import Face
from evaluation.privacy import groups_of, privacy
from evaluation.results import Measure

N = 40


def _faces(make_face: Callable[..., Face], after: NDArray[np.uint8] | None = None, **changes: object) -> list[Face]:
    return [make_face(seed, photo, after, **changes) for seed in range(N) for photo in range(2)]


def _judged(faces: list[Face], recogniser: Embedder) -> list[Measure]:
    found = embed(recogniser, faces)
    lines = privacy(faces, found, 0)[0] + coverage(faces, states(faces, [found]), 0)
    return [m for m in lines if m.passed is not None]


def test_a_method_that_does_nothing_fails_every_line(make_face: Callable[..., Face], recogniser: Embedder) -> None:
    lines = _judged(_faces(make_face), recogniser)
    assert len({m.name for m in lines}) >= 12
    assert [m.name for m in lines if m.passed] == []


def test_a_solid_cover_passes_every_line(make_face: Callable[..., Face], recogniser: Embedder) -> None:
    lines = _judged(_faces(make_face, np.zeros((128, 128, 3), np.uint8), found_after=False), recogniser)
    assert [m.name for m in lines if not m.passed] == []
    rank = next(m for m in lines if m.name == "rank 1, another photo")
    assert rank.value == pytest.approx(1 / N)
    assert rank.control == 1.0


def test_chance_lies_in_the_interval_of_a_solid_cover(make_face: Callable[..., Face], recogniser: Embedder) -> None:
    lines = _judged(_faces(make_face, np.zeros((128, 128, 3), np.uint8)), recogniser)
    for m in (m for m in lines if m.name.startswith("rank") and m.group == "all"):
        assert m.chance is not None
        assert m.low <= m.chance + 1e-9 <= m.high + 2e-9, m


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({"change": 0.4}, "unchanged", id="as it was"),
        pytest.param({"change": 9.0, "found_after": True}, "recognised", id="still the person"),
        pytest.param({"change": 9.0, "found_after": False}, "recognised", id="the person, but no detector sees it"),
        pytest.param({"change": 9.0, "crop_after": None, "found_after": True}, "edited", id="another face"),
        pytest.param({"change": 9.0, "crop_after": None, "found_after": False}, "covered", id="no face"),
        pytest.param({"change": 0.0, "has_output": False}, "missing", id="no output"),
    ],
)
def test_states(
    make_face: Callable[..., Face],
    make_person: Callable[..., NDArray[np.uint8]],
    recogniser: Embedder,
    changes: dict[str, object],
    state: str,
) -> None:
    changes = {k: make_person(999, 0) if v is None else v for k, v in changes.items()}
    faces = [*_faces(make_face), make_face(500, 0, **changes)]
    assert states(faces, [embed(recogniser, faces)])[-1] == state


def test_states_add_up_to_all_faces(make_face: Callable[..., Face], recogniser: Embedder) -> None:
    faces = [dataclasses.replace(f, has_output=i % 3 > 0) for i, f in enumerate(_faces(make_face))]
    lines = coverage(faces, states(faces, [embed(recogniser, faces)]), 0)
    assert sum(m.value for m in lines if m.name not in {"exposed"} and m.group == "all") == pytest.approx(1.0)


def test_a_face_that_only_its_surroundings_give_away_is_not_recognised(make_face: Callable[..., Face], recogniser: Embedder) -> None:
    faces = _faces(make_face)
    blank = dataclasses.replace(faces[0], crop_after=faces[0].crop_covered, change=50.0)
    found = embed(recogniser, [blank, *faces[1:]])
    assert not found.recognised[0]
    assert found.recognised[1:].all()


def test_thresholds_come_from_untouched_strangers() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found, note = fix_thresholds(rows.astype(np.float32), [str(i) for i in range(100)], 0.4)
    assert sorted(found) == [1e-3, 1e-2]
    assert "4950 pairs" in note
    few, note = fix_thresholds(rows[:3].astype(np.float32), ["a", "b", "c"], 0.4)
    assert few == {1e-3: pytest.approx(0.92)}
    assert "own" in note


def test_groups_cover_all_faces_once(make_face: Callable[..., Face]) -> None:
    faces = [make_face(i, 0, size_px=size) for i, size in enumerate((10.0, 40.0, 100.0, 300.0))]
    groups = groups_of(faces)
    sizes = [name for name in groups if "px" in name]
    assert np.sum([groups[name] for name in sizes], axis=0).tolist() == [1, 1, 1, 1]
    assert groups["male"].sum() + groups["female"].sum() == 4


def test_one_face_is_measured_without_a_search(make_face: Callable[..., Face], recogniser: Embedder) -> None:
    faces = [make_face(1, 0)]
    lines, curves = privacy(faces, embed(recogniser, faces), 0)
    assert {m.name for m in lines} == {"distance before to after", "not recognised"}
    assert curves == []
