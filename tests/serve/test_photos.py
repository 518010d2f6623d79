"""A photo that is corrected: others stay as they are, nobody is exposed, and undoing brings back the same bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer.engine import Anonymizer
from deid.batch import files, jobs
from deid.core import seeds
from deid.core.errors import DetectionError
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.serve.corrections import Correction, CorrectionError
from deid.serve.limits import Limits
from deid.serve.photos import PhotoWork
from deid.serve.uploads import Upload

SEED = seeds.seed_of(7, 0)


def silent(step: str, done: int, total: int) -> None:
    """Nobody watches."""


def work_of(image: Image, folder: Path, engine: Anonymizer, name: str = "photo.png") -> PhotoWork:
    """An image as an upload that has been processed."""
    path = folder / f"upload{Path(name).suffix}"
    PillowImage.fromarray(image).save(path)
    work = PhotoWork(Upload(path, name, folder, 7), engine, Limits())
    work.process(silent)
    return work


def shown(folder: Path) -> Image:
    """What would be saved."""
    (path,) = (p for p in folder.iterdir() if p.stem in ("candidate", "result"))
    with PillowImage.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def middle(image: Image, face: dict[str, Any]) -> Image:
    """The middle of a face's box."""
    return image[geometry.box_to_slices(geometry.expand_box(np.array(face["box_xyxy"]), 0.6), image.shape[:2])]


def detail(image: Image) -> float:
    """How much neighbours in a row differ."""
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, attgan_engine: Anonymizer, couple: Image) -> tuple[PhotoWork, Path, Image]:
    """`couple`, with a new face for both; the tests put it back as it was."""
    folder = tmp_path_factory.mktemp("photo")
    work = work_of(couple, folder, attgan_engine)
    return work, folder, shown(folder)


def test_what_is_not_corrected_is_what_the_command_writes(
    processed: tuple[PhotoWork, Path, Image], attgan_engine: Anonymizer, tmp_path: Path
) -> None:
    _, folder, first = processed
    job = jobs.Job(folder / "upload.png", tmp_path / "out.png")
    assert files.run_job(job, attgan_engine, SEED).error == ""
    with PillowImage.open(tmp_path / "out.png") as written:
        np.testing.assert_array_equal(np.asarray(written), first)


def test_leaving_a_face_leaves_the_other_one_as_it_is_and_undoing_brings_back_both(
    processed: tuple[PhotoWork, Path, Image], couple: Image
) -> None:
    work, folder, first = processed
    assert len(work.faces) == 2
    for action in ("keep", "not_a_face"):
        work.correct([Correction(action, 0)], silent)  # type: ignore[arg-type]
        now = shown(folder)
        np.testing.assert_array_equal(middle(now, work.faces[0]), middle(couple, work.faces[0]))
        np.testing.assert_array_equal(middle(now, work.faces[1]), middle(first, work.faces[1]))
        assert work.faces[0]["done"].startswith("Left as it is")
    assert [face["face"] for face in work.report()["not_faces"]] == [0]
    work.correct([Correction("restore", 0)], silent)
    np.testing.assert_array_equal(shown(folder), first)


def test_another_new_face_is_another_one_and_passes_the_gate(processed: tuple[PhotoWork, Path, Image]) -> None:
    work, folder, first = processed
    work.correct([Correction("again", 1)], silent)
    now = shown(folder)
    assert np.abs(middle(now, work.faces[1]).astype(int) - middle(first, work.faces[1])).mean() > 4
    np.testing.assert_array_equal(middle(now, work.faces[0]), middle(first, work.faces[0]))
    assert all(each["passed"] for each in work.faces[1]["now"]["distances"])
    work.correct([Correction("keep", 0)], silent)
    np.testing.assert_array_equal(middle(shown(folder), work.faces[1]), middle(now, work.faces[1]))
    work.correct([Correction("restore", 0), Correction("restore", 1)], silent)
    np.testing.assert_array_equal(shown(folder), first)


