"""Which files are pictures by their names, with and without what is optional."""

import pytest

from deid.imaging import formats, plugins


def test_a_heic_photo_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "known_suffixes", lambda: {".jpg"})
    assert formats.why_not("IMG_1.HEIC") == "a HEIC photo needs pillow-heif: pip install 'deid-face[heif]'"
    assert formats.is_foreign("IMG_1.HEIC")
    monkeypatch.setattr(formats, "known_suffixes", lambda: {".jpg", ".heic"})
    monkeypatch.setattr(formats, "is_written", lambda suffix: True)
    assert formats.why_not("IMG_1.HEIC") == ""
    assert not formats.is_foreign("IMG_1.HEIC")


def test_a_heic_photo_is_a_picture_with_its_package() -> None:
    pytest.importorskip("pillow_heif", reason="HEIC photos need pillow-heif: pip install 'deid-face[heif]'")
    assert {".heic", ".heif"} <= formats.known_suffixes()
    assert formats.is_written(".heic")


def test_pictures_are_what_the_reader_reads() -> None:
    assert formats.known_suffixes() == plugins.suffixes()


@pytest.mark.parametrize("name", ["a.JPG", "a.png", "a.mpo", "a.webp", "b.c.tiff"])
def test_pictures(name: str) -> None:
    assert formats.why_not(name) == ""


def test_a_raw_photo_is_never_taken_for_the_tiff_that_it_is() -> None:
    assert formats.is_foreign("IMG_1.dng")
    assert not formats.is_foreign("IMG_1")
