"""What a file says besides its picture is seen, and what only says how to show it is not held against it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import PngImagePlugin

from deid.check.metadata import left_in
from deid.imaging.trailing_data import after_the_end

PICTURE = PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))


def _exif(**tags: object) -> PillowImage.Exif:
    exif = PillowImage.Exif()
    for name, value in tags.items():
        exif[{"make": 0x010F, "orientation": 0x0112}[name]] = value
    return exif


def test_a_plain_picture_has_none(tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "webp", "tiff", "gif", "bmp"):
        PICTURE.save(tmp_path / f"a.{suffix}")
        assert left_in(tmp_path / f"a.{suffix}") == (), suffix


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_is_named(suffix: str, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / f"a.{suffix}", exif=_exif(make="Camera", orientation=1))
    assert left_in(tmp_path / f"a.{suffix}") == ("EXIF: Make",)


def test_gps_is_named(tmp_path: Path) -> None:
    exif = _exif(orientation=6)
    exif.get_ifd(0x8825)[1] = "N"
    PICTURE.save(tmp_path / "a.jpg", exif=exif)
    assert left_in(tmp_path / "a.jpg") == ("EXIF: GPSInfo",)


def test_orientation_alone_is_harmless(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.jpg", exif=_exif(orientation=6))
    assert left_in(tmp_path / "a.jpg") == ()


def test_texts_comments_and_xmp(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    PICTURE.save(tmp_path / "a.png", pnginfo=info)
    PICTURE.save(tmp_path / "a.jpg", comment=b"somebody")
    PICTURE.save(tmp_path / "b.jpg", xmp=b"<x:xmpmeta/>")
    assert [left_in(tmp_path / name) for name in ("a.png", "a.jpg", "b.jpg")] == [("text: Author",), ("a comment",), ("XMP",)]


def test_what_follows_the_picture_is_seen(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.jpg", quality=95)
    data = (tmp_path / "a.jpg").read_bytes()
    assert after_the_end(data) == 0
    assert after_the_end(data + b"\0" * 100) == 0
    (tmp_path / "b.jpg").write_bytes(data + b"ftypmp42" * 4)
    assert left_in(tmp_path / "b.jpg") == ("32 bytes after the picture",)


def test_further_pictures_of_an_mpo_are_no_rest_but_tell_as_the_first_does(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.mpo", save_all=True, append_images=[PICTURE.rotate(90), PICTURE.rotate(180)])
    assert left_in(tmp_path / "a.mpo") == ()
    (tmp_path / "b.mpo").write_bytes((tmp_path / "a.mpo").read_bytes() + b"ftypmp42" * 4)
    assert left_in(tmp_path / "b.mpo") == ("32 bytes after the picture",)
    second = PICTURE.rotate(90)
    second.encoderinfo = {"exif": _exif(make="Camera")}
    PICTURE.save(tmp_path / "c.mpo", save_all=True, append_images=[second])
    assert left_in(tmp_path / "c.mpo") == ("EXIF: Make",)


def test_no_picture_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    assert left_in(tmp_path / "a.jpg") == ()
