"""What a frame shows beside its colours is looked at, and what is edited there comes back into it."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.imaging.frame import Frame, frame_of, frames_of, looks_at, luma, with_pixels

H, W = 30, 40


def _ramp() -> np.ndarray:
    return np.add.outer(np.arange(H), np.arange(W)).astype(np.uint8) * 3


def test_ink_decides_which_way_round_alpha_is_seen() -> None:
    for ink, shown in ((0, 255 - _ramp()), (255, _ramp())):
        frame = Frame(np.full((H, W, 3), ink, np.uint8), _ramp())
        np.testing.assert_array_equal(looks_at(frame, 0)[0].rgb[..., 0], shown)


ALPHAS = {
    "opaque": (np.full((H, W), 255, np.uint8), 0),
    "an outline": (np.where(np.arange(W) < 20, 255, 0).astype(np.uint8) * np.ones((H, 1), np.uint8), 0),
    "dots": (np.random.default_rng(0).integers(0, 2, (H, W)).astype(np.uint8) * 255, 1),
    "one column": (np.arange(H, dtype=np.uint8)[:, None] % 2, 0),
    "levels": (_ramp(), 1),
}


@pytest.mark.parametrize(("alpha", "n_looks"), ALPHAS.values(), ids=ALPHAS.keys())
def test_only_alpha_that_may_hold_a_picture_is_looked_at(alpha: np.ndarray, n_looks: int) -> None:
    assert len(looks_at(Frame(np.zeros((*alpha.shape, 3), np.uint8), alpha), 0)) == n_looks


def test_edits_of_both_looks_meet_in_the_frame() -> None:
    picture = PillowImage.fromarray(np.full((H, W, 3), 40, np.uint8))
    picture.putalpha(PillowImage.fromarray(_ramp()))
    frame, look = frames_of(picture)
    rgb, alpha = frame.rgb.copy(), look.rgb.copy()
    rgb[:10], alpha[20:] = 200, 100
    after = with_pixels((frame, look), [rgb, alpha])[0]
    np.testing.assert_array_equal(after.rgb, rgb)
    assert after.alpha is not None
    assert (after.alpha[20:] == 155).all()
    np.testing.assert_array_equal(after.alpha[:20], _ramp()[:20])


def test_an_edit_of_the_frame_wins_over_one_of_its_second_look() -> None:
    deep = np.full((H, W), 60000, np.uint16)
    deep[:20] = _ramp()[:20]
    frame, look = frames_of(PillowImage.fromarray(deep))
    first, second = frame.rgb.copy(), look.rgb.copy()
    first[2:12, 2:20], second[2:12, 10:30] = 128, 10
    after = with_pixels((frame, look), [first, second])[0]
    assert after.deep is not None
    assert after.tones is not None
    assert np.abs(after.tones.view[after.deep[3:11, 3:19]].astype(int) - 128).max() <= 1
    assert (after.deep[3:11, 21:29] < 60).all()
    assert not (after.deep == deep)[3:11, 3:29].any()
    np.testing.assert_array_equal(after.deep[14:], deep[14:])


def test_deep_frame_is_written_without_its_trace() -> None:
    deep = np.full((H, W), 30000, np.uint16)
    deep[0, 0], deep[0, 1] = 0, 65535
    frame = frame_of(PillowImage.fromarray(deep))
    assert len(np.unique(frame.rgb[5:].reshape(-1, 3), axis=0)) == 4
    assert len(np.unique(frame.plain()[5:])) == 1
    assert luma(frame.rgb).shape == (H, W)


def test_other_sizes_are_refused() -> None:
    frame = Frame(np.zeros((H, W, 3), np.uint8))
    with pytest.raises(ValueError, match="expected an image of"):
        with_pixels([frame], [np.zeros((H, W + 1, 3), np.uint8)])