def test_a_cover_is_the_one_that_was_chosen(processed: tuple[PhotoWork, Path, Image]) -> None:
    work, folder, first = processed
    work.correct([Correction("cover", 0, "solid")], silent)
    assert np.ptp(middle(shown(folder), work.faces[0]).reshape(-1, 3), axis=0).max() == 0
    work.correct([Correction("cover", 0, "pixelate", 3.0)], silent)
    assert work.faces[0]["now"]["method"] in ("pixelate", "solid")
    assert work.faces[0]["doubts"] == []
    np.testing.assert_array_equal(middle(shown(folder), work.faces[1]), middle(first, work.faces[1]))
    work.correct([Correction("restore", 0)], silent)


def test_boxes_that_are_no_face_of_the_photo_are_refused(processed: tuple[PhotoWork, Path, Image]) -> None:
    work, _, _ = processed
    for box, frame, said in (((900.0, 900.0, 950.0, 950.0), 0, "beyond the picture"), ((1.0, 1.0, 30.0, 30.0), 4, "no frame 4")):
        with pytest.raises(CorrectionError, match=said):
            work.check([Correction("draw", box_xyxy=box, frame=frame)])
    with pytest.raises(CorrectionError, match="no face 9"):
        work.check([Correction("keep", 9)])


def test_a_drawn_face_is_covered_and_saved(blur_engine: Anonymizer, couple: Image, tmp_path: Path) -> None:
    work = work_of(couple, tmp_path, blur_engine, "photo.jpg")
    before = shown(tmp_path)
    work.correct([Correction("draw", box_xyxy=(20.0, 180.0, 70.0, 240.0)), Correction("keep", 0)], silent)
    drawn = work.faces[2]
    assert (drawn["origin"], drawn["now"]["method"]) == ("drawn", "blur")
    assert detail(middle(shown(tmp_path), drawn)) < 0.5 * detail(middle(before, drawn))
    work.save(silent)
    assert (tmp_path / "result.jpg").is_file()
    report = work.report()
    assert [face["face"] for face in report["kept"]] == [0]
    with pytest.raises(CorrectionError, match="method attgan"):
        work.check([Correction("again", 0)])


def box(*corners: float) -> Detection:
    return Detection(np.array(corners, float), 0.99)


@pytest.fixture
def noise() -> Image:
    return np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)


def work_with(answers: Sequence[object], image: Image, folder: Path, fake_detector: Callable[..., Any]) -> PhotoWork:
    """A photo in which the detector finds what is given, one search after another."""
    return work_of(image, folder, Anonymizer(Options(method="solid"), detector=fake_detector(answers)))


def test_saving_covers_a_face_that_only_the_last_detection_sees(noise: Image, tmp_path: Path, fake_detector: Callable[..., Any]) -> None:
    seen, missed = box(10, 10, 50, 50), box(90, 60, 130, 100)
    # While it is processed: the first detection and the look at the result; then the last detection.
    work = work_with([[seen], [seen], [seen, missed]], noise, tmp_path, fake_detector)
    assert len(work.faces) == 1
    work.save(silent)
    assert [face["origin"] for face in work.faces] == ["detector", "last detection"]
    saved = shown(tmp_path)
    assert np.ptp(middle(saved, work.faces[1]).reshape(-1, 3), axis=0).max() == 0


def test_a_face_that_a_person_left_is_no_finding_of_the_last_detection(
    noise: Image, tmp_path: Path, fake_detector: Callable[..., Any]
) -> None:
    left, other = box(10, 10, 50, 50), box(90, 60, 130, 100)
    work = work_with([[left, other], []] + [[left, other]] * 20, noise, tmp_path, fake_detector)
    work.correct([Correction("keep", 0)], silent)
    work.save(silent)
    assert len(work.faces) == 2
    np.testing.assert_array_equal(middle(shown(tmp_path), work.faces[0]), middle(noise, work.faces[0]))


def test_nothing_is_saved_while_faces_keep_turning_up(noise: Image, tmp_path: Path, fake_detector: Callable[..., Any]) -> None:
    places = [[box(x, y, x + 20, y + 20)] for y in range(0, 100, 24) for x in range(0, 140, 24)]
    work = work_with([[], [], *places], noise, tmp_path, fake_detector)
    with pytest.raises(DetectionError, match="still exposed"):
        work.save(silent)
    assert not (tmp_path / "result.png").exists()
