"""Fractions that stand for two bytes each are told on any scale, and measures on a lattice are not taken for them."""

import io
import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.dataset.labels import check_label
from deid.dataset.scales import scaled_in

Words = np.typing.NDArray[np.int64]


@pytest.fixture(scope="module", params=["jpeg", "samples"])
def words(request: pytest.FixtureRequest, hopper: Image) -> Words:
    """A face of 48 px as numbers of two bytes."""
    face = np.asarray(cv2.resize(hopper[:200, 30:230], (48, 48), interpolation=cv2.INTER_AREA), np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(face).save(buffer, "JPEG")
    data = buffer.getvalue() if request.param == "jpeg" else np.asarray(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)).tobytes()
    return np.frombuffer(data[: len(data) // 4 * 4], ">u2").astype(np.int64)


def _pairs(words: Words, lat: Callable[[int], str], lon: Callable[[int], str]) -> str:
    return "\n".join(f"{lat(a)},{lon(b)}" for a, b in words.reshape(-1, 2))


SCALES: dict[str, Callable[[Words], str]] = {
    "coordinates from 0": lambda w: _pairs(w, lambda a: f"{a / 728:.4f}", lambda b: f"{b / 364:.4f}"),
    "coordinates of the world": lambda w: _pairs(w, lambda a: f"{a / 65535 * 180 - 90:.6f}", lambda b: f"{b / 65535 * 360 - 180:.6f}"),
    "coordinates in a city": lambda w: "name,lat,lon\n" + _pairs(w, lambda a: f"p,{48.1 + a / 1e5:.5f}", lambda b: f"{11.5 + b / 1e5:.5f}"),
    "shares in a list": lambda w: json.dumps([round(v / 65536, 8) for v in w.tolist()]),
    "temperatures": lambda w: "\n".join(f"{i},{v / 1000 - 20:.3f}" for i, v in enumerate(w)),
}


@pytest.mark.parametrize("write", SCALES.values(), ids=SCALES.keys())
def test_a_thumbnail_is_told(write: Callable[[Words], str], words: Words) -> None:
    assert check_label(write(words).encode())


_random = np.random.default_rng(3)
_wave = 32768 + 20000 * np.sin(np.arange(1500) / 37) + _random.normal(0, 300, 1500)
ORDINARY = {
    "a voltage of 16 bits": "\n".join(f"{i / 1000:.3f},{round(v) / 65536 * 3.3:.6f}" for i, v in enumerate(_wave)),
    "places of photos": "\n".join(f"{i}.jpg,{a:.6f},{b:.6f}" for i, (a, b) in enumerate(_random.normal([59.9, 10.7], 0.05, (700, 2)))),
    "boxes in shares of 4032 pixels": "\n".join(
        f"0 {a / 8064:.6f} {b / 6048:.6f} {w / 4032:.6f} {w / 3024:.6f}"
        for a, b, w in zip(_random.integers(200, 7800, 500), _random.integers(200, 5800, 500), _random.integers(20, 900, 500), strict=True)
    ),
    "landmarks in hundredths": "\n".join(
        f"{i}.jpg " + " ".join(f"{v:.2f}" for v in row)
        for i, row in enumerate(_random.uniform(50, 700, (1, 10)) + _random.normal(0, 60, (600, 10)))
    ),
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY.keys())
def test_what_is_no_picture_is_carried(text: str) -> None:
    assert check_label(text.encode()) == ""


def test_random_numbers_of_two_bytes_are_no_picture() -> None:
    words = _random.integers(0, 1 << 16, 2000)
    assert scaled_in("\n".join(f"{v / 728:.4f}" for v in words)) == ""
