"""Pictures that EXIF turns keep their pixel grid, so that labels of any kind still fit."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from deid.core.errors import ImageWriteError
from deid.dataset.grid import as_it_lay, encode, orientation, turned_box
from deid.imaging import codec

FORMATS = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}


def _file(pixels: Any, turn: int, kind: str) -> bytes:
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x010E] = turn, "a name"
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, kind, exif=exif, **FORMATS[kind])
    return buffer.getvalue()


def _smooth(shape: tuple[int, ...]) -> Any:
    y, x = np.mgrid[: shape[0], : shape[1]]
    channels = np.stack([x * 3, y * 4, x + y, 255 - x], axis=2)[..., : shape[2] if len(shape) > 2 else 1]
    return channels.astype(np.uint8).reshape(shape)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_what_is_not_edited_is_as_it_was(turn: int, kind: str) -> None:
    pixels = _smooth((24, 40, 3))
    data = _file(pixels, turn, kind)
    assert orientation(data) == turn
    out = encode(codec.decode(data, "a"), turn)
    assert b"a name" not in out
    with PillowImage.open(io.BytesIO(data)) as old, PillowImage.open(io.BytesIO(out)) as new:
        assert new.size == old.size
        assert new.getexif().get(0x0112, 1) == turn
        np.testing.assert_allclose(np.asarray(new, int), np.asarray(old, int), atol=12 if kind == "JPEG" else 0)
        np.testing.assert_allclose(np.asarray(ImageOps.exif_transpose(new), int), np.asarray(ImageOps.exif_transpose(old), int), atol=12)


@pytest.mark.parametrize("turn", [3, 6, 7])
def test_alpha_lies_as_the_pixels_do(turn: int) -> None:
    pixels = _smooth((24, 40, 4))
    data = _file(pixels, turn, "PNG")
    out = encode(codec.decode(data, "a"), turn)
    with PillowImage.open(io.BytesIO(out)) as new:
        np.testing.assert_array_equal(np.asarray(new), pixels)


@pytest.mark.parametrize("turn", range(1, 9))
def test_boxes_turn_as_pixels_do(turn: int) -> None:
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[4:9, 20:44] = 255
    upright = codec.decode(_file(pixels, turn, "PNG"), "a").frames[0].rgb[..., 0]
    x0, y0, x1, y1 = map(int, turned_box((20, 4, 44, 9), turn, (50, 30)))
    assert upright[y0:y1, x0:x1].min() == 255
    assert upright.sum() == 255 * (y1 - y0) * (x1 - x0)


def test_pages_that_exif_turns_are_refused() -> None:
    """No format says for each page how it is turned."""
    pages = [PillowImage.new("RGB", (8, 6), (40 * i, 9, 9)) for i in range(3)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "WEBP", save_all=True, append_images=pages[1:])
    picture = codec.decode(buffer.getvalue(), "a.webp")
    with pytest.raises(ImageWriteError, match="cannot keep the pixel grid of a WEBP of 3 pages"):
        as_it_lay(picture, 6)
    assert as_it_lay(picture, 1) is picture


def test_a_grid_that_is_not_kept_is_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever encodes may drop what says how a picture is turned."""
    data = _file(_smooth((24, 40, 3)), 6, "PNG")
    monkeypatch.setattr("deid.dataset.grid.codec.encode", lambda picture: _file(_smooth((24, 40, 3)), 1, "PNG"))
    with pytest.raises(ImageWriteError, match="cannot keep the pixel grid"):
        encode(codec.decode(data, "a"), 6)


def test_what_is_no_picture_is_not_turned() -> None:
    assert orientation(b"no picture") == 1


def test_labels_fit_as_they_did(run_here: Callable[..., Any], tmp_path: Path) -> None:
    """COCO, VOC and YOLO alike: the labels are carried over, and the picture has the pixels that they speak of."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(_file(_smooth((24, 40, 3)), 6, "JPEG"))
    coco = {"images": [{"file_name": "a.jpg", "width": 40, "height": 24}], "annotations": [{"bbox": [2, 3, 8, 8]}]}
    (folder / "coco.json").write_text(json.dumps(coco))
    (folder / "a.txt").write_text("0 0.15 0.3 0.2 0.3\n")
    totals = run_here(folder)
    assert (totals.done, totals.labels) == (1, 2)
    with PillowImage.open(tmp_path / "out" / "a.jpg") as new:
        assert new.size == (40, 24)
        assert dict(new.getexif()) == {0x0112: 6}
