"""The light of a photo on another face; its eyes and brows are tested with stand-ins."""

import numpy as np

from deid.editing.light import coarse, coarse_light, light_of


def test_coarse_light_of_a_constant_is_that_constant() -> None:
    """Whatever lies outside of its support."""
    image = np.full((128, 128, 3), (90, 120, 150), np.float32)
    support = np.zeros((128, 128), np.float32)
    support[30:110, 30:100] = 1
    image[support == 0] = 255
    light = coarse(image, support)
    np.testing.assert_allclose(light[40:100, 40:90], np.broadcast_to((90, 120, 150), (60, 50, 3)), rtol=0.05)


def test_in_less_light_colours_are_fainter() -> None:
    """Cheeks of a bright portrait have orange edges in a dark face otherwise."""
    everywhere = np.ones((128, 128), np.float32)
    bright, dark = (np.full((128, 128, 3), rgb, np.float32) for rgb in ((230, 190, 170), (80, 60, 50)))
    darkened, kept = (light_of(bright, everywhere, coarse_light(here, everywhere)) for here in (dark, bright))
    assert darkened.gain[..., 1:].max() < 0.5
    np.testing.assert_allclose(kept.gain, 1, atol=0.02)
