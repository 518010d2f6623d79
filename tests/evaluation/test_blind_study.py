import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from typer.testing import CliRunner

from deid.check.folders import FilePair
from deid.core.errors import DataError
from evaluation.cli import app
from evaluation.faces import Face
from evaluation.new_faces import NewFace
from evaluation.results import Measure
from evaluation.studies import STUDIES, StudyOptions, blind, sheets

_N = 10
_Rows = list[tuple[object, str, str]]


@pytest.fixture
def photos(tmp_path: Path, make_face: Callable[..., Face], monkeypatch: pytest.MonkeyPatch) -> StudyOptions:
    """Grey photos whose outputs are brighter, each of another person, and of growing sizes."""
    found = []
    for i in range(_N):
        pair = FilePair(f"p{i}/1.jpg", f"p{i}", tmp_path / "before" / f"p{i}" / "1.jpg", tmp_path / "after" / f"p{i}" / "1.jpg")
        for path, level in ((pair.before, 90 + i), (pair.after, 160 + i)):
            assert path is not None
            path.parent.mkdir(parents=True)
            PillowImage.new("RGB", (300, 280), (level,) * 3).save(path, quality=95 if level < 150 else 40)
        face = make_face(i, 0, size_px=100.0 + i, box_xyxy=np.array([80.0, 60, 180 + i, 170]))
        found.append(NewFace(pair, face))

    def faces(*unused: object, **given: object) -> Iterator[NewFace]:
        return iter(found)

    monkeypatch.setattr(blind, "new_faces", faces)
    return StudyOptions(folder=tmp_path / "test", before=tmp_path / "before", after=tmp_path / "after", crops=_N)


def _key(folder: Path) -> dict[int, dict[str, str]]:
    with blind.key_of(folder).open() as file:
        return {int(row["number"]): row for row in csv.DictReader(file)}


