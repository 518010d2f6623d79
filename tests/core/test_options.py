"""Options: what is read is what was written, and what is wrong is named."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from deid.core.errors import ConfigError
from deid.core.options import Options, from_mapping, load

ROUND_TRIPS = {
    "defaults": Options(),
    "everything": Options(
        method="image",
        detector="mtcnn+haar",
        min_face=33,
        embedders=("dlib_resnet", "facenet"),
        quality="thorough",
        consistency="dataset",
        stand_in="none",
        portraits="own/bank.safetensors",
        reach="head",
        input_cells=22,
        edit_score=0.5,
        min_edit_size=20.0,
        min_iou=0.4,
        min_realism=0.25,
        gender_slack=0.3,
        blur_radius=0.3,
        pixelate_cells=5,
        margin=0.0,
        solid_rgb=(1, 2, 3),
        cover_image='C:\\photos\\a "quoted" ü.png',
        seed=2**64 - 1,
        device="cuda:1",
        max_pixels=1000,
    ),
}


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    # JSON's numbers, strings and truth values are TOML's.
    return json.dumps(value)


@pytest.mark.parametrize("options", ROUND_TRIPS.values(), ids=ROUND_TRIPS.keys())
def test_toml_round_trip(options: Options, tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    # TOML has no null: an option that is None is left out.
    path.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in given.items() if value is not None))
    assert load(path) == options


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown method": ({"method": "magic"}, "method.*attgan, blur.*'magic'"),
    "method of another type": ({"method": 3}, "method"),
    "unknown quality": ({"quality": "best"}, "quality to be one of fast, balanced, thorough, got 'best'"),
    "unknown consistency": ({"consistency": "video"}, "consistency to be one of photo, dataset"),
    "unknown stand-in": ({"stand_in": "mask"}, "stand_in to be one of portrait, none, got 'mask'"),
    "unknown reach": ({"reach": "body"}, "reach to be one of face, head, got 'body'"),
    "portraits of another type": ({"portraits": 5}, "portraits"),
    "no portraits file": ({"portraits": ""}, "portraits"),
    "cells": ({"input_cells": 7}, r"input_cells to be a whole number in \[8, 128\], got 7"),
    "no memory": ({"memory": -1}, r"memory to be a whole number in \[0, 250\], got -1"),
    "score over one": ({"edit_score": 1.5}, "edit_score"),
    "iou under zero": ({"min_iou": -0.1}, "min_iou"),
    "realism not a number": ({"min_realism": float("nan")}, "min_realism"),
    "slack": ({"gender_slack": 1.6}, "gender_slack"),
    "no blur": ({"blur_radius": 0.0}, "blur_radius"),
    "no cells": ({"pixelate_cells": 0}, "pixelate_cells"),
    "negative margin": ({"margin": -0.1}, "margin"),
    "tiny faces": ({"min_face": 2}, "min_face"),
    "text for a number": ({"margin": "wide"}, "margin.*'wide'"),
    "negative seed": ({"seed": -1}, "seed"),
    "huge seed": ({"seed": 2**64}, "seed"),
    "no embedder": ({"embedders": []}, "at least one embedder"),
    "image without a picture": ({"method": "image"}, "cover_image"),
    "seed with a fraction": ({"seed": 1.5}, "seed"),
    "detector of another type": ({"detector": 5}, "detector"),
    "colour out of range": ({"solid_rgb": [300, 0, 0]}, "solid_rgb"),
    "colour with two parts": ({"solid_rgb": [0, 0]}, "solid_rgb"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_value_out_of_range_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(values)


def test_unknown_key_is_refused_and_the_valid_ones_are_listed() -> None:
    with pytest.raises(ConfigError, match="unknown option metod; valid are method, detector"):
        from_mapping({"metod": "blur"})


BAD_FILES = {
    "missing": None,
    "no toml": b"method = ",
    "binary": b"\xff\xfe\x00\x01",
    "a key twice": b"seed = 1\nseed = 2\n",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"wrong\.toml"):
        load(path)


def test_options_are_frozen_and_hashable() -> None:
    assert hash(Options(seed=1)) == hash(Options(seed=1))
    with pytest.raises(AttributeError):
        Options().seed = 3  # type: ignore[misc]
