"""A photo with an edit is the same whether it is kept whole or only the part that was touched."""

import numpy as np
import pytest

from deid.compositing import proposal
from deid.compositing.proposal import Shown
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