def test_the_sheets_show_what_the_key_says_and_the_key_lies_apart(photos: StudyOptions) -> None:
    assert photos.folder is not None
    results = STUDIES["blind"](photos)
    key = _key(photos.folder)
    assert Counter(row["kind"] for row in key.values()) == {"real": _N // 2, "new": _N // 2}
    assert len({row["identity"] for row in key.values()}) == _N
    page = np.asarray(PillowImage.open(photos.folder / "shown" / f"001-{_N:03d}.png"))
    for number, row in key.items():
        x, y = ((number - 1) % 4) * 272 + 16, ((number - 1) // 4) * 256
        level = float(page[y + 8 : y + 248, x + 8 : x + 248].mean())
        assert level == pytest.approx((90 if row["kind"] == "real" else 160) + int(row["identity"][1:]), abs=2)
    assert not [p for p in photos.folder.rglob("*") if "key" in p.name]
    assert sorted(p.name for p in (photos.folder / "enlarged").iterdir()) == ["001-004.png", "005-008.png", "009-010.png"]
    sizes = [m.value for m in results.measures]
    assert abs(sizes[0] - sizes[1]) <= 2


def test_a_seed_gives_the_same_test_and_another_one_another(photos: StudyOptions) -> None:
    def order(seed: int) -> list[str]:
        assert photos.folder is not None
        STUDIES["blind"](StudyOptions(seed=seed, folder=photos.folder, before=photos.before, after=photos.after, crops=_N))
        return [row["name"] + row["kind"] for row in _key(photos.folder).values()]

    assert order(1) == order(1) != order(2)


def test_too_few_new_faces_are_told(photos: StudyOptions) -> None:
    with pytest.raises(DataError, match="got 10: ask for fewer --crops"):
        STUDIES["blind"](StudyOptions(folder=photos.folder, before=photos.before, after=photos.after, crops=12))


@pytest.mark.parametrize(("other", "alone"), [([], True), ([[290.0, 60, 340, 120]], True), ([[205.0, 60, 260, 120]], False)])
def test_a_face_beside_another_one_is_not_shown(other: list[list[float]], alone: bool, make_face: Callable[..., Face]) -> None:
    # The view reaches to x = 210, and a cover of the other face 12 px beyond its box.
    face = make_face(0, 0, box_xyxy=np.array([50.0, 50, 150, 150]))
    new = NewFace(FilePair("a", "a", Path("a"), None), face, others=np.array(other).reshape(-1, 4))
    assert blind.is_alone(new) is alone


def test_kinds_are_of_equal_sizes() -> None:
    sizes = np.random.default_rng(0).uniform(100, 500, 60)
    kinds = np.array(blind.kinds_by_size(list(sizes), 3))
    real, new = np.sort(sizes[kinds == "real"]), np.sort(sizes[kinds == "new"])
    assert len(real) == len(new) == 30
    assert np.abs(real - new).max() < 60
    assert not (kinds[np.argsort(sizes)][::2] == "real").all()


def test_an_untouched_photo_is_saved_like_its_output(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    PillowImage.fromarray(image).save(tmp_path / "a.jpg", quality=30, subsampling=2)
    with PillowImage.open(tmp_path / "a.jpg") as file:
        assert (blind.saved_like(image, tmp_path / "a.jpg") == np.asarray(file)).all()
    PillowImage.fromarray(image).save(tmp_path / "a.png")
    assert (blind.saved_like(image, tmp_path / "a.png") == image).all()


@pytest.mark.parametrize("box", [[80.0, 60, 180, 170], [-20.0, -30, 90, 80], [0.0, 0, 900, 900]])
def test_a_view_stays_in_the_picture(box: list[float]) -> None:
    image = np.full((200, 300, 3), 200, np.uint8)
    found = blind.view(image, np.array(box))
    assert found.shape == (256, 256, 3)
    assert (found == 200).all()


def _answers(folder: Path, rows: _Rows) -> Path:
    path = folder / "as shown.csv"
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("number", "answer", "reason"), *rows])
    path.write_text(buffer.getvalue())
    return path


def _scored(folder: Path, path: Path) -> dict[str, Measure]:
    return {m.name: m for m in STUDIES["blind"](StudyOptions(folder=folder, answers=(path,))).measures}


def test_answers_are_scored_with_their_interval_and_reasons(photos: StudyOptions) -> None:
    folder = photos.folder
    assert folder is not None
    STUDIES["blind"](photos)
    key = _key(folder)
    new, real = ([n for n, row in key.items() if row["kind"] == kind] for kind in ("new", "real"))
    # Three of five new faces are told, by the seam, one by its brows too; one photo is taken for a new face.
    said = {n: ("new", "Seam; brows" if n == new[0] else "seam ") for n in new[:3]} | {real[0]: ("new", "seam")}
    found = _scored(folder, _answers(folder, [(n, *said.get(n, ("real", ""))) for n in key]))
    right = found["right answers"]
    assert (right.value, right.n, right.chance) == (0.7, 10, 0.5)
    # Clopper-Pearson of 7 in 10.
    assert (right.low, right.high) == (pytest.approx(0.3475, abs=1e-3), pytest.approx(0.9333, abs=1e-3))
    assert found["new faces taken for new"].value == 0.6
    assert found["untouched photos taken for new"].value == 0.2
    assert (found["seam"].value, found["seam"].control, found["seam"].n) == (0.6, 0.2, 3)
    assert (found["brows"].value, found["brows"].control) == (0.2, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "are missing"),
        (lambda rows: [*rows, rows[0]], "each number of the test once"),
        (lambda rows: [(99, "real", ""), *rows[1:]], "each number of the test once"),
        (lambda rows: [(1, "maybe", ""), *rows[1:]], "expected real or new for number 1"),
    ],
)
def test_answers_that_do_not_fit_are_refused(
    photos: StudyOptions, change: Callable[..., list[tuple[object, str, str]]], message: str
) -> None:
    assert photos.folder is not None
    STUDIES["blind"](photos)
    path = _answers(photos.folder, change([(n, "real", "") for n in range(1, _N + 1)]))
    with pytest.raises(DataError, match=message):
        _scored(photos.folder, path)


def test_a_test_that_was_never_made_is_named(tmp_path: Path) -> None:
    path = _answers(tmp_path, [(1, "real", "")])
    answer = CliRunner().invoke(app, ["study", "blind", "-o", str(tmp_path / "none"), "--answers", str(path)])
    assert answer.exit_code == 1
    assert "none.key.csv" in answer.output


def test_numbers_stand_beside_the_crops() -> None:
    crops: list[NDArray[np.uint8]] = [np.full((256, 256, 3), 40 * (i + 1), np.uint8) for i in range(5)]
    page = sheets.sheet(crops, 7, 2)
    assert page.shape == (3 * 256, 2 * 272, 3)
    assert (page[300, 288:544] == 160).all()
    assert (page[:30, :16] < 128).any()
    assert sheets.enlarged(crops[0], 3).shape == (768, 768, 3)
