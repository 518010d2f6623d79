"""Portraits of nobody in whole pictures: nobody shares one, and who gets none is covered."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from deid.anonymizer import fallback
from deid.anonymizer.engine import Anonymizer
from deid.anonymizer.models import Models
from deid.anonymizer.request import Request
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import WeightsError
from deid.core.options import Options
from deid.core.types import AlignedFace, Detection, EditedFace, Image, StandIn
from deid.editing.attgan import AttganEditor, FaceAttganEditor
from deid.editing.portraits import Portraits
from deid.editing.sampler import portraits_of
from deid.imaging import geometry
from deid.imaging.alignment import align
from deid.landmarks.face_points import FacePoints
from deid.recognition import build_embedder
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import AgeReader, PortraitReader
from tests.anonymizer.sharing import shared_with

Arrays = dict[str, NDArray[Any]]


class _Ages(AgeReader):
    """Remembers what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[NDArray[np.float32], NDArray[np.float32] | None]] = []

    def child(self, embeddings: NDArray[np.float32], second: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        self.read.append((embeddings, second))
        return super().child(embeddings, second)


class _Listening(AttganEditor):
    """Remembers which portraits stand in for whom, and gives every face back as it is."""

    def __init__(self, bank: Portraits, **given: Any) -> None:
        super().__init__(bank=bank, **given)
        self.used: dict[int, set[int]] = {}
        self.rows: list[NDArray[np.float32]] = []

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> list[EditedFace]:
        self.rows.extend(attributes)
        for row in attributes:
            numbers = portraits_of(row)[0]
            self.used.setdefault(id(face.detection), set()).update(i % self.portraits().n_pictures for i in numbers)
        return [EditedFace(face.crop.copy(), self.name, a, strength) for a in attributes]


@pytest.fixture(scope="module")
def with_portraits(attgan_engine: Anonymizer) -> Callable[..., Anonymizer]:
    """An engine with another editor, and the models of the session."""

    def build(editor: AttganEditor, options: Options | None = None) -> Anonymizer:
        options = options or Options(seed=1, quality="fast")
        shared = ("detector", "second_detector", "reader", "gate", "points", "portrait_reader")
        return Anonymizer(models=shared_with(attgan_engine.models, options, *shared, editor=editor))

    return build


def _by_gender(bank: Portraits, male: bool, n: int) -> list[int]:
    """Numbers of adults."""
    fit = (bank.male == male) & ~bank.child
    return [int(i) for i in np.flatnonzero(fit[: bank.n_pictures])[:n]]


def _row_of(hopper: Image, officer: Detection, n: int) -> tuple[Image, list[Detection]]:
    """The officer so many times side by side."""
    place = geometry.box_to_slices(geometry.expand_box(officer.box_xyxy, 1.8), hopper.shape[:2])
    tile = hopper[place]
    back = officer.moved(np.ones(2), -np.array([place[1].start, place[0].start], float))
    faces = [back.moved(np.ones(2), np.array([i * tile.shape[1], 0.0])) for i in range(n)]
    return np.tile(tile, (1, n, 1)), faces


@pytest.mark.parametrize("embedders", [("dlib_resnet", "mobilenet"), ("dlib_resnet",)], ids=["both", "dlib alone"])
def test_children_are_told_by_all_the_recognisers_of_the_gate(
    embedders: tuple[str, ...], bank: Portraits, attgan_engine: Anonymizer, hopper: Image, officer: Detection
) -> None:
    ages, options = _Ages(), Options(seed=1, quality="fast", embedders=embedders)
    own = {"portrait_reader": PortraitReader(ages), "editor": _Listening(bank)}
    models = shared_with(attgan_engine.models, options, "detector", "second_detector", "points", **own)
    Anonymizer(models=models).process(hopper, [officer])
    ((first, second),) = ages.read
    wanted = [build_embedder(name, "cpu").embed(align(hopper, officer).crop[None]) for name in embedders]
    np.testing.assert_allclose(first, wanted[0], atol=1e-4)
    if len(wanted) == 2:
        np.testing.assert_allclose(second, wanted[1], atol=1e-4)
    else:
        assert second is None


@pytest.mark.parametrize("n_portraits", [100, 20])
def test_nobody_shares_a_portrait(
    n_portraits: int, bank: Portraits, bank_of: Callable[..., Arrays], with_portraits: Any, hopper: Image, officer: Detection
) -> None:
    """Not in any of the ways that are tried, and neither with its mirror image."""
    editor = _Listening(Portraits(bank_of(_by_gender(bank, False, n_portraits)), PortraitReader()))
    row, faces = _row_of(hopper, officer, 4)
    with_portraits(editor).process(row, faces)
    assert len(editor.used) == 4
    numbers = list(editor.used.values())
    assert all(len(mine) >= 2 for mine in numbers)
    assert sum(map(len, numbers)) == len(set().union(*numbers))


def test_each_try_has_a_stand_in_of_its_own(bank: Portraits, with_portraits: Any, hopper: Image, officer: Detection) -> None:
    editor = _Listening(bank)
    with_portraits(editor, Options(seed=1, quality="balanced")).process(hopper, [officer])
    mixes = [tuple(portraits_of(row)[0]) for row in editor.rows]
    # One stand-in in each of eleven rounds, and one at a greater strength; in the officer's glasses, and then without.
    assert len(mixes) == 24
    # Those that suit somebody best are few: a pair may come again, in other shares.
    assert len(set(mixes)) >= 10
    stand_ins = [row[len(ATTRIBUTES) :].tobytes() for row in editor.rows]
    assert len(set(stand_ins[:12])) == 12
    assert set(stand_ins[:12]) == set(stand_ins[12:])


def test_who_gets_no_portrait_is_covered_and_the_others_are_served(
    bank: Portraits, bank_of: Callable[..., Arrays], with_portraits: Any, hopper: Image, officer: Detection
) -> None:
    """Five portraits for four faces are enough for two or three of them."""
    editor = _Listening(Portraits(bank_of(_by_gender(bank, False, 5)), PortraitReader()))
    row, faces = _row_of(hopper, officer, 4)
    result = with_portraits(editor).process(row, faces)
    left = [face for face in result.faces if face.why[0] == "no portrait is left for it"]
    assert len(left) == 4 - len(editor.used)
    assert 1 <= len(left) <= 2
    assert all(face.method in {"blur", "solid"} and face.status == "fallback" for face in result.faces)
    for detection in faces:
        place = geometry.box_to_slices(geometry.expand_box(detection.box_xyxy, 0.8), row.shape[:2])
        assert (result.image[place] != row[place]).any(axis=2).mean() > 0.9


@pytest.mark.parametrize("quality", ["fast", "thorough"])
def test_two_portraits_for_several_faces_cover_the_others(
    quality: str, bank: Portraits, bank_of: Callable[..., Arrays], with_portraits: Any, couple: Image
) -> None:
    """A man, a woman, and both again, of whom the detector tells."""
    two = [*_by_gender(bank, True, 1), *_by_gender(bank, False, 1)]
    editor = _Listening(Portraits(bank_of(two), PortraitReader()))
    row = np.tile(couple, (1, 2, 1))
    result = with_portraits(editor, Options(seed=1, quality=quality)).process(row)
    reasons = [face.why[0] for face in result.faces]
    assert len(result.faces) == 4
    assert reasons.count("no portrait is left for it") == 4 - len(editor.used)
    assert 1 <= len(editor.used) <= 2
    assert all(face.method in {"blur", "solid"} for face in result.faces)


def test_own_levels_without_portraits_end_in_a_cover(bank: Portraits, with_portraits: Any, hopper: Image, officer: Detection) -> None:
    editor = _Listening(bank)
    options = Options(seed=1, quality="fast")
    requests = [Request(officer, list(fallback.levels(Models(options), editor)))]
    (face,) = with_portraits(editor, options).process_requests(hopper, requests, 1).results
    assert not editor.rows
    assert face.why[0] == "no portrait is left for it"
    assert face.method in {"blur", "solid"}


def test_a_single_portrait_stands_in_alone(
    bank: Portraits, bank_of: Callable[..., Arrays], with_portraits: Any, hopper: Image, officer: Detection
) -> None:
    editor = _Listening(Portraits(bank_of(_by_gender(bank, False, 1)), PortraitReader()))
    with_portraits(editor).process(hopper, [officer])
    assert {tuple(portraits_of(row)[1]) for row in editor.rows} == {(1.0,)}


def test_bank_of_men_covers_a_woman(
    bank: Portraits, bank_of: Callable[..., Arrays], with_portraits: Any, astronaut: Image, woman: Detection
) -> None:
    editor = _Listening(Portraits(bank_of(_by_gender(bank, True, 30)), PortraitReader()))
    result = with_portraits(editor).process(astronaut, [woman])
    assert not editor.rows
    (face,) = result.faces
    assert face.status == "fallback"
    assert face.why == ("no portrait is left for it",)
    assert (result.image != astronaut)[geometry.box_to_slices(woman.box_xyxy, astronaut.shape[:2])].any(axis=2).mean() > 0.9


class _Beside(FacePoints):
    """Finds all landmarks, or one eye of them, so many pixels beside the face."""

    def __init__(self, off: float, which: slice) -> None:
        super().__init__()
        self._off, self._which = off, which

    def points(self, crop: Image) -> NDArray[np.float64]:
        points = super().points(crop).copy()
        points[self._which, 0] += self._off
        return points


@pytest.mark.parametrize(("off", "which"), [(12.0, slice(0, 68)), (14.0, slice(42, 48)), (1.0, slice(0, 68))])
def test_landmarks_beside_the_face_make_a_cover(
    off: float, which: slice, bank: Portraits, attgan_engine: Anonymizer, hopper: Image, officer: Detection
) -> None:
    """The second eye of a half turned head came on the wall beside it."""
    editor, options = _Listening(bank), Options(seed=1, quality="fast")
    models = shared_with(attgan_engine.models, options, "detector", "second_detector", points=_Beside(off, which), editor=editor)
    (face,) = Anonymizer(models=models).process(hopper, [officer]).faces
    assert bool(editor.rows) == (off < 2)
    if off > 2:
        assert (face.status, face.why) == ("fallback", ("its landmarks do not agree with the detector's",))


class _BesideAtFirst(_Beside):
    """The first time alone."""

    def points(self, crop: Image) -> NDArray[np.float64]:
        points = super().points(crop)
        self._off = 0.0
        return points


@pytest.mark.parametrize(("finds", "drawn"), [(_Beside, False), (_BesideAtFirst, True)])
def test_another_view_is_taken_where_landmarks_lie_beside_the_face(
    finds: type[_Beside], drawn: bool, bank: Portraits, attgan_engine: Anonymizer, hopper: Image, officer: Detection
) -> None:
    """Of a person in a video, who turns away in one picture and not in the next."""
    editor, options, points = _Listening(bank), Options(seed=1, quality="fast"), finds(12.0, slice(0, 68))
    models = shared_with(attgan_engine.models, options, "detector", "second_detector", points=points, editor=editor)
    Anonymizer(models=models).choose([(hopper, officer)] * 2, 0)
    assert bool(editor.rows) == drawn


class _ItselfAsStandIn(_Listening):
    """Gives the photo's own face as a stand-in, at the photo's scale."""

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float = 1.0) -> list[EditedFace]:
        assert face.large is not None
        assert face.points is not None
        own = StandIn(face.large.astype(np.float32), np.ones((128, 128), np.float32), face.points)
        return [EditedFace(edited.crop, self.name, edited.attributes, strength, own) for edited in super().edit(face, attributes, strength)]


