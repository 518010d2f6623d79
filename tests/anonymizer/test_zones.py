"""Zones: what lies in them is left alone, what reaches out of them is not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.anonymizer.zones import Zones, holds
from deid.core.errors import ConfigError, DataError
from deid.core.types import Detection

SIZE = (100, 200)


def _face(*box: float) -> Detection:
    return Detection(np.array(box, float))


@pytest.mark.parametrize(
    ("box", "inside"),
    [((20, 20, 40, 40), True), ((10, 10, 60, 60), True), ((30, 30, 70, 50), False), ((100, 20, 120, 40), False), ((58, 20, 78, 40), False)],
)
def test_a_face_must_lie_in_the_zone(box: tuple[float, ...], inside: bool) -> None:
    area = Zones.parse(["10,10,60,60"]).area(SIZE)
    assert holds(area, _face(*box)) is inside


def test_shares_and_several_zones() -> None:
    area = Zones.parse(["0,0,0.5,0.5", "150,50,200,100"]).area(SIZE)
    assert area.sum() == 50 * 100 + 50 * 50
    assert holds(area, _face(40, 10, 60, 30))
    assert holds(area, _face(160, 60, 180, 80))


def test_zones_beyond_the_picture_hold_nothing() -> None:
    assert not Zones.parse(["300,300,400,400"]).area(SIZE).any()


def test_a_mask_of_all_and_masks_by_name(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[:, :50] = 255
    (tmp_path / "masks" / "sub").mkdir(parents=True)
    PillowImage.fromarray(mask).save(tmp_path / "all.png")
    PillowImage.fromarray(mask).save(tmp_path / "masks" / "sub" / "a.png")
    assert Zones.parse([str(tmp_path / "all.png")]).area(SIZE, "whatever.jpg").sum() == 50 * 100
    masks = Zones.parse([str(tmp_path / "masks")])
    assert masks.area(SIZE, "sub/a.jpg").sum() == 50 * 100
    assert not masks.area(SIZE, "sub/b.jpg").any()


def test_a_mask_of_another_size_is_an_error_that_names_it(tmp_path: Path) -> None:
    PillowImage.new("L", (30, 20), 255).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=r"mask.png is of 30 x 20 pixels, the picture of 200 x 100"):
        Zones.parse([str(tmp_path / "mask.png")]).area(SIZE)


@pytest.mark.parametrize("entry", ["10,10,10,20", "1,2,3", "nowhere.png", "a,b,c,d", "30,30,10,60"])
def test_what_is_no_zone_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match="zone"):
        Zones.parse([entry])
