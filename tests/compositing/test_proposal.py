"""A photo with an edit is the same whether it is kept whole or only the part that was touched."""

import numpy as np
import pytest

from deid.compositing import proposal
from deid.compositing.proposal import Patch, Shown
from deid.core.types import EditedFace


@pytest.mark.parametrize("huge", [0, 1 << 20])
def test_an_edit_is_shown_whole(huge: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposal, "_HUGE", huge)
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    touched = np.zeros((40, 50), bool)
    touched[10:20, 5:30] = rng.random((10, 25)) > 0.3
    image = np.where(touched[..., None], 255 - photo, photo)
    shown = Shown.of(EditedFace(photo, "solid"), photo, image, touched)
    np.testing.assert_array_equal(shown.image, image)
    np.testing.assert_array_equal(shown.touched, touched)
    assert (shown.whole is None) == (huge == 0)


def test_an_edit_that_touches_nothing_shows_the_photo() -> None:
    photo = np.full((8, 9, 3), 7, np.uint8)
    shown = Shown.of(EditedFace(photo, "solid"), photo, photo.copy(), np.zeros((8, 9), bool))
    np.testing.assert_array_equal(shown.image, photo)


@pytest.mark.parametrize(("rows", "columns", "meets"), [((5, 9), (2, 4), True), ((9, 12), (2, 4), False), ((0, 9), (6, 8), False)])
def test_patches_meet_where_they_have_pixels_in_common(rows: tuple[int, int], columns: tuple[int, int], meets: bool) -> None:
    def patch(place: tuple[slice, slice]) -> Patch:
        touched = np.zeros((20, 20), bool)
        touched[place] = True
        return Patch.of(np.zeros((20, 20, 3), np.uint8), touched)

    one, other = patch(np.s_[3:9, 3:6]), patch(np.s_[slice(*rows), slice(*columns)])
    assert one.meets(other) is other.meets(one) is meets
    assert not one.meets(patch(np.s_[4:4, 4:4])), "one that touches nothing meets none"


def test_a_cover_lies_beneath_a_new_face_but_not_beneath_its_rim() -> None:
    photo, image = np.zeros((60, 80, 3), np.uint8), np.full((60, 80, 3), 200, np.uint8)
    touched = np.zeros((60, 80), bool)
    touched[10:50, 20:70] = True
    cover = Shown.of(EditedFace(photo, "blur"), photo, image, touched).patch
    mask = np.zeros((128, 128), np.float32)
    mask[40:100, 30:100] = 0.9
    mask[50:90, 40:90] = 1.0
    # The crop lies twice as small in the photo, from (30, 0) on.
    left = cover.beneath(mask, np.array([[2.0, 0, -60.0], [0, 2.0, 0.0]]))
    there = np.zeros((60, 80), bool)
    there[left.place] = left.touched
    new = np.zeros((60, 80), bool)
    new[25:45, 50:75] = True
    assert not (there & ~touched).any()
    np.testing.assert_array_equal(there[:, :49], touched[:, :49])
    assert not there[26:44, 51:74].any(), "the new face is whole"
    assert (there == (touched & ~new))[[10, 20, 24, 46, 49]].all(), "and where it shows by less, the cover lies over it"
