"""Bytes of a picture are told by what they decode to, and identifiers, hashes and captions are not taken for them."""

import base64
import binascii
import hashlib
import io
import json
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.dataset.bytes_in_text import decoded_in
from deid.dataset.labels import check_label


@pytest.fixture(scope="module")
def face(hopper: Image) -> Image:
    """(48, 48, 3), smooth as a thumbnail is."""
    return np.asarray(cv2.resize(hopper[:200, 30:230], (48, 48), interpolation=cv2.INTER_AREA), np.uint8)


def _file(face: Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(face).save(buffer, kind)
    return buffer.getvalue()


DATA: dict[str, Callable[[Image], bytes]] = {
    "jpeg": lambda f: _file(f, "JPEG"),
    "webp": lambda f: _file(f, "WEBP"),
    "samples": lambda f: np.asarray(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)).tobytes(),
    "smooth samples": lambda f: np.asarray(cv2.GaussianBlur(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), (0, 0), 2)).tobytes(),
    "samples in colour": lambda f: f.tobytes(),
}


def _pieces(text: str, n: int) -> list[str]:
    return [text[i : i + n] for i in range(0, len(text), n)]


def _lines(text: str, n: int) -> str:
    return "\n".join(_pieces(text, n))


def _64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _85(data: bytes) -> str:
    return base64.b85encode(data).decode()


def _dumped(data: bytes) -> str:
    return "\n".join(f"{i:08x}  {data[i : i + 16].hex(' ')}  |{'.' * 16}|" for i in range(0, len(data), 16))


def _table(pieces: list[str]) -> str:
    return "id,name,token\n" + "\n".join(f"{i},img_{i:05d}.jpg,{piece}" for i, piece in enumerate(pieces))


ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "base85 in lines": lambda d: _lines(_85(d), 30),
    "base85 in short lines": lambda d: _lines(_85(d), 12),
    "base32 in lines": lambda d: _lines(base64.b32encode(d).decode().lower(), 60),
    "base32 in groups": lambda d: " ".join(_pieces(base64.b32encode(d).decode(), 8)),
    "base64 in short lines": lambda d: _lines(_64(d), 19),
    "base64 in words": lambda d: " ".join(_pieces(_64(d), 4)),
    "base64 in a YAML list": lambda d: "\n".join(f"- {p}" for p in _pieces(_64(d), 12)),
    "base64 in a YAML block": lambda d: "image: |\n" + textwrap.indent(_lines(_64(d), 20), "    "),
    "base64 in a list of JSON": lambda d: json.dumps({"ids": _pieces(base64.urlsafe_b64encode(d).decode(), 11)}),
    "base64 in lines of JSON": lambda d: "\n".join(json.dumps({"i": i, "s": p}) for i, p in enumerate(_pieces(_64(d), 24))),
    "base64 in a column": lambda d: _table(_pieces(_64(d), 10)),
    "hexadecimal as hashes": lambda d: _lines(d.hex(), 64),
    "hexadecimal in a column": lambda d: _table(_pieces(d.hex(), 8)),
    "hexadecimal as file names": lambda d: "\n".join(f"img_{p}.jpg 0" for p in _pieces(d.hex(), 16)),
    "hexadecimal as UUIDs": lambda d: "\n".join(str(uuid.UUID(p)) for p in _pieces(d.hex(), 32) if len(p) == 32),
    "a dump": _dumped,
    "uuencoded in short lines": lambda d: "".join(binascii.b2a_uu(d[i : i + 21]).decode() for i in range(0, len(d), 21)),
    "numbers of two bytes": lambda d: json.dumps(np.frombuffer(d[: len(d) // 2 * 2], "<u2").tolist()),
    "letters of nucleic acids": lambda d: _lines("".join("ACGT"[v >> s & 3] for v in d for s in (6, 4, 2, 0)), 60),
    "unseen characters": lambda d: "a caption" + "".join("\u200b\u200c"[v >> s & 1] for v in d for s in range(7, -1, -1)),
    "a block of characters": lambda d: _lines("".join(chr(0x100 + v) for v in d), 30),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_a_thumbnail_is_told(encode: Callable[[bytes], str], data: Callable[[Image], bytes], face: Image) -> None:
    assert check_label(encode(data(face)).encode())


_random = np.random.default_rng(7)
ORDINARY = {
    "uuids": "\n".join(str(uuid.UUID(bytes=_random.bytes(16))) for _ in range(400)),
    "hashes with names": "\n".join(f"{hashlib.md5(bytes([i % 256, i // 256])).hexdigest()}  img_{i:05d}.jpg" for i in range(400)),
    "ids of videos": json.dumps([base64.urlsafe_b64encode(_random.bytes(8)).decode()[:11] for _ in range(900)]),
    "ids of a database": json.dumps([{"_id": f"65a0{i:012x}{'c0ffee12'}"} for i in range(400)]),
    "hexadecimal in names": "\n".join(f"images/frame_{i:06d}_jpg.rf.{_random.bytes(16).hex()}.jpg" for i in range(400)),
    "numbers beyond 32 bits": "\n".join(str(10**18 + int(v)) for v in _random.integers(0, 10**15, 400)),
    "seeds": json.dumps(_random.integers(0, 2**32, 900).tolist()),
    "times": "\n".join(f"{1.6e9 + i * 0.04:.6f}" for i in range(900)),
    "captions": "\n".join(
        json.dumps({"file": f"{i}.jpg", "text": f"Un homme à côté d'un vélo, image {i}, 赤いジャケット"}) for i in range(400)
    ),
    "paths": "\n".join(f"data/2024-0{i % 9 + 1}/cam{i % 4}/seq_{i % 50:03d}/frame_{i:06d}.png" for i in range(900)),
    "clips": "label,id,start,end,split\n"
    + "\n".join(f"talk,{base64.urlsafe_b64encode(_random.bytes(8)).decode()[:11]},{i},{i + 10},train" for i in range(400)),
    "landmarks": "\n".join(f"{i}.jpg " + " ".join(str(v) for v in _random.integers(60, 160, 10)) for i in range(400)),
}


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY.keys())
def test_what_is_no_picture_is_carried(text: str) -> None:
    assert check_label(text.encode()) == ""


def test_real_labels_are_carried(data_folder: Path) -> None:
    for name in ("celeba-identities.csv", "lfw-pairs.txt", "lfw-gender.csv", "cmu-mit-boxes.txt", "officials.csv"):
        assert decoded_in((data_folder / name).read_text()) == ""
