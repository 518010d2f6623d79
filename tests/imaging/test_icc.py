"""A profile keeps what its colours are, and nothing else that anybody could read."""

import io
import struct

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from deid.imaging import icc

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _with(tags: dict[bytes, bytes], profile: bytes = SRGB) -> bytes:
    """A profile with tags replaced, added, or removed where the value is empty."""
    kept = {name: value for name, value in {**icc._tags(profile), **tags}.items() if value}
    return icc._file(profile, profile[16:20], profile[8], kept)


def _lab(profile: bytes) -> np.ndarray:
    colours = PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(colours, given, ImageCms.createProfile("LAB"), outputMode="LAB"))


CURVES = {
    "gamma": struct.pack(">4s4xIH", b"curv", 1, 563),
    "table": struct.pack(">4s4xI", b"curv", 64) + (np.linspace(0, 1, 64) ** 2 * 65535).astype(">u2").tobytes(),
    "parametric": struct.pack(">4s4xH2xi", b"para", 0, int(1.8 * 65536)),
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
def test_colours_are_kept_and_all_else_goes(curve: bytes) -> None:
    given = _with({b"rTRC": curve + b"SECRET", b"gTRC": curve, b"bTRC": curve, b"MINE": b"SECRET" * 50, b"desc": b"text\0\0\0\0SECRET"})
    given = given[:48] + b"SECRET" + given[54:]
    kept = icc.standard(given)
    assert kept is not None
    assert b"SECRET" not in kept
    assert icc.standard(kept) == kept
    np.testing.assert_array_equal(_lab(kept), _lab(given))


REFUSED = {
    "nothing": b"",
    "no profile": b"SECRET" * 100,
    "cut short": SRGB[:200],
    "only a header": SRGB[:128],
    "another model": SRGB[:16] + b"CMYK" + SRGB[20:],
    "an output device's tables": _with({b"rXYZ": b"", b"A2B0": b"mft1" + bytes(80)}),
    "a curve that falls": _with({b"rTRC": struct.pack(">4s4xI3H", b"curv", 3, 0, 900, 100)}),
    "a curve that is a picture": _with({b"rTRC": struct.pack(">4s4xI", b"curv", 50_000) + bytes(100_000)}),
    "a parametric curve of no kind": _with({b"rTRC": struct.pack(">4s4xH2x9i", b"para", 9, *range(9))}),
    "a curve that ends early": _with({b"rTRC": struct.pack(">4s4xI", b"curv", 64) + bytes(20)}),
}


@pytest.mark.parametrize("profile", REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_tell_its_colours_is_none(profile: bytes) -> None:
    assert icc.standard(profile) is None


def test_grey_profile() -> None:
    grey = icc._file(SRGB[:16] + b"GRAY" + SRGB[20:], b"GRAY", 4, {b"wtpt": icc._tags(SRGB)[b"wtpt"], b"kTRC": CURVES["gamma"]})
    kept = icc.standard(grey)
    assert kept is not None
    assert icc.model_of(kept) == b"GRAY"


def test_damaged_profiles_never_raise() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        broken = bytearray(SRGB)
        for place in rng.integers(len(broken), size=4):
            broken[place] = rng.integers(256)
        icc.standard(bytes(broken[: int(rng.integers(len(broken) + 1))]))
