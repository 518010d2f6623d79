from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from deid.core.types import Crops
from deid.imaging.template import TEMPLATE
from evaluation import skin
from evaluation.faces import Face
from evaluation.skin import DARK_BELOW_DEG, tone
from evaluation.studies import StudyOptions, ages, kept
from evaluation.studies.ages import AgeReader, learn
from evaluation.studies.kept import kept_lines


def _landmarks() -> NDArray[np.float64]:
    """(68, 2) with the cheeks where an aligned face has them."""
    points = np.tile(TEMPLATE.mean(axis=0), (68, 1))
    for i, place in {2: (30, 76), 3: (33, 90), 13: (95, 90), 14: (98, 76), 28: (64, 66), 31: (57, 80), 35: (71, 80)}.items():
        points[i] = place
    for i, place in {40: (52, 60), 41: (46, 60), 46: (84, 60), 47: (78, 60)}.items():
        points[i] = place
    return points


@pytest.mark.parametrize(
    ("colour", "dark"), [((241, 194, 167), False), ((224, 172, 140), False), ((141, 85, 54), True), ((70, 44, 30), True)]
)
def test_the_angle_orders_skin_from_light_to_dark(colour: tuple[int, int, int], dark: bool) -> None:
    crop = np.tile(np.array(colour, np.uint8), (128, 128, 1))
    # Hair and background do not count.
    crop[:50], crop[110:] = 0, 255
    assert (tone(crop, _landmarks()) < DARK_BELOW_DEG) is dark


def test_cheeks_outside_the_crop_have_no_tone() -> None:
    assert np.isnan(tone(np.zeros((128, 128, 3), np.uint8), _landmarks() + 900))


def test_the_angle_is_that_of_the_formula() -> None:
    # Equal parts of red, green and blue have no yellow: the angle is upright, whatever the light, above L = 50.
    crop = np.full((128, 128, 3), 200, np.uint8)
    assert tone(crop, _landmarks()) == pytest.approx(90.0, abs=0.5)
    assert tone(crop // 3, _landmarks()) == pytest.approx(-90.0, abs=0.5)


def _brightness(crops: Crops) -> NDArray[np.float32]:
    return np.asarray(crops.reshape(len(crops), -1, 3).mean(axis=1), np.float32)


def _aged(years: NDArray[np.float64]) -> Crops:
    return np.tile(np.clip(20 + 2 * years, 0, 255).astype(np.uint8)[:, None, None, None], (1, 128, 128, 3))


def test_the_reader_of_ages_learns_and_tells_its_error() -> None:
    years = np.random.default_rng(0).uniform(1, 90, 200)
    reader = learn(_brightness, _aged(years), years)
    assert reader.years(_aged(np.array([30.0, 60.0]))) == pytest.approx([30, 60], abs=3)
    assert float(reader.error[0]) < 3


def test_the_reader_of_ages_is_kept(tmp_path: Path) -> None:
    years = np.linspace(1, 90, 50)
    reader = learn(_brightness, _aged(years), years)
    ages._write(reader, tmp_path / "ages.safetensors")
    again = ages.learned_ages(StudyOptions(folder=tmp_path), _brightness)
    assert (again.years(_aged(years)) == reader.years(_aged(years))).all()
    assert isinstance(again, AgeReader)
    assert set(load_file(tmp_path / "ages.safetensors")) == {"mean", "scale", "weights", "bias", "error"}


def test_what_is_kept_is_told_for_women_men_light_and_dark(make_face: Callable[..., Face]) -> None:
    # Two photos each of a light woman, a dark woman and a light man; the second photo of the dark woman is made a man.
    faces = [make_face(i, k) for i in range(3) for k in range(2)]
    male = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1]], bool)
    years = np.array([[30.0, 30, 30, 30, 30, 30], [30.0, 34, 30, 45, 30, 30]])
    labels = ["female", "female", "female", "", "male", "male"]
    angles = np.array([50.0, 50, 5, 5, 50, 50])
    found = {(m.name, m.group): m for m in kept_lines(faces, male, years, labels, angles, 0)}
    shares = {group: found["gender kept", group].value for group in ("all", "women", "men", "light skin", "dark skin")}
    assert shares == {"all": pytest.approx(5 / 6), "women": 0.75, "men": 1.0, "light skin": 1.0, "dark skin": 0.5}
    assert found["age group kept", "dark skin"].value == 0.5
    assert found["age change", "all"].value == pytest.approx(19 / 6)
    # The fourth face has no label.
    assert found["gender read as labelled, after", "all"].n == 5
    assert (found["gender, another photo", "all"].value, found["gender, another photo", "all"].n) == (1.0, 3)


def test_readers_of_another_crowd_are_not_asked(tmp_path: Path) -> None:
    assert kept._readers(tmp_path, {"a", "b"}) == kept._readers(tmp_path, {"b", "a"}) != kept._readers(tmp_path, {"a"})
    assert kept._readers(None, {"a"}) is None


def test_tones_of_no_crops_are_none() -> None:
    assert skin.tones(np.zeros((0, 128, 128, 3), np.uint8)).shape == (0,)
