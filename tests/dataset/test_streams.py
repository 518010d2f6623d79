"""Bytes under other names are told by how evenly the names are used, and values of usual labels are not taken for them."""

import io
import json
from collections.abc import Callable
from itertools import groupby

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.dataset.labels import check_label
from deid.dataset.streams import streamed_in


@pytest.fixture(scope="module")
def jpeg(hopper: Image) -> bytes:
    """A face of 48 px."""
    file = io.BytesIO()
    PillowImage.fromarray(hopper[:200, 30:230]).resize((48, 48)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def grey(hopper: Image) -> bytes:
    """The same as samples."""
    small = cv2.resize(hopper[:200, 30:230], (48, 48), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)).tobytes()


_91 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&()*+,./:;<=>?@[]^_`{|}~-"
_WORDS = [a + b + c for a in "bcdfghklmnprstvz" for b in "aeiou" for c in "nrst"][:256]
_SPOKEN = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def _rows(data: bytes, n: int) -> list[bytes]:
    return [data[i : i + n] for i in range(0, len(data) - n + 1, n)]


def _number(data: bytes, digits: str) -> str:
    value, text = int.from_bytes(data, "big"), ""
    while value:
        value, digit = divmod(value, len(digits))
        text = digits[digit] + text
    return text


def _spoken(value: int) -> str:
    return " ".join(_SPOKEN[int(c)] for c in str(value))


def _bits(data: bytes) -> str:
    return "".join(f"{v:08b}" for v in data)


OF_FILES: dict[str, Callable[[bytes], str]] = {
    "base91 in a list": lambda d: json.dumps([_number(row, _91) for row in _rows(d, 16)]),
    "base91 under keys": lambda d: json.dumps({f"k{i}": _number(row, _91) for i, row in enumerate(_rows(d, 12))}),
    "base36 words": lambda d: " ".join(_number(row, "0123456789abcdefghijklmnopqrstuvwxyz") for row in _rows(d, 8)),
    "numbers of 30 digits": lambda d: "\n".join(_number(row, "0123456789") for row in _rows(d, 13)),
    "words": lambda d: " ".join(_WORDS[v] for v in d),
    "words as captions": lambda d: json.dumps([{"id": i, "caption": " ".join(_WORDS[v] for v in r)} for i, r in enumerate(_rows(d, 10))]),
    "digits in words": lambda d: ", ".join(map(_spoken, d)),
    "signed numbers": lambda d: json.dumps([v - 128 for v in d]),
    "runs": lambda d: " ".join(f"{len(list(run))}x{v}" for v, run in groupby(d)),
    "letters of two scripts": lambda d: " ".join(
        "".join(chr(0x370 + v) if v < 128 else chr(0x400 + v - 128) for v in r) for r in _rows(d, 6)
    ),
    "pictographs": lambda d: " ".join("".join(chr(0x1F300 + v) for v in row) for row in _rows(d, 5)),
    "boxes": lambda d: "\n".join("0 " + " ".join(map(str, row)) for row in _rows(d, 4)),
    "boxes of COCO": lambda d: json.dumps({"annotations": [{"id": i, "bbox": list(row)} for i, row in enumerate(_rows(d, 4))]}),
    "attributes": lambda d: "\n".join(
        f"{i:06d}.jpg " + " ".join("1" if c == "1" else "-1" for c in _bits(r)) for i, r in enumerate(_rows(d, 5))
    ),
    "true and false": lambda d: "\n".join(f"- {'true' if c == '1' else 'false'}" for c in _bits(d)),
    "addresses": lambda d: "\n".join(".".join(map(str, row)) for row in _rows(d, 4)),
    "names": lambda d: "\n".join(f"img_{i:04d}_{v:03d}.jpg" for i, v in enumerate(d)),
    "dump of 16 bytes a row": lambda d: "\n".join(f"{i:08x}  {row.hex(' ')}" for i, row in enumerate(_rows(d, 16))),
    "S-records": lambda d: "\n".join(f"S113{i:04x}{row.hex().upper()}00" for i, row in enumerate(_rows(d, 16))),
    "differences from a mean": lambda d: json.dumps([round((v - 127.5) / 64, 3) for v in d]),
    "shares, five a row": lambda d: "\n".join(" ".join(f"{v / 255:.4f}" for v in row) for row in _rows(d, 5)),
    "bytes and how often they come": lambda d: json.dumps([[v, len(list(run))] for v, run in groupby(d)]),
    "binary digits": lambda d: " ".join(f"{v:b}" for v in d),
    "values by number": lambda d: json.dumps({str(i): v for i, v in enumerate(d)}),
    "captions with numbers": lambda d: "\n".join(f"{3 * i} Person {a} looks at {b} and {c}." for i, (a, b, c) in enumerate(_rows(d, 3))),
    "fractions of eight bytes": lambda d: json.dumps([int.from_bytes(row, "little") / 2**64 for row in _rows(d, 8)]),
    "fractions of four bytes": lambda d: json.dumps([float(np.frombuffer(row, "<f4")[0]) for row in _rows(d, 4)]).replace("NaN", "0"),
}
OF_SAMPLES = {
    name: OF_FILES[name] for name in ("boxes of COCO", "runs", "words", "words as captions", "attributes", "addresses", "names")
} | {
    "factors": lambda d: " ".join("*".join(["2"] * (v % 5) + ["3"] * (v // 5 % 7) + ["7"] * (v // 35)) or "1" for v in d),
    "playing cards": lambda d: " ".join("23456789TJQKA"[v % 13] + "shdcxyzwuvabklmnopqr"[v // 13] for v in d),
    "hexadecimal fractions": lambda d: " ".join(float(v).hex() for v in d),
    "words, twelve a line": lambda d: "\n".join(" ".join(_WORDS[v] for v in row) for row in _rows(d, 12)),
    "numbers, twelve a line": lambda d: "\n".join(",".join(map(str, row)) for row in _rows(d, 12)),
}


@pytest.mark.parametrize("encode", OF_FILES.values(), ids=OF_FILES.keys())
def test_a_file_under_other_names_is_not_carried(encode: Callable[[bytes], str], jpeg: bytes) -> None:
    assert check_label(encode(jpeg).encode())


@pytest.mark.parametrize("encode", OF_SAMPLES.values(), ids=OF_SAMPLES.keys())
def test_samples_under_other_names_are_not_carried(encode: Callable[[bytes], str], grey: bytes) -> None:
    assert check_label(encode(grey).encode())


_rng = np.random.default_rng(11)


def _box(side: int) -> list[int]:
    """A box within a picture of that side: x, y, width, height."""
    width, height = (int(v) for v in np.clip(_rng.lognormal(3.5, 0.6, 2), 8, side - 2))
    return [int(_rng.integers(side - width)), int(_rng.integers(side - height)), width, height]


def _outline(side: int) -> list[int]:
    turn, (x, y, width, height) = np.sort(_rng.uniform(0, 6.28, 30)), _box(side)
    return [int(v) for p in zip(x + width * (1 + np.cos(turn)) / 2, y + height * (1 + np.sin(turn)) / 2, strict=True) for v in p]


def _hex(n: int) -> str:
    return _rng.bytes(n // 2).hex()


ORDINARY = {
    "boxes by corners in small pictures": "\n".join(f"{x} {y} {x + w} {y + h}" for x, y, w, h in (_box(256) for _ in range(600))),
    "boxes by sizes in small pictures": json.dumps({"annotations": [{"id": i, "bbox": _box(256)} for i in range(600)]}),
    "outlines in small pictures": json.dumps({"annotations": [{"id": i, "segmentation": [_outline(250)]} for i in range(300)]}),
    "people by number": "\n".join(f"{i:05d}.jpg {_rng.integers(250)}" for i in range(1500)),
    "people by name, in groups": "\n".join(f"{_WORDS[i // 6]}/{i % 6}.jpg,{_WORDS[i // 6]}" for i in range(1500)),
    "frames": "\n".join(f"{i // 5},{i % 5},{100 + 3 * i},{50 + i % 5}" for i in range(1200)),
    "UUIDs": "\n".join(f"{_hex(8)}-{_hex(4)}-{_hex(4)}-{_hex(4)}-{_hex(12)}.jpg" for _ in range(400)),
    "hashes": "\n".join(f"{_hex(40)}  {i}.jpg" for i in range(400)),
    "attributes": "\n".join(f"{i}.jpg," + ",".join(str(int(v)) for v in _rng.random(40) < np.linspace(0.05, 0.8, 40)) for i in range(1000)),
    "scores": "\n".join(f"{i}.jpg," + ",".join(f"{v:.2f}" for v in _rng.beta(2, 3, 20)) for i in range(300)),
    "landmarks": "\n".join(f"{i}.jpg " + " ".join(str(v) for v in _rng.integers(60, 160, 136)) for i in range(100)),
    "tracks": "\n".join(f"{f},{t},{50 + t * 20 + f // 3},{60 + t * 11},{40 + t},{50 + t},1" for t in range(1, 8) for f in range(1, 150)),
    "captions that repeat": json.dumps(
        [{"caption": "A man in a red shirt stands next to a horse. " * int(_rng.integers(1, 5))} for _ in range(200)]
    ),
    "outlines with all digits": "\n".join("0 " + " ".join(str(v / 250) for v in _outline(250)) for _ in range(50)),
    "scores with all digits": json.dumps([{"id": i, "bbox": _box(640), "score": float(v)} for i, v in enumerate(_rng.random(300))]),
    "times": "\n".join(f"{i},{i * 0.04:.3f},2024-01-{i % 28 + 1:02d} 10:{i % 60:02d}:00" for i in range(900)),
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY.keys())
def test_ordinary_values_are_carried(text: str) -> None:
    assert streamed_in(text) == ""
    assert check_label(text.encode()) == ""
