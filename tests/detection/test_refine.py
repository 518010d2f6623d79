"""The surroundings in which a face is expected."""

import numpy as np
import pytest

from deid.detection.refine import _FIRST_REACH, _FIRST_SCALES, _REACH, _SCALES, _SHIFTS, _looks, _View


@pytest.mark.parametrize("size", [(240, 240), (150, 240), (240, 150)])
@pytest.mark.parametrize(("reach", "scales", "shifts"), [(_FIRST_REACH, _FIRST_SCALES, _SHIFTS[:1]), (_REACH, _SCALES, _SHIFTS)])
def test_every_look_at_a_large_face_lies_in_its_view(
    size: tuple[int, int], reach: float, scales: tuple[float, ...], shifts: tuple[tuple[float, float], ...]
) -> None:
    """However narrow its box is: what lies beyond a view is a repeated border."""
    box = np.array([500.0, 500, 500 + size[0], 500 + size[1]])
    view = _View.of(np.zeros((1200, 1200, 3), np.uint8), box, reach)
    looks = view.inside(_looks(box, scales, shifts))
    assert (looks >= -1e-6).all()
    assert (looks <= np.tile(view.image.shape[1::-1], 2) + 1e-6).all()


def test_first_look_shrinks_no_more_than_it_looks_at() -> None:
    box = np.array([500.0, 500, 740, 740])
    first, other = (_View.of(np.zeros((1200, 1200, 3), np.uint8), box, reach).image.size for reach in (_FIRST_REACH, _REACH))
    assert first < 0.3 * other
