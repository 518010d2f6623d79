"""Label files that may be carried over, and pictures in every encoding that must not be."""

import base64
import binascii
import io
import json
import quopri
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.dataset.labels import check_label

_random = np.random.default_rng(1)
#: A picture with shapes and noise, grey and in colour.
_Y, _X = np.mgrid[:48, :48]
_GREY = np.clip(120 + 80 * np.sin(_X / 7) * np.cos(_Y / 9) + _random.normal(0, 8, (48, 48)), 0, 255).astype(np.uint8)
_COLOUR = np.stack([_GREY, _GREY[::-1], _GREY.T], axis=2)


def _file(kind: str) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(_COLOUR).save(buffer, kind)
    return buffer.getvalue()


DATA = {
    "jpeg": _file("JPEG"),
    "png": _file("PNG"),
    "tiff": _file("TIFF"),
    "samples": _GREY.tobytes(),
    "zlib": zlib.compress(_GREY.tobytes()),
}


def _wrapped(text: str, width: int) -> str:
    return "\n".join(text[i : i + width] for i in range(0, len(text), width))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


OF_BYTES: dict[str, Callable[[bytes], str]] = {
    "base64": lambda d: json.dumps({"imageData": _base64(d)}),
    "base64, slashes escaped": lambda d: json.dumps({"x": _base64(d)}).replace("/", "\\/"),
    "base64, slashes as code points": lambda d: json.dumps({"x": _base64(d)}).replace("/", "\\u002f"),
    "base64 in lines": lambda d: _wrapped(_base64(d), 76),
    "base64 in lines, escaped": lambda d: json.dumps({"x": _wrapped(_base64(d), 76)}),
    "base64 in a list": lambda d: json.dumps([_base64(d)[i : i + 24] for i in range(0, len(_base64(d)), 24)]),
    "base64 for URLs": lambda d: base64.urlsafe_b64encode(d).decode(),
    "base32": lambda d: base64.b32encode(d).decode(),
    "base85": lambda d: json.dumps({"x": base64.b85encode(d).decode()}),
    "ascii85": lambda d: base64.a85encode(d, wrapcol=76, adobe=True).decode(),
    "hexadecimal": lambda d: d.hex(),
    "hexadecimal in lines": lambda d: _wrapped(d.hex(), 60),
    "hexadecimal with colons": lambda d: d.hex(":").upper(),
    "C": lambda d: ", ".join(hex(v) for v in d),
    "Python": repr,
    "octal": lambda d: "".join(f"\\{v:03o}" for v in d),
    "latin-1": lambda d: json.dumps(d.decode("latin-1")),
    "latin-1 as it is": lambda d: d.replace(b"\0", b"\1").decode("latin-1"),
    "percent": urllib.parse.quote,
    "quoted-printable": lambda d: quopri.encodestring(d).decode("latin-1"),
    "uuencode": lambda d: "begin 644 x\n" + "".join(binascii.b2a_uu(d[i : i + 45]).decode() for i in range(0, len(d), 45)) + "end\n",
    "numbers": lambda d: json.dumps(list(d)),
    "numbers in lines": lambda d: "\n".join(map(str, d)),
    "numbers indented": lambda d: json.dumps({"p": list(d)}, indent=2),
    "numbers in YAML": lambda d: "\n".join(f"- {v}" for v in d),
    "entities": lambda d: "<a>" + "".join(f"&#{v};" for v in d) + "</a>",
    "bits": lambda d: "".join(f"{v:08b}" for v in d),
}


@pytest.mark.parametrize("encode", OF_BYTES.values(), ids=OF_BYTES.keys())
@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_bytes_of_a_picture_are_not_carried(encode: Callable[[bytes], str], data: bytes) -> None:
    assert check_label(encode(data).encode())


def _joined(values: object, separator: str = " ") -> str:
    return separator.join(map(str, np.asarray(values).ravel()))


OF_SAMPLES = {
    "fer2013": "emotion,pixels,Usage\n0," + _joined(_GREY) + ",Training\n",
    "fer2013 in shares": "emotion,pixels\n0," + _joined((_GREY / 255).round(3)) + "\n",
    "mnist": "label," + ",".join(f"p{i}" for i in range(2304)) + "\n3," + _joined(_GREY, ","),
    "matrix": "\n".join(_joined(row, ",") for row in _GREY),
    "nested": json.dumps(_GREY.tolist()),
    "nested, in colour": json.dumps(_COLOUR.tolist()),
    "nested, in shares": json.dumps((_GREY / 255).round(3).tolist()),
    "in quotes": json.dumps([str(v) for v in _GREY.ravel()]),
    "pgm": "P2\n48 48\n255\n" + _wrapped(_joined(_GREY), 70),
    "one pixel a line": "\n".join(_joined(v) for v in _COLOUR.reshape(-1, 3)),
    "place and value": "x,y,v\n" + "\n".join(f"{x},{y},{_GREY[y, x]}" for y in range(48) for x in range(48)),
    "colours": json.dumps(["#{:02x}{:02x}{:02x}".format(*v) for v in _COLOUR.reshape(-1, 3)]),
    "objects": json.dumps([dict(zip("rgb", map(int, v), strict=True)) for v in _COLOUR.reshape(-1, 3)]),
    "libsvm": "3 " + " ".join(f"{i + 1}:{v}" for i, v in enumerate(_GREY.ravel())),
    "xml": "<a>" + "".join(f"<p>{v}</p>" for v in _GREY.ravel()) + "</a>",
    "data uri": '{"a": "data:image/png;base64,AAAA"}',
    "embedding": json.dumps((_random.normal(size=512) * 0.05).round(5).tolist()),
}


