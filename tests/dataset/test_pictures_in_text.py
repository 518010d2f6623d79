"""A picture that is drawn in text is told from a table, whatever stands for its levels."""

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import Image
from deid.dataset.pictures_in_text import drawn_in

Grey = NDArray[np.uint8]
RAMP = " .:-=+*#%@"
LONG_RAMP = "$@B%8&WM#*oahkbdpqwmZO0QLCJUYXzcvunxrjft/\\|()1{}[]?-_+~<>i!lI;:,\"^`'. "
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven")


@pytest.fixture(scope="module")
def grey(hopper: Image) -> Grey:
    """(36, 60): a face of some 20 px."""
    return np.asarray(cv2.resize(cv2.cvtColor(hopper[:200], cv2.COLOR_RGB2GRAY), (60, 36), interpolation=cv2.INTER_AREA), np.uint8)


def _drawn(grey: Grey, ramp: str) -> list[str]:
    return ["".join(ramp[int(v) * len(ramp) // 256] for v in row) for row in grey]


def _levels(grey: Grey, n: int) -> list[list[str]]:
    return [[str(int(v) * n // 256) for v in row] for row in grey]


DRAWINGS: dict[str, Callable[[Grey], str]] = {
    "ten characters": lambda g: "\n".join(_drawn(g, RAMP)),
    "seventy characters": lambda g: "\n".join(_drawn(g, LONG_RAMP)),
    "two characters": lambda g: "\n".join(_drawn(g, " #")),
    "spaces and tabs": lambda g: "\n".join(_drawn(g, " \t")),
    "each character twice": lambda g: "\n".join("".join(c * 2 for c in row) for row in _drawn(g, RAMP)),
    "digits": lambda g: "\n".join("".join(row) for row in _levels(g, 10)),
    "rows of strings in JSON": lambda g: json.dumps({"rows": _drawn(g, RAMP)}),
    "rows of levels in JSON": lambda g: json.dumps([[int(v) for v in row] for row in _levels(g, 8)]),
    "rows of XML": lambda g: "<p>" + "".join(f"<r>{row}</r>" for row in _drawn(g, "abcdefgh")) + "</p>",
    "bits with spaces": lambda g: "\n".join(" ".join(row) for row in _levels(g, 2)),
    "levels with commas": lambda g: "\n".join(",".join(row) for row in _levels(g, 16)),
    "one long line": lambda g: " ".join(level for row in _levels(g, 10) for level in row),
    "words in one line": lambda g: " ".join(
        ["zero", "one", "two", "three", "four", "five", "six", "seven"][int(v) // 32] for v in g.ravel()
    ),
    "a level on each line": lambda g: "\n".join(level for row in _levels(g, 12) for level in row),
    "a column of a table": lambda g: "\n".join(f"{i},{int(v):02x},x" for i, v in enumerate(g.ravel())),
    "an object for each pixel": lambda g: json.dumps([{"i": i, "v": int(v)} for i, v in enumerate(g.ravel())]),
    "signed fractions": lambda g: " ".join(f"{(int(v) - 128) / 64:.3f}" for v in g.ravel()),
    "squares without an end": lambda g: "".join("\u2b1b\u2b1c"[int(v) > 128] for v in g.ravel()),
    "other letters": lambda g: "".join(chr(0x4E00 + int(v)) for v in g.ravel()),
    "dots and dashes": lambda g: " ".join(f"{int(v) // 4:06b}".replace("0", ".").replace("1", "-") for v in g.ravel()),
}


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())
def test_drawings_are_told(draw: Callable[[Grey], str], grey: Grey) -> None:
    assert drawn_in(draw(grey))


def _rows(n: int, row: Callable[[np.random.Generator, int], str]) -> str:
    rng = np.random.default_rng(3)
    return "\n".join(row(rng, i) for i in range(n))


def _attributes(rng: np.random.Generator, share: float = 0.4) -> str:
    return " ".join("1" if v < share else "-1" for v in rng.random(40))


TABLES = {
    "attributes": _rows(400, lambda r, i: f"{i:06d}.jpg {_attributes(r)}"),
    "attributes of each person, several times": _rows(400, lambda r, i: f"{i:06d}.jpg {_attributes(np.random.default_rng(i // 8))}"),
    "labels that go together": _rows(400, lambda r, i: " ".join(str(int(v)) for v in (r.normal(0, 1, 40) + r.normal() > 0.5))),
    "classes": _rows(2000, lambda r, i: str(r.integers(10))),
    "sorted classes": _rows(2000, lambda r, i: str(i // 90)),
    "classes frame by frame": _rows(2000, lambda r, i: f"{i},{('walk', 'run', 'sit')[i // 37 % 3]}"),
    "identities": _rows(900, lambda r, i: f"{i // 7:06d}/{i % 7:04d}.jpg {i // 7:>8} {r.integers(100, 999)}x{r.integers(100, 999)}"),
    "times": _rows(900, lambda r, i: f"2024-01-01T{i // 60 % 24:02d}:{i % 60:02d}:00.000Z camera_0{i % 3} person {r.integers(2)}"),
    "a table with padding": _rows(
        300, lambda r, i: f"{'abcdefghijkl'[: r.integers(3, 12)]:<14}{r.integers(99):>6}{'names'[: r.integers(1, 5)]:>12} |"
    ),
    "tracks": _rows(900, lambda r, i: f"{i // 9},{i % 9},{100 + i % 9 * 90 + 20 * np.sin(i / 90):.0f},{50 + i % 9}"),
    "a walk": " ".join(str(int(v)) for v in np.cumsum(np.random.default_rng(0).normal(0, 1, 3000)) + 100),
    "keypoints frame by frame": "\n".join(
        ",".join(str(int(v)) for v in row)
        for row in np.cumsum(np.random.default_rng(0).normal(0, 1, (300, 34)), axis=0) + np.arange(34) * 3
    ),
    "boxes": _rows(900, lambda r, i: f"{r.integers(80)} " + " ".join(f"{v:.6f}" for v in r.random(4))),
    "captions": _rows(600, lambda r, i: f"{i}\tA man walks over the street with dog number {i}"),
    "a confusion matrix": "\n".join(
        " ".join(str(int(v)) for v in row) for row in np.eye(30, dtype=int) * 50 + np.arange(900).reshape(30, 30) % 7
    ),
    "lines": "=" * 80 + "\ntext\n" * 40 + "-" * 4000,
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES.keys())
def test_tables_are_no_drawings(text: str) -> None:
    assert not drawn_in(text)
