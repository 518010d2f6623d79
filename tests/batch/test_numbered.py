"""The picture of --debug shows the output, and on it each face's box and number of the report."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from deid.batch import numbered
from deid.core.errors import ConfigError
from deid.core.types import Detection, FaceResult, ImageResult, KeptFace, Verification

GREY = 77


def _face(x: float, status: str) -> FaceResult:
    check = Verification((), False, 0.0, 0.5, 0.5, None)
    return FaceResult(Detection(np.array([x, 30.0, x + 30, 70.0])), "blur", status, check)  # type: ignore[arg-type]


def _frame(*faces: FaceResult, kept: tuple[KeptFace, ...] = ()) -> ImageResult:
    return ImageResult(np.full((100, 200, 3), GREY, np.uint8), faces, 1, kept)


def test_every_face_has_its_box_and_the_rest_is_the_output() -> None:
    kept = KeptFace(Detection(np.array([150.0, 30.0, 180.0, 70.0])), "asked")
    frame = _frame(_face(10, "passed"), _face(60, "fallback"), kept=(kept,))
    shown = np.asarray(numbered.drawn(frame))
    for x, status in ((10, "passed"), (60, "fallback"), (150, "kept")):
        assert (shown[30:70, x] == numbered.COLOURS[status]).all()
        # A dark field with the number above each box.
        assert (shown[10:30, x : x + 12] == 0).any()
        np.testing.assert_array_equal(shown[40:60, x + 5 : x + 25], GREY)
    np.testing.assert_array_equal(shown[80:], GREY)
    assert (frame.image == GREY).all()
    assert [face["number"] for face in frame.to_dict()["faces"]] == [1, 2, 3]


@pytest.mark.parametrize("box", [[-5.0, -9.0, 20.0, 25.0], [180.0, 80.0, 260.0, 140.0], [10.0, 10.0, 10.4, 10.4]])
def test_boxes_over_the_border_are_drawn(box: list[float]) -> None:
    face = FaceResult(Detection(np.array(box)), "blur", "passed", Verification((), False, 0.0, 0.5, 0.5, None))
    shown = np.asarray(numbered.drawn(_frame(face)))
    assert shown.shape == (100, 200, 3)
    assert (shown != GREY).any()


def test_names_follow_the_outputs(tmp_path: Path) -> None:
    out, frame = tmp_path / "out", _frame(_face(10, "passed"))
    numbered.write(out / "sub" / "a.jpg", (frame, _frame(), frame), out, tmp_path / "run.faces")
    numbered.write(out / "empty.jpg", (_frame(),), out, tmp_path / "run.faces")
    written = {path.relative_to(tmp_path / "run.faces").as_posix() for path in (tmp_path / "run.faces").rglob("*.png")}
    assert written == {"sub/a.jpg.png", "sub/a.jpg.3.png"}
    with PillowImage.open(tmp_path / "run.faces/sub/a.jpg.png") as picture:
        assert picture.size == (200, 100)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    photos, folder = tmp_path / "photos", tmp_path / "run.faces"
    for made in (photos, folder):
        made.mkdir()
    numbered.check(folder, [photos], tmp_path / "out", overwrite=False)
    with pytest.raises(ConfigError, match="inside the input"):
        numbered.check(photos / "run.faces", [photos], tmp_path / "out", overwrite=True)
    with pytest.raises(ConfigError, match="is in it"):
        numbered.check(folder, [photos], folder / "out", overwrite=True)
    (folder / "old.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="pass --overwrite"):
        numbered.check(folder, [photos], tmp_path / "out", overwrite=False)
    numbered.check(folder, [photos], tmp_path / "out", overwrite=True)
