"""Which files are pictures by their names, with and without what is optional."""

import pytest

from deid import image, kinds


def test_a_heic_photo_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "known_suffixes", lambda: {".jpg"})
    assert kinds.why_not("IMG_1.HEIC") == "a HEIC photo needs pillow-heif: pip install 'deid-face[heif]'"
    assert kinds.is_foreign("IMG_1.HEIC")
    monkeypatch.setattr(kinds, "known_suffixes", lambda: {".jpg", ".heic"})
    monkeypatch.setattr(kinds, "is_written", lambda suffix: True)
    assert kinds.why_not("IMG_1.HEIC") == ""
    assert not kinds.is_foreign("IMG_1.HEIC")


def test_a_heic_photo_is_a_picture_with_its_package() -> None:
    pytest.importorskip("pillow_heif", reason="HEIC photos need pillow-heif: pip install 'deid-face[heif]'")
    assert {".heic", ".heif"} <= kinds.known_suffixes()
    assert kinds.is_written(".heic")


def test_pictures_are_what_the_reader_reads() -> None:
    assert kinds.known_suffixes() == image.suffixes()


@pytest.mark.parametrize("name", ["a.JPG", "a.png", "a.mpo", "a.webp", "b.c.tiff"])
def test_pictures(name: str) -> None:
    assert kinds.why_not(name) == ""


def test_a_raw_photo_is_never_taken_for_the_tiff_that_it_is() -> None:
    assert kinds.is_foreign("IMG_1.dng")
    assert not kinds.is_foreign("IMG_1")
