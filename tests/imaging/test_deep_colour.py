"""48-bit files are read as they are, and written so that others read them."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.imaging import deep_colour

DEEP = np.random.default_rng(0).integers(0, 65536, (7, 11, 4)).astype(np.uint16)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "packed TIFF"])
def test_what_is_written_is_read_by_two_others(channels: int, file_format: str) -> None:
    samples = DEEP[..., :channels]
    data = deep_colour.png(samples, None) if file_format == "PNG" else deep_colour.tiff(samples, None, "packed" in file_format)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read[..., 2::-1], samples[..., :3])
    if channels == 4:
        np.testing.assert_array_equal(read[..., 3], samples[..., 3])
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert deep_colour.is_deep(picture, data)
        np.testing.assert_array_equal(np.asarray(picture)[..., :3], samples[..., :3] >> 8)


def test_other_files_are_not_deep() -> None:
    for mode, file_format in (("RGB", "PNG"), ("L", "PNG"), ("I;16", "PNG"), ("RGB", "TIFF"), ("RGB", "PPM"), ("RGB", "JPEG")):
        buffer = io.BytesIO()
        PillowImage.new(mode, (5, 4)).save(buffer, file_format)
        with PillowImage.open(buffer) as picture:
            assert not deep_colour.is_deep(picture, buffer.getvalue())


def test_two_readers_that_disagree_are_believed_neither() -> None:
    data = deep_colour.png(DEEP[..., :3], None)
    with PillowImage.open(io.BytesIO(data)) as picture:
        rgb = np.asarray(picture).copy()
        assert deep_colour.read(picture, data, rgb) is not None
        rgb[3, 3] ^= 0x40
        assert deep_colour.read(picture, data, rgb) is None
        assert deep_colour.read(picture, data[:80], np.asarray(picture)) is None
