"""What stands behind a JPEG's picture is named, padding or not."""

import io

import numpy as np
from PIL import Image as PillowImage

from deid.imaging.behind import after_the_end, left_behind


def test_a_second_picture_is_named_before_padding() -> None:
    file = io.BytesIO()
    PillowImage.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(file, "JPEG")
    picture = file.getvalue()
    assert left_behind(picture + bytes(9)) == ""
    assert left_behind(picture + picture + bytes(9)) == "a further picture behind the first left out"
    assert after_the_end(picture + picture + bytes(9)) == len(picture)
