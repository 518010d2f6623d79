"""Files come back as the kind that went in, upright, and with nothing in them that tells on people."""

import io
import itertools
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms, features
from PIL.PngImagePlugin import PngInfo

from deid.core.errors import ImageReadError, ImageWriteError
from deid.imaging import atomic, codec, deep_colour, plugins

H, W = 40, 56


def _rgb(shift: int = 0) -> np.ndarray:
    y, x = np.mgrid[:H, :W]
    return np.roll(np.stack([x * 4, y * 6, (x + y) * 2], axis=-1).astype(np.uint8), shift, axis=1)


def _grey() -> np.ndarray:
    return _rgb()[..., 0]


def _pillow(mode: str, shift: int = 0) -> PillowImage.Image:
    if mode == "I;16":
        return PillowImage.fromarray(_deep())
    if mode in {"RGBA", "LA"}:
        picture = PillowImage.fromarray(_rgb(shift)).convert(mode)
        picture.putalpha(PillowImage.fromarray(_alpha()))
        return picture
    if mode == "P":
        return PillowImage.fromarray(_rgb(shift)).quantize(64)
    return PillowImage.fromarray(_rgb(shift)).convert(mode)


def _alpha() -> np.ndarray:
    alpha = np.full((H, W), 255, np.uint8)
    alpha[:, : W // 2] = 90
    return alpha


def _deep() -> np.ndarray:
    """Every low byte occurs: 8 bits would lose it."""
    return (np.arange(H * W, dtype=np.uint32).reshape(H, W) * 29).astype(np.uint16)


def _file(picture: PillowImage.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def _read(data: bytes, tmp_path: Path, name: str = "photo.bin", **options: Any) -> codec.Picture:
    path = tmp_path / name
    path.write_bytes(data)
    return codec.read(path, **options)


def _again(data: bytes, tmp_path: Path) -> bytes:
    """Through `read` and `encode` without an edit."""
    picture = _read(data, tmp_path)
    return codec.encode(picture.with_frames([f.rgb for f in picture.frames]))


def _open(data: bytes) -> PillowImage.Image:
    picture = PillowImage.open(io.BytesIO(data))
    picture.load()
    return picture


# Name: (mode, format, options, mode that comes out, largest difference of a pixel).
STILLS: dict[str, tuple[str, str, dict[str, Any], str, int]] = {
    "jpeg": ("RGB", "JPEG", {"quality": 95}, "RGB", 6),
    "jpeg grey": ("L", "JPEG", {"quality": 95}, "L", 6),
    "jpeg progressive": ("RGB", "JPEG", {"quality": 95, "progressive": True}, "RGB", 6),
    "jpeg cmyk": ("CMYK", "JPEG", {"quality": 95}, "RGB", 40),
    "png": ("RGB", "PNG", {}, "RGB", 0),
    "png grey": ("L", "PNG", {}, "L", 0),
    "png bilevel": ("1", "PNG", {}, "L", 0),
    "png palette": ("P", "PNG", {}, "RGB", 0),
    "png rgba": ("RGBA", "PNG", {}, "RGBA", 0),
    "png grey alpha": ("LA", "PNG", {}, "LA", 0),
    "png 16 bit": ("I;16", "PNG", {}, "I;16", 0),
    "webp lossy": ("RGB", "WEBP", {"quality": 90}, "RGB", 25),
    "webp lossless": ("RGB", "WEBP", {"lossless": True}, "RGB", 0),
    "webp rgba": ("RGBA", "WEBP", {"lossless": True}, "RGBA", 0),
    "tiff": ("RGB", "TIFF", {}, "RGB", 0),
    "tiff lzw": ("RGB", "TIFF", {"compression": "tiff_lzw"}, "RGB", 0),
    "tiff grey": ("L", "TIFF", {}, "L", 0),
    "tiff rgba": ("RGBA", "TIFF", {}, "RGBA", 0),
    "tiff 16 bit": ("I;16", "TIFF", {}, "I;16", 0),
    "tiff cmyk": ("CMYK", "TIFF", {}, "RGB", 0),
    "bmp": ("RGB", "BMP", {}, "RGB", 0),
    "bmp grey": ("L", "BMP", {}, "L", 0),
    "gif": ("P", "GIF", {}, "P", 8),
    "ppm": ("RGB", "PPM", {}, "RGB", 0),
    "pgm": ("L", "PPM", {}, "L", 0),
    "tga": ("RGB", "TGA", {}, "RGB", 0),
    "xbm": ("1", "XBM", {}, "1", 0),
}


@pytest.mark.parametrize(("mode", "file_format", "options", "mode_out", "tolerance"), STILLS.values(), ids=STILLS.keys())
def test_still_comes_back_in_its_format(
    mode: str, file_format: str, options: dict[str, Any], mode_out: str, tolerance: int, tmp_path: Path
) -> None:
    data = _file(_pillow(mode), file_format, **options)
    before, after = _open(data), _open(_again(data, tmp_path))
    assert after.format == file_format
    assert after.mode == mode_out
    assert after.size == before.size
    if mode == "I;16":
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
        return
    difference = np.abs(np.asarray(after.convert("RGB")).astype(int) - np.asarray(before.convert("RGB")))
    assert difference.max() <= tolerance
    if before.has_transparency_data:
        np.testing.assert_array_equal(np.asarray(after.getchannel("A")), _alpha())


def test_jpeg_keeps_its_compression(tmp_path: Path) -> None:
    """The same tables and subsampling: no second, harsher loss, and no swollen file."""
    data = _file(_pillow("RGB"), "JPEG", quality=60, subsampling="4:2:0")
    before, after = _open(data), _open(_again(data, tmp_path))
    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert after.layer == before.layer  # type: ignore[attr-defined]


def test_lossless_webp_with_a_large_profile_stays_lossless(tmp_path: Path) -> None:
    data = _file(_pillow("RGB"), "WEBP", lossless=True, icc_profile=os.urandom(9001))
    after = _open(_again(data, tmp_path))
    np.testing.assert_array_equal(np.asarray(after), _rgb())


PALETTE_TRANSPARENCY = {"one index": 3, "per index": bytes(range(0, 256, 4))}


@pytest.mark.parametrize("transparency", PALETTE_TRANSPARENCY.values(), ids=PALETTE_TRANSPARENCY.keys())
def test_palette_with_transparency_keeps_its_alpha(transparency: int | bytes, tmp_path: Path) -> None:
    data = _file(_pillow("P"), "PNG", transparency=transparency)
    before, after = _open(data).convert("RGBA"), _open(_again(data, tmp_path))
    assert np.asarray(before)[..., 3].min() < 255
    np.testing.assert_array_equal(np.asarray(after.convert("RGBA")), np.asarray(before))


def test_gif_keeps_its_transparency(tmp_path: Path) -> None:
    data = _file(_pillow("P"), "GIF", transparency=3)
    before, after = _open(data).convert("RGBA"), _open(_again(data, tmp_path)).convert("RGBA")
    hidden = np.asarray(before)[..., 3] == 0
    assert hidden.any()
    np.testing.assert_array_equal(np.asarray(after)[..., 3] == 0, hidden)


def _turns() -> dict[int, Callable[[np.ndarray], np.ndarray]]:
    """What a viewer does for each EXIF orientation."""
    return {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_exif_orientation_is_applied_and_dropped(orientation: int, mode: str, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    data = _file(_pillow(mode), "PNG", exif=exif)
    assert _open(data).getexif()[0x0112] == orientation
    out = _again(data, tmp_path)
    np.testing.assert_array_equal(np.asarray(_open(out)), _turns()[orientation](np.asarray(_pillow(mode))))
    assert not _open(out).getexif()


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_orientation_of_a_jpeg(orientation: int, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    out = _open(_again(_file(_pillow("RGB"), "JPEG", quality=95, exif=exif), tmp_path))
    assert np.abs(np.asarray(out).astype(int) - _turns()[orientation](_rgb())).mean() < 3


ANIMATIONS: dict[str, tuple[str, dict[str, Any], int]] = {
    "gif": ("GIF", {"loop": 3}, 24),
    "apng": ("PNG", {"loop": 2}, 0),
    "webp lossless": ("WEBP", {"loop": 5, "lossless": True}, 0),
    "webp lossy": ("WEBP", {"loop": 0, "quality": 90}, 40),
}
if features.check("avif"):
    ANIMATIONS["avif"] = ("AVIF", {}, 60)


@pytest.mark.parametrize(("file_format", "options", "tolerance"), ANIMATIONS.values(), ids=ANIMATIONS.keys())
def test_animation_keeps_frames_durations_and_loop(file_format: str, options: dict[str, Any], tolerance: int, tmp_path: Path) -> None:
    frames = [_pillow("RGB", shift) for shift in (0, 9, 18, 27)]
    durations = [100, 250, 40, 700]
    data = _file(frames[0], file_format, save_all=True, append_images=frames[1:], duration=durations, **options)
    picture = _read(data, tmp_path)
    assert [f.duration_ms for f in picture.frames] == durations
    before, after = PillowImage.open(io.BytesIO(data)), PillowImage.open(io.BytesIO(codec.encode(picture)))
    assert after.format == file_format
    assert after.n_frames == 4  # type: ignore[attr-defined]
    assert after.info.get("loop") == before.info.get("loop")
    for i, expected in enumerate(durations):
        before.seek(i)
        after.seek(i)
        after.load()
        assert after.info["duration"] == expected
        difference = np.abs(np.asarray(after.convert("RGB")).astype(int) - np.asarray(before.convert("RGB")))
        assert difference.max() <= tolerance


def test_gif_that_plays_once_plays_once(tmp_path: Path) -> None:
    frames = [_pillow("RGB", shift) for shift in (0, 9)]
    data = _file(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert "loop" not in PillowImage.open(io.BytesIO(data)).info
    assert "loop" not in PillowImage.open(io.BytesIO(_again(data, tmp_path))).info


def test_animation_with_alpha_keeps_it(tmp_path: Path) -> None:
    frames = [_pillow("RGBA", shift) for shift in (0, 9)]
    after = PillowImage.open(io.BytesIO(_again(_file(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100), tmp_path)))
    for i in range(2):
        after.seek(i)
        np.testing.assert_array_equal(np.asarray(after.convert("RGBA")), np.asarray(frames[i]))


def test_tiff_pages_keep_size_and_mode(tmp_path: Path) -> None:
    pages = [_pillow("L"), _pillow("RGB").resize((30, 20)), _pillow("I;16"), _pillow("RGBA")]
    data = _file(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    after = PillowImage.open(io.BytesIO(_again(data, tmp_path)))
    assert after.n_frames == 4  # type: ignore[attr-defined]
    for i, page in enumerate(pages):
        after.seek(i)
        assert (after.mode, after.size) == (page.mode, page.size)
        np.testing.assert_array_equal(np.asarray(after), np.asarray(page))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [16, 12], ids=["full range", "12 bits in 16"])
def test_deep_samples_outside_an_edit_are_exact(file_format: str, bits: int, tmp_path: Path) -> None:
    deep = _deep() >> (16 - bits)
    picture = _read(_file(PillowImage.fromarray(deep), file_format), tmp_path)
    rgb = picture.frames[0].rgb.copy()
    # A detector must see something on 12 bits, too.
    assert rgb.max() > 200
    rgb[10:20, 30:40] = 255 - rgb[10:20, 30:40]
    after = np.asarray(_open(codec.encode(picture.with_frames([rgb]))))
    assert after.dtype == np.uint16
    edited = np.zeros(deep.shape, bool)
    edited[10:20, 30:40] = True
    np.testing.assert_array_equal(after[~edited], deep[~edited])
    level = 2**bits / 256
    assert np.abs(after[edited] / level - rgb[edited].mean(axis=1)).max() <= 2


def test_samples_beyond_16_bits_are_not_cut_off(tmp_path: Path) -> None:
    """A clipped photo would be white, and no face in it would be found."""
    wide = np.linspace(0, 4_000_000, H * W).reshape(H, W)
    for samples in (wide.astype(np.int32), wide.astype(np.float32), -wide.astype(np.int32)):
        picture = _read(_file(PillowImage.fromarray(samples), "TIFF"), tmp_path)
        grey = picture.frames[0].rgb[..., 0]
        assert len(np.unique(grey)) > 200
        assert np.asarray(_open(codec.encode(picture))).shape == (H, W)


MARKERS = [b"MARKER_EXIF", b"MARKER_GPS", b"MARKER_THUMB", b"MARKER_XMP", b"MARKER_COMMENT"]


def _exif() -> bytes:
    exif = PillowImage.Exif()
    exif[0x010E] = "MARKER_EXIF"
    exif.get_ifd(0x8825)[0x1B] = b"MARKER_GPS"
    # A thumbnail is data behind the directories.
    return exif.tobytes() + b"MARKER_THUMB"


def _marked_jpeg() -> bytes:
    return _file(_pillow("RGB"), "JPEG", exif=_exif(), xmp=b"<x:xmpmeta>MARKER_XMP</x:xmpmeta>", comment=b"MARKER_COMMENT")


def _marked_png() -> bytes:
    text = PngInfo()
    text.add_text("Comment", "MARKER_COMMENT")
    text.add_itxt("XML:com.adobe.xmp", "MARKER_XMP")
    return _file(_pillow("RGB"), "PNG", exif=_exif(), pnginfo=text)


def _marked_webp() -> bytes:
    return _file(_pillow("RGB"), "WEBP", exif=_exif(), xmp=b"MARKER_XMP MARKER_COMMENT")


def _marked_tiff() -> bytes:
    exif = PillowImage.Exif()
    exif.load(_exif())
    exif[0x013B] = "MARKER_COMMENT MARKER_THUMB"
    exif[0x02BC] = b"MARKER_XMP"
    return _file(_pillow("RGB"), "TIFF", exif=exif)


def _marked_gif() -> bytes:
    return _file(_pillow("P"), "GIF", comment=b" ".join(MARKERS))


MARKED = {"JPEG": _marked_jpeg, "PNG": _marked_png, "WEBP": _marked_webp, "TIFF": _marked_tiff, "GIF": _marked_gif}


@pytest.mark.parametrize("make", MARKED.values(), ids=MARKED.keys())
def test_metadata_is_gone(make: Callable[[], bytes], tmp_path: Path) -> None:
    data = make()
    assert [m for m in MARKERS if m not in data] == []
    out = _again(data, tmp_path)
    assert [m for m in MARKERS if m in out] == []
    after = _open(out)
    assert not {"exif", "xmp", "comment", "XML:com.adobe.xmp", "photoshop"} & set(after.info)
    if after.format != "TIFF":
        assert not after.getexif()


def test_metadata_between_the_frames_is_gone(tmp_path: Path) -> None:
    frames = [_pillow("RGB", shift) for shift in (0, 9)]
    for options in ({"format": "WEBP", "exif": _exif(), "xmp": b"MARKER_XMP"}, {"format": "GIF", "comment": b"MARKER_COMMENT"}):
        buffer = io.BytesIO()
        frames[0].save(buffer, save_all=True, append_images=frames[1:], duration=50, **options)  # type: ignore[arg-type]
        assert b"MARKER" in buffer.getvalue()
        assert b"MARKER" not in _again(buffer.getvalue(), tmp_path)


def _profile(secret: bytes = b"") -> bytes:
    """sRGB, with a private tag that holds something."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count, table = int.from_bytes(plain[128:132], "big"), 132
    rows = [struct.unpack(">4sII", plain[table + 12 * i :][:12]) for i in range(count)]
    moved = b"".join(struct.pack(">4sII", name, start + 12, size) for name, start, size in rows)
    own = struct.pack(">4sII", b"MINE", len(plain) + 12, len(secret))
    body = struct.pack(">I", count + 1) + moved + own + plain[table + 12 * count :] + secret
    return struct.pack(">I", 128 + len(body)) + plain[4:128] + body


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_icc_profile_keeps_its_colours_alone(file_format: str, tmp_path: Path) -> None:
    if file_format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    given = _profile(b"MARKER_NAME of the photographer" + _file(_pillow("RGB"), "JPEG"))
    out = _again(_file(_pillow("RGB"), file_format, icc_profile=given), tmp_path)
    kept = _open(out).info["icc_profile"]
    assert b"MARKER_NAME" not in out
    assert b"JFIF" not in kept
    colours = PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    lab = [
        np.asarray(
            ImageCms.profileToProfile(colours, ImageCms.ImageCmsProfile(io.BytesIO(p)), ImageCms.createProfile("LAB"), outputMode="LAB")
        )
        for p in (given, kept)
    ]
    np.testing.assert_array_equal(*lab)


def test_profile_that_is_none_goes_and_is_named(tmp_path: Path) -> None:
    picture = _read(_file(_pillow("RGB"), "PNG", icc_profile=b"MARKER_NAME" * 40), tmp_path)
    assert b"MARKER_NAME" not in codec.encode(picture)
    assert any("colour profile" in note for note in picture.notes)


def test_profile_of_another_colour_model_goes(tmp_path: Path) -> None:
    out = _again(_file(_pillow("CMYK"), "JPEG", icc_profile=b"made for ink"), tmp_path)
    assert b"made for ink" not in out


def _png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9_000)) + chunk(b"IEND", b"")


def _truncated(file_format: str, **options: Any) -> bytes:
    data = _file(_pillow("RGB"), file_format, **options)
    return data[: len(data) * 6 // 10]


def _truncated_animation(file_format: str) -> bytes:
    frames = [_pillow("RGB", shift) for shift in (0, 9, 18)]
    data = _file(frames[0], file_format, save_all=True, append_images=frames[1:], duration=50)
    return data[: len(data) * 8 // 10]


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "text": (b"This is a letter and no picture.\n" * 20, "not an image of a known format"),
    "only a jpeg's first bytes": (b"\xff\xd8\xff\xe0", ""),
    "zeros": (b"\0" * 5000, ""),
    "truncated jpeg": (_truncated("JPEG"), "Truncated"),
    "truncated png": (_truncated("PNG"), ""),
    "truncated webp": (_truncated("WEBP"), ""),
    "truncated tiff": (_truncated("TIFF"), ""),
    "truncated bmp": (_truncated("BMP"), "truncated"),
    "truncated gif": (_truncated("GIF"), ""),
    "truncated animated gif": (_truncated_animation("GIF"), ""),
    "truncated animated png": (_truncated_animation("PNG"), ""),
    "truncated animated webp": (_truncated_animation("WEBP"), ""),
    "truncated multi-page tiff": (_truncated_animation("TIFF"), ""),
    "bomb": (_png_header(30_000, 30_000), "pixels"),
    "larger than the limit": (_png_header(15_900, 15_900), "pixels"),
    "no pixels": (_png_header(0, 0), ""),
}


@pytest.mark.parametrize(("data", "reason"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_file_is_refused_by_name_and_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=rf"cannot read .*holiday\.jpg: .*{reason}") as caught:
        _read(data, tmp_path, "holiday.jpg")
    assert not str(caught.value).rstrip().endswith(":")


def test_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(13_000, 13_000))
    tracemalloc.start()
    with pytest.raises(ImageReadError, match="13000 x 13000 is more than 100000000 pixels, the limit max_pixels"):
        codec.read(path, max_pixels=100_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_the_frames_count_towards_the_limit(tmp_path: Path) -> None:
    frames = [_pillow("RGB", shift) for shift in (0, 9, 18)]
    data = _file(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert len(_read(data, tmp_path, max_pixels=3 * H * W).frames) == 3
    with pytest.raises(ImageReadError, match="3 frames is more than"):
        _read(data, tmp_path, max_pixels=3 * H * W - 1)


def test_a_large_page_behind_a_small_one_is_refused(tmp_path: Path) -> None:
    data = _file(_pillow("L").resize((2, 2)), "TIFF", save_all=True, append_images=[PillowImage.new("L", (2000, 2000))])
    with pytest.raises(ImageReadError, match="2000 x 2000 in 2 frames is more than 1000000 pixels"):
        _read(data, tmp_path, max_pixels=1_000_000)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_one_pixel(file_format: str, tmp_path: Path) -> None:
    out = _open(_again(_file(PillowImage.new("RGB", (1, 1), (9, 120, 200)), file_format), tmp_path))
    assert (out.format, out.size) == (file_format, (1, 1))


def test_damaged_files_give_a_picture_or_our_own_error(tmp_path: Path) -> None:
    """Bytes changed at random: never another error, never a warning."""
    frames = [_pillow("RGB", shift) for shift in (0, 9, 18)]
    files = [_marked_jpeg(), _marked_png(), _marked_webp(), _marked_tiff(), _marked_gif(), _file(_pillow("RGB"), "BMP")]
    files += [_file(frames[0], f, save_all=True, append_images=frames[1:], duration=50) for f in ("GIF", "PNG", "WEBP")]
    rng = np.random.default_rng(0)
    n_refused = 0
    for data, _ in itertools.product(files, range(40)):
        damaged = bytearray(data)
        reach = len(damaged) if rng.random() < 0.5 else 200
        for place in rng.integers(min(reach, len(damaged)), size=rng.integers(1, 10)):
            damaged[place] = rng.integers(256)
        try:
            picture = _read(bytes(damaged), tmp_path, max_pixels=1_000_000)
            assert all(f.rgb.dtype == np.uint8 and f.rgb.ndim == 3 for f in picture.frames)
        except ImageReadError:
            n_refused += 1
    assert 0 < n_refused < len(files) * 40


@pytest.mark.parametrize("name", ["missing.jpg", "folder"])
def test_what_is_no_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageReadError, match=name):
        codec.read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.jpg"
    path.write_bytes(_file(_pillow("RGB"), "JPEG"))
    path.chmod(0)
    with pytest.raises(ImageReadError, match=r"locked\.jpg: Permission denied"):
        codec.read(path)


def test_other_frames_than_were_read_are_refused(tmp_path: Path) -> None:
    picture = _read(_file(_pillow("RGB"), "PNG"), tmp_path)
    with pytest.raises(ValueError, match="expected 1 frames, got 2"):
        picture.with_frames([_rgb(), _rgb()])
    with pytest.raises(ValueError, match="expected an image of"):
        picture.with_frames([_rgb()[:10]])


def test_format_that_cannot_be_written(tmp_path: Path) -> None:
    picture = _read(_file(_pillow("RGB"), "PNG"), tmp_path)
    with pytest.raises(ImageWriteError, match="cannot write NOSUCH"):
        codec.encode(picture, "NOSUCH")


def test_write_puts_the_bytes_there_and_nothing_else(tmp_path: Path) -> None:
    atomic.write(b"hello", tmp_path / "new" / "folder" / "a.jpg")
    assert (tmp_path / "new/folder/a.jpg").read_bytes() == b"hello"
    assert [p.name for p in (tmp_path / "new/folder").iterdir()] == ["a.jpg"]


def test_write_replaces_only_when_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    with pytest.raises(ImageWriteError, match=r"a\.jpg: it exists; pass --overwrite"):
        atomic.write(b"new", path)
    assert path.read_bytes() == b"old"
    atomic.write(b"new", path, overwrite=True)
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]


def test_write_honours_the_umask(tmp_path: Path) -> None:
    atomic.write(b"x", tmp_path / "a.jpg")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.jpg").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("overwrite", [False, True])
def test_dangling_link_as_target(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "nowhere.jpg")
    if overwrite:
        atomic.write(b"new", tmp_path / "a.jpg", overwrite=True)
        assert (tmp_path / "a.jpg").read_bytes() == b"new"
    else:
        with pytest.raises(ImageWriteError, match="it exists"):
            atomic.write(b"new", tmp_path / "a.jpg")
    assert not (tmp_path / "nowhere.jpg").exists()


def test_target_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    (tmp_path / "folder.jpg").mkdir()
    for target, reason in (
        (tmp_path / "file" / "a.jpg", "Not a directory"),
        (tmp_path / "file" / "deeper" / "a.jpg", "Not a directory"),
        (tmp_path / "folder.jpg", "Is a directory"),
    ):
        with pytest.raises(ImageWriteError, match=rf"{target.name}: {reason}"):
            atomic.write(b"new", target, overwrite=True)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder.jpg"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(ImageWriteError, match=r"a\.jpg: Permission denied"):
        atomic.write(b"new", tmp_path / "locked" / "a.jpg")


def test_write_without_anonymous_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems other than Linux have none: a hidden name until the file is whole, and nothing left after an error."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "a.jpg"
    atomic.write(b"one", path)
    with pytest.raises(ImageWriteError, match="it exists"):
        atomic.write(b"two", path)
    atomic.write(b"three", path, overwrite=True)
    assert path.read_bytes() == b"three"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]


def test_max_pixels_is_the_limit_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own would refuse what ours allows."""
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    data = _file(_pillow("RGB"), "PNG")
    assert _read(data, tmp_path).frames[0].rgb.shape == (H, W, 3)
    assert PillowImage.MAX_IMAGE_PIXELS == 100
    with pytest.raises(ImageReadError, match="max_pixels"):
        _read(data, tmp_path, max_pixels=150)


def test_alpha_that_holds_a_picture_is_looked_at_and_edited(tmp_path: Path) -> None:
    ink = PillowImage.new("RGB", (W, H))
    ink.putalpha(PillowImage.fromarray(255 - _grey()))
    picture = _read(_file(ink, "PNG"), tmp_path)
    frame, look = picture.frames
    np.testing.assert_array_equal(look.rgb, np.repeat(_grey()[..., None], 3, axis=2))
    edited = look.rgb.copy()
    edited[5:15, 5:25] = 128
    after = _open(codec.encode(picture.with_frames([frame.rgb, edited])))
    alpha = np.asarray(after.getchannel("A"))
    assert (alpha[5:15, 5:25] == 127).all()
    alpha = alpha.copy()
    alpha[5:15, 5:25] = (255 - _grey())[5:15, 5:25]
    np.testing.assert_array_equal(alpha, 255 - _grey())
    assert after.mode == "RGBA"


@pytest.mark.parametrize("alpha", ["flat", "outline"])
def test_alpha_that_is_a_stencil_is_no_picture(alpha: str, tmp_path: Path) -> None:
    ink = PillowImage.fromarray(_rgb())
    mask = np.full((H, W), 200, np.uint8)
    if alpha == "outline":
        mask[5:30, 5:40] = 0
    ink.putalpha(PillowImage.fromarray(mask))
    assert len(_read(_file(ink, "PNG"), tmp_path).frames) == 1


def test_associated_alpha_comes_out_as_it_is_shown(tmp_path: Path) -> None:
    """TIFF may hold colours that are multiplied with their alpha already; written as if they were not, they are too dark."""
    alpha = np.full((H, W), 128, np.uint8)
    pixels = np.dstack([_rgb() // 2, alpha])
    plain = bytearray(_file(PillowImage.fromarray(pixels, "RGBA"), "TIFF"))
    at = plain.find(struct.pack("<HHI", 338, 3, 1))
    plain[at + 8] = 1
    before, after = _open(bytes(plain)), _open(_again(bytes(plain), tmp_path))
    shown = [np.asarray(p.convert("RGBA")).astype(int) for p in (before, after)]
    assert np.abs(shown[0][..., :3] - _rgb()).max() <= 3
    np.testing.assert_array_equal(*shown)


def _hot(samples: np.ndarray) -> np.ndarray:
    samples[0, 0] = 65535
    return samples


DEEP_RANGES = {
    "4 of 16 bits, one hot pixel": _hot(_deep() >> 12),
    "12 of 16 bits, one hot pixel": _hot(_deep() >> 4),
    "a narrow band": 30000 + (_deep() >> 8),
}


@pytest.mark.parametrize("deep", DEEP_RANGES.values(), ids=DEEP_RANGES.keys())
def test_deep_grey_is_seen_at_any_range(deep: np.ndarray, tmp_path: Path) -> None:
    rgb = _read(_file(PillowImage.fromarray(deep), "PNG"), tmp_path).frames[0].rgb
    assert int(np.percentile(rgb, 98)) - int(np.percentile(rgb, 2)) > 200


def test_dark_corner_of_a_bright_deep_scene_has_a_look_of_its_own(tmp_path: Path) -> None:
    deep = np.full((H, W), 60000, np.uint16)
    deep[:, : W * 2 // 3] = _deep()[:, : W * 2 // 3] >> 7
    picture = _read(_file(PillowImage.fromarray(deep), "PNG"), tmp_path)
    frame, look = picture.frames
    dark = np.s_[:, : W * 2 // 3]
    assert frame.rgb[dark].std() < 3 < 40 < look.rgb[dark].std()
    edited = look.rgb.copy()
    edited[8:20, 4:24] = 90
    after = np.asarray(_open(codec.encode(picture.with_frames([frame.rgb, edited]))))
    assert np.ptp(after[8:20, 4:24]) <= 1
    assert not (after == deep)[9:19, 5:23].any()
    after = after.copy()
    after[8:20, 4:24] = deep[8:20, 4:24]
    np.testing.assert_array_equal(after, deep)


def test_no_deep_sample_survives_under_a_cover(tmp_path: Path) -> None:
    """Where the cover gives a pixel the 8 bits that it had, as on a plain wall, its 16 bits must go as well."""
    deep = (20000 + np.random.default_rng(3).integers(0, 60, (H, W))).astype(np.uint16)
    deep[0] = np.linspace(0, 65535, W)
    picture = _read(_file(PillowImage.fromarray(deep), "PNG"), tmp_path)
    rgb = picture.frames[0].rgb.copy()
    rgb[5:35, 5:45] = cv2.GaussianBlur(rgb[5:35, 5:45], (0, 0), 4)
    edited = picture.with_frames([rgb, *(look.rgb for look in picture.frames[1:])])
    after = np.asarray(_open(codec.encode(edited)))
    assert len(np.unique(after[5:35, 5:45])) < 8
    assert not (after == deep)[6:34, 6:44].any()
    assert (after[:5] == deep[:5]).all()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_deep_colour_stays_deep(file_format: str, alpha: bool, orientation: int, tmp_path: Path) -> None:
    y, x = np.mgrid[:H, :W]
    deep = np.stack([x * 1100 + y, y * 1500 + x, (x + y) * 650 + 7], axis=2).astype(np.uint16)
    stored = np.dstack([deep, np.full((H, W), 40000, np.uint16)]) if alpha else deep
    profile = _profile()
    if file_format == "PNG":
        data = bytearray(deep_colour.png(stored, profile))
        exif = PillowImage.Exif()
        exif[0x0112] = orientation
        chunk = b"eXIf" + exif.tobytes()[6:]
        data[33:33] = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    else:
        data = bytearray(deep_colour.tiff(stored, profile, packed=True))
        orientation = 1
    picture = _read(bytes(data), tmp_path)
    upright = _turns()[orientation](deep)
    np.testing.assert_array_equal(picture.frames[0].deep, upright)
    rgb = picture.frames[0].rgb.copy()
    rgb[10:20, 12:30] = 90
    out = codec.encode(picture.with_frames([rgb]))
    after = cv2.imdecode(np.frombuffer(out, np.uint8), cv2.IMREAD_UNCHANGED)
    assert after.dtype == np.uint16
    assert after.shape[2] == (4 if alpha else 3)
    after = after[..., 2::-1].copy()
    assert np.ptp(after[10:20, 12:30].reshape(-1, 3), axis=0).max() <= 1
    after[10:20, 12:30] = upright[10:20, 12:30]
    np.testing.assert_array_equal(after, upright)
    assert _open(out).info["icc_profile"] == picture.icc_profile is not None


def test_deep_colour_that_cannot_stay_deep_is_named(tmp_path: Path) -> None:
    data = b"P6 4 4 65535\n" + bytes(4 * 4 * 6)
    assert "16 bits a channel became 8" in _read(data, tmp_path).notes


def test_still_of_an_animation_that_is_no_frame_of_it_stays_so(tmp_path: Path) -> None:
    still, *frames = (_pillow("RGB", shift) for shift in (0, 9, 18))
    data = _file(still, "PNG", save_all=True, default_image=True, append_images=frames, duration=[100, 300])
    after = PillowImage.open(io.BytesIO(_again(data, tmp_path)))
    assert after.n_frames == 3  # type: ignore[attr-defined]
    assert after.info["default_image"]
    for i, expected in enumerate((None, 100, 300)):
        after.seek(i)
        assert after.info.get("duration") == expected
        np.testing.assert_array_equal(np.asarray(after.convert("RGB")), np.asarray([still, *frames][i]))


def test_stereo_photo_keeps_both_views(tmp_path: Path) -> None:
    data = _file(_pillow("RGB"), "MPO", save_all=True, append_images=[_pillow("RGB", 9)], quality=95)
    picture = _read(data, tmp_path)
    assert len(picture.frames) == 2
    after = PillowImage.open(io.BytesIO(codec.encode(picture)))
    assert (after.format, after.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    after.seek(1)
    assert np.abs(np.asarray(after).astype(int) - _rgb(9)).mean() < 4


def test_preview_and_gain_map_of_a_photo_are_left_out_by_name(tmp_path: Path) -> None:
    preview = _file(_pillow("RGB"), "MPO", save_all=True, append_images=[_pillow("RGB", 9).resize((W // 2, H // 2))])
    both = _file(_pillow("RGB"), "MPO", save_all=True, append_images=[_pillow("RGB", 9)])
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'
    gain = both[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(xmp) + 2) + xmp + both[2:]
    for data, note in ((preview, "1 further pictures in the file"), (gain, "map of light or depth")):
        picture = _read(data, tmp_path)
        assert [n for n in picture.notes if note in n]
        after = PillowImage.open(io.BytesIO(codec.encode(picture)))
        assert (after.format, getattr(after, "n_frames", 1)) == ("JPEG", 1)


def test_suffixes_of_what_can_be_read() -> None:
    assert {".jpg", ".png", ".mpo", ".webp"} <= plugins.suffixes()
    assert not {".pdf", ".h5", ".grib"} & plugins.suffixes()


@pytest.mark.parametrize("file_format", ["HEIF", "AVIF"])
def test_photos_of_phones_come_back_without_what_lies_beside(file_format: str, tmp_path: Path) -> None:
    if file_format == "HEIF":
        pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif: pip install 'deid-face[heif]'")
        assert {".heic", ".heif"} <= plugins.suffixes()
    elif not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    _read(_file(_pillow("RGB"), "PNG"), tmp_path)
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x010E] = 6, "MARKER_EXIF"
    data = _file(_pillow("RGB"), file_format, exif=exif, xmp=b"<x:xmpmeta>MARKER_XMP</x:xmpmeta>", icc_profile=_profile(b"MARKER_ICC"))
    assert b"MARKER_EXIF" in data
    picture = _read(data, tmp_path)
    out = codec.encode(picture)
    after = _open(out)
    assert (after.format, b"MARKER" in out, bool(after.info.get("exif"))) == (file_format, False, False)
    assert after.size in {(H, W), (W, H)}
    assert np.abs(np.asarray(after).astype(int) - picture.frames[0].rgb).mean() < 4


def test_an_icon_keeps_its_largest_size_and_names_the_others() -> None:
    buffer = io.BytesIO()
    PillowImage.new("RGBA", (128, 128), (10, 200, 30, 255)).save(buffer, "ICO", sizes=[(128, 128), (48, 48), (16, 16)])
    picture = codec.decode(buffer.getvalue(), "x.ico")
    assert picture.notes == ("2 further sizes of the picture left out",)
    with PillowImage.open(io.BytesIO(codec.encode(picture))) as written:
        assert written.info["sizes"] == {(128, 128)}


def test_pictures_of_one_size_in_an_icon_are_named_too() -> None:
    """Icons hold one size in several depths."""
    one = _bytes(PillowImage.new("RGBA", (32, 32), (10, 200, 30, 255)), "ICO", sizes=[(32, 32)])
    entry, content = bytearray(one[6:22]), one[22:]
    entries = bytearray()
    for k in range(2):
        entry[12:16] = (6 + 2 * 16 + k * len(content)).to_bytes(4, "little")
        entries += entry
    picture = codec.decode(one[:4] + b"\2\0" + bytes(entries) + content * 2, "x.ico")
    assert picture.notes == ("1 further sizes of the picture left out",)
    assert int.from_bytes(codec.encode(picture)[4:6], "little") == 1


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_samples_that_fit_no_16_bits_become_8_and_that_is_said(dtype: type) -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray((np.arange(600).reshape(20, 30) * 1e4).astype(dtype)).save(buffer, "TIFF")
    assert codec.decode(buffer.getvalue(), "x.tif").notes == ("samples beyond 16 bits became 8 bits",)


def _bytes(picture: PillowImage.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def test_deep_grey_of_a_pgm_stays_deep() -> None:
    samples = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    data = b"P5\n50 40\n4095\n" + samples.astype(">u2").tobytes()
    picture = codec.decode(data, "x.pgm")
    again = codec.decode(codec.encode(picture), "y.pgm")
    assert picture.frames[0].deep is not None
    assert again.frames[0].deep is not None
    assert len(np.unique(again.frames[0].deep)) == 2000
    np.testing.assert_array_equal(again.frames[0].deep, picture.frames[0].deep)


def test_what_a_format_does_not_keep_is_said() -> None:
    grey16 = PillowImage.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16)
    assert codec.decode(_bytes(grey16, "JPEG2000"), "x.jp2").notes == ("16 bits a channel became 8",)
    cmyk = PillowImage.new("CMYK", (40, 30), (10, 20, 30, 40))
    assert codec.decode(_bytes(cmyk, "JPEG"), "x.jpg").notes == ("CMYK became RGB",)
    clear = cv2.imencode(".png", np.full((30, 40, 4), 30000, np.uint16))[1].tobytes()
    assert codec.decode(clear, "x.png").notes == ("16 bits of transparency became 8",)
    opaque = cv2.imencode(".png", np.full((30, 40, 4), 65535, np.uint16))[1].tobytes()
    assert codec.decode(opaque, "x.png").notes == ()


@pytest.mark.parametrize(
    ("behind", "note"),
    [
        (b"", ()),
        (b"\0" * 500, ()),
        (b"SEFHa camera's notes", ()),
        (b"\0\0\0\x18ftypmp42" + b"film" * 500, ("the video of a moving photo left out",)),
        (_bytes(PillowImage.new("RGB", (20, 20)), "JPEG"), ("a further picture behind the first left out",)),
    ],
)
def test_what_stands_behind_a_jpeg_is_left_out_by_name(behind: bytes, note: tuple[str, ...]) -> None:
    first = _bytes(PillowImage.new("RGB", (40, 30), (90, 80, 70)), "JPEG")
    picture = codec.decode(first + behind, "x.jpg")
    assert picture.notes == note
    assert behind[-20:] not in codec.encode(picture) or not behind.strip(b"\0")