@pytest.mark.parametrize("text", OF_SAMPLES.values(), ids=OF_SAMPLES.keys())
def test_samples_of_a_picture_are_not_carried(text: str) -> None:
    assert check_label(text.encode())


def _run_lengths(lengths: NDArray[np.int64]) -> str:
    """COCO's text of run lengths: five bits a character, the last one with the sign, less the length two before."""
    text = ""
    for i, length in enumerate(map(int, lengths)):
        value, more = length - (int(lengths[i - 2]) if i > 2 else 0), True
        while more:
            digit, value = value & 31, value >> 5
            more = value != (-1 if digit & 16 else 0)
            text += chr(48 + digit + 32 * more)
    return text


_T = np.linspace(0, 6.28, 400)
_OUTLINE = np.stack([0.5 + 0.2 * np.cos(_T), 0.3 + 0.1 * np.sin(_T)], axis=1)
CARRIED = {
    "empty": "",
    "yolo": "\n".join("0 " + " ".join(f"{v:.6f}" for v in _random.random(4)) for _ in range(300)),
    "yolo outlines": "\n".join("0 " + " ".join(f"{v:.6f}" for v in _OUTLINE.ravel()) for _ in range(5)),
    "coco": json.dumps({"annotations": [{"segmentation": [(_OUTLINE * 200).round(2).ravel().tolist()], "bbox": [1, 2, 3, 4]}] * 20}),
    "coco in whole pixels": json.dumps({"annotations": [{"segmentation": [(_OUTLINE * 200).round().ravel().tolist()]}] * 20}, indent=1),
    "coco run lengths": json.dumps({"segmentation": {"counts": _random.integers(0, 200, 900).tolist()}}),
    "coco rle": json.dumps({"segmentation": {"size": [240, 320], "counts": _run_lengths(_random.integers(1, 3000, 400))}}),
    "coco rle of a circle": json.dumps({"segmentation": {"counts": _run_lengths(np.repeat([7000, 230, 10, 228, 12, 225, 15], 60))}}),
    "boxes": json.dumps({"boxes": _random.integers(0, 200, (100, 4)).tolist()}),
    "wider": "0--Parade/0_Parade_marchingband_1_849.jpg\n1\n449 330 122 149 0 0 0 0 0 0 \n" * 200,
    "celeba": "\n".join(f"{i:06d}.jpg " + _joined(_random.integers(60, 160, 10)) for i in range(500)),
    "classes": "\n".join(map(str, _random.integers(0, 100, 3000))),
    "sorted classes": "\n".join(map(str, sorted(_random.integers(0, 101, 3000)))),
    "ids": json.dumps(list(range(3000))),
    "hashes": "\n".join(f"{v:064x}" for v in (int.from_bytes(_random.bytes(32), "big") for _ in range(100))),
    "captions": json.dumps([{"id": i, "caption": 'A man, in a red shirt, stands next to a "horse".'} for i in range(300)]),
    "captions in chinese": json.dumps([{"c": "一个穿红色衬衫的男人站在海滩上的一匹马旁边" * 20}] * 9, ensure_ascii=False),
    "paths": "\n".join(f"data/train/person_{i:05d}/IMG_{i * 7919}.jpg {i % 100}" for i in range(900)),
    "voc": "<annotation>"
    + "".join(f"<object><bndbox><xmin>{a}</xmin><ymax>{a + 9}</ymax></bndbox></object>" for a in range(200))
    + "</annotation>",
    "a path": "/9j/x",
    "numbers": ",".join(["12345"] * 500),
}


@pytest.mark.parametrize("text", CARRIED.values(), ids=CARRIED.keys())
def test_labels_are_carried(text: str) -> None:
    assert check_label(text.encode()) == ""


def test_run_lengths_that_are_none_are_not_carried() -> None:
    text = "".join(chr(48 + v) for v in _random.integers(0, 64, 900))
    assert "no run lengths" in check_label(json.dumps({"segmentation": {"size": [240, 320], "counts": text}}).encode())


def test_what_is_no_text_is_not_carried(folder: Path) -> None:
    assert "UTF-8" in check_label((folder / "a.png").read_bytes())
    assert "zero bytes" in check_label(b"P6\n\0\0")


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 200_000, "a" * 200_000, "ab " * 50_000, "1,2," * 50_000])
def test_long_texts_take_no_time(text: str) -> None:
    """None of the patterns is tried at each character of what it failed on."""
    check_label(text.encode())
