"""Data behind a picture are named, padding or not, in every format."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.imaging import codec
from deid.imaging.trailing_data import after_the_end, left_behind

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
_noise = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)


def _picture(file_format: str, n_frames: int = 1) -> bytes:
    file, pages = io.BytesIO(), [PillowImage.fromarray(np.roll(_noise, i, axis=1)) for i in range(n_frames)]
    more = {"save_all": True, "append_images": pages[1:], "duration": 40} if n_frames > 1 else {}
    pages[0].save(file, file_format, **more)
    return file.getvalue()


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("face.txt", "somebody")
    return file.getvalue()


BEHIND = {
    "a ZIP archive": (_archive(), "a ZIP archive behind the picture left out"),
    "a picture": (_picture("JPEG"), "a further picture behind the first left out"),
    "a PDF": (b"%PDF-1.7\n", "a PDF behind the picture left out"),
    "unknown data": (b"\x01\x02" * 40_000, "80000 bytes of unknown data behind the picture left out"),
}


@pytest.mark.parametrize("file_format", FORMATS)
def test_data_behind_a_picture_are_named(file_format: str) -> None:
    picture = _picture(file_format)
    assert left_behind(picture, file_format) == ""
    assert left_behind(picture + bytes(500) + b"\r\n", file_format) == ""
    for kind, (behind, words) in BEHIND.items():
        assert left_behind(picture + behind, file_format) == words, kind
        assert left_behind(picture + bytes(9) + behind, file_format) == words, kind


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_animations_end_behind_their_last_frame(file_format: str) -> None:
    picture = _picture(file_format, n_frames=3)
    assert left_behind(picture, file_format) == ""
    assert after_the_end(picture + b"x" * 7, file_format) == 7


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_codec_says_it_and_leaves_it_out(file_format: str) -> None:
    picture = codec.decode(_picture(file_format) + _archive(), f"a.{file_format.lower()}")
    assert picture.notes == ("a ZIP archive behind the picture left out",)
    assert b"face.txt" not in codec.encode(picture)


def test_a_cameras_notes_are_no_loss() -> None:
    assert left_behind(_picture("JPEG") + b"SEFHa camera's notes", "JPEG") == ""
    assert left_behind(_picture("PNG") + b"notes", "PNG") == "5 bytes of unknown data behind the picture left out"


def test_a_second_picture_is_counted_without_padding() -> None:
    picture = _picture("JPEG")
    assert after_the_end(picture + picture + bytes(9)) == len(picture)


@pytest.mark.parametrize("file_format", FORMATS)
def test_cut_files_have_nothing_behind(file_format: str) -> None:
    picture = _picture(file_format)
    for n in (0, 3, 12, 20, len(picture) // 2, len(picture) - 9):
        assert left_behind(picture[:n], file_format) == ""