def test_stand_in_that_is_the_face_itself_is_caught(bank: Portraits, with_portraits: Any, hopper: Image, officer: Detection) -> None:
    result = with_portraits(_ItselfAsStandIn(bank)).process(hopper, [officer])
    (face,) = result.faces
    assert face.status == "fallback"
    assert face.method in {"blur", "solid"}
    assert all("mobilenet distance 0.1" in reason for reason in face.why[:4])
    assert (result.image != hopper)[geometry.box_to_slices(officer.box_xyxy, hopper.shape[:2])].any(axis=2).mean() > 0.9


def _written(arrays: Arrays, path: Path) -> str:
    save_file(arrays, path)
    return str(path)


def test_own_bank_is_used(bank: Portraits, bank_of: Callable[..., Arrays], tmp_path: Path) -> None:
    path = _written(bank_of(_by_gender(bank, False, 6)), tmp_path / "own.safetensors")
    engine = Anonymizer(Options(portraits=path))
    assert isinstance(engine.editor, AttganEditor)
    assert engine.editor.portraits().n_pictures == 6


@pytest.mark.parametrize("content", [None, b"no bank"], ids=["missing", "no bank"])
def test_bank_that_cannot_be_read_is_named_before_the_first_picture(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        Anonymizer(Options(portraits=str(path))).preload()


def test_without_a_stand_in_the_same_gate_judges(
    monkeypatch: pytest.MonkeyPatch, with_portraits: Any, hopper: Image, officer: Detection, embedder: DlibResNetEmbedder
) -> None:
    """The thesis's own way: no portrait is read, and what is shown has passed."""
    monkeypatch.setattr("deid.weights.read_bank", _never)
    options = Options(seed=1, quality="fast", stand_in="none")
    engine = with_portraits(FaceAttganEditor(), options)
    (face,) = engine.process(hopper, [officer]).faces
    assert face.verification.passed
    ways = {reason.split(" ")[0] for reason in face.why} | {face.method}
    assert ways <= {"attgan_40", "attgan_22", "attgan_16", "blur", "solid"}
    assert "attgan_40" in ways
    result = engine.process(hopper, [officer])
    if face.method != "solid":
        before, after = (embedder.embed(align(i, officer).crop[None]) for i in (hopper, result.image))
        assert np.linalg.norm(after - before) > embedder.threshold


def _never(path: object = None) -> Sequence[object]:
    raise AssertionError("nobody asked for portraits")


def test_options_choose_the_editor() -> None:
    assert isinstance(Anonymizer(Options(stand_in="none")).editor, FaceAttganEditor)
    assert isinstance(Anonymizer(Options()).editor, AttganEditor)
