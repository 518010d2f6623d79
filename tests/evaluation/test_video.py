"""The video evaluation: what shows is seen, what does not is not, and the file's facts are compared."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.check.videos import facts, is_exposed, longest_run
from deid.core.errors import DataError
from deid.core.types import Crops, Detection, Embeddings, Image
from evaluation.report import write_report
from evaluation.results import Results, write
from evaluation.studies.memory import drop_every_third, is_covered
from evaluation.video import video

SIZE = (96, 128)
BOX = (20, 30, 60, 70)


def _scene(i: int) -> Image:
    """A textured patch, the face, that moves by a pixel a frame over grey."""
    rng = np.random.default_rng(0)
    image = np.full((*SIZE, 3), 90, np.uint8)
    image[40 + 20 : 44 + 20, :] = 140
    patch = cv2.resize(rng.integers(40, 220, (10, 10, 3), dtype=np.uint8), (40, 40), interpolation=cv2.INTER_CUBIC)
    image[BOX[1] : BOX[3], BOX[0] + i : BOX[2] + i] = patch
    return image


def _write(path: Path, images: list[Image], rate: int = 25) -> Path:
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "2", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, rate)
        for i, image in enumerate(images):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = i, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@dataclass
class _Oracle:
    """Knows where the patch is, by frame; asked for the original and the output in turn."""

    n: int = 0
    name: str = "oracle"

    def detect(self, image: Image) -> list[Detection]:
        i, self.n = self.n // 2, self.n + 1
        x0, y0, x1, y1 = BOX
        box = np.array([x0 + i, y0, x1 + i, y1], float)
        marks = np.array([[12.0, 14], [28, 14], [20, 22], [14, 30], [26, 30]]) + box[:2]
        return [Detection(box, 0.9, marks, self.name)]


class _Thumbnail:
    name, threshold = "thumbnail", 0.3

    def embed(self, crops: Crops) -> Embeddings:
        rows = np.stack([cv2.resize(c, (8, 8), interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float32) for c in crops])
        rows -= rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


N = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("original") / "a.mp4", [_scene(i) for i in range(N)])


def _covered(i: int) -> Image:
    image = _scene(i)
    image[BOX[1] : BOX[3], BOX[0] + i : BOX[2] + i] = 100
    return image


def _compare(original: Path, output: Path) -> Results:
    return video(original, output, _Oracle(), [_Thumbnail()])


def test_untouched_video_is_exposed_in_every_frame(original: Path, tmp_path: Path) -> None:
    results = _compare(original, _write(tmp_path / "b.mp4", [_scene(i) for i in range(N)]))
    assert results.find("exposed").value == 1.0
    assert results.find("exposed").passed is False
    assert results.find("longest exposed run").value == N
    assert results.find("distance before to after").value < 0.1
    assert results.find("landmark jitter").value == pytest.approx(0.0, abs=1e-6)


def test_covered_video_passes(original: Path, tmp_path: Path) -> None:
    results = _compare(original, _write(tmp_path / "b.mp4", [_covered(i) for i in range(N)]))
    assert results.find("exposed").value == 0.0
    assert results.find("longest exposed run").value == 0
    assert results.find("distance before to after").value > 0.3
    for name in ("same number of frames", "same times", "same duration", "same rate", "same sound, bit for bit", "no metadata"):
        assert results.find(name).passed, name
    path = write_report(results, tmp_path)
    write(results, tmp_path)
    assert "exposed" in path.read_text()
    assert {p.name for p in tmp_path.iterdir()} >= {"report.html", "results.json"}


@pytest.mark.parametrize("exposed", [(5,), (3, 4, 5, 9), (0, 11)], ids=str)
def test_every_exposed_frame_is_found(exposed: tuple[int, ...], original: Path, tmp_path: Path) -> None:
    images = [_scene(i) if i in exposed else _covered(i) for i in range(N)]
    results = _compare(original, _write(tmp_path / "b.mp4", images))
    assert [row["frame"] for row in results.faces if row["exposed"]] == list(exposed)
    assert results.find("exposed").value == pytest.approx(len(exposed) / N)


def test_a_cover_over_half_of_a_face_does_not_count(original: Path, tmp_path: Path) -> None:
    images = [_scene(i) for i in range(N)]
    for i, image in enumerate(images):
        image[BOX[1] : BOX[3], BOX[0] + i : BOX[0] + i + 20] = 100
    assert _compare(original, _write(tmp_path / "b.mp4", images)).find("exposed").value == 1.0


def test_flicker_of_colour_is_seen(original: Path, tmp_path: Path) -> None:
    images = [_covered(i) for i in range(N)]
    for i, image in enumerate(images):
        image[BOX[1] : BOX[3], BOX[0] + i : BOX[2] + i] = 100 + 20 * (i % 2)
    still = _compare(original, _write(tmp_path / "b.mp4", [_covered(i) for i in range(N)])).find("colour jitter")
    flickering = _compare(original, _write(tmp_path / "c.mp4", images)).find("colour jitter")
    assert flickering.value > still.value + 10
    assert flickering.passed is False


def test_missing_frames_and_another_rate_are_told(original: Path, tmp_path: Path) -> None:
    results = _compare(original, _write(tmp_path / "b.mp4", [_covered(i) for i in range(N - 3)], rate=30))
    assert results.find("same number of frames").passed is False
    assert results.find("same rate").passed is False
    assert results.find("same times").passed is False
    assert "3 frames" in results.problems[0].detail


def test_another_size_is_an_error(original: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected .* to be 128 x 96"):
        _compare(original, _write(tmp_path / "b.mp4", [np.zeros((48, 64, 3), np.uint8)] * 3))


def test_facts(original: Path) -> None:
    found = facts(original)
    assert (found.size_hw, found.n_frames, found.rate, found.audio, found.tags) == (SIZE, N, 25, (), ())
    assert found.duration_s == pytest.approx(N / 25)


def _texture(contrast: float) -> NDArray[np.float64]:
    return 60 + contrast * np.random.default_rng(1).uniform(-1, 1, (20, 20, 3))


@pytest.mark.parametrize(
    ("before", "change", "exposed"),
    [
        (_texture(40), lambda x: x, True),
        (_texture(40), lambda x: x + 1.5, True),
        (_texture(40), lambda x: np.full_like(x, 60), False),
        (_texture(2), lambda x: np.full_like(x, 60), False),
        (_texture(2), lambda x: x + 0.2, True),
    ],
    ids=["untouched", "encoded anew", "flat", "flat, in the dark", "untouched, in the dark"],
)
def test_exposure(before: NDArray[np.float64], change: Callable[[NDArray[np.float64]], NDArray[np.float64]], exposed: bool) -> None:
    assert is_exposed(before, change(before)) is exposed


@pytest.mark.parametrize(("frames", "longest"), [([], 0), ([3], 1), ([3, 4, 5, 9, 10], 3), ([5, 4, 3, 3], 3)], ids=str)
def test_longest_run(frames: list[int], longest: int) -> None:
    assert longest_run(frames) == longest


def test_every_third_detection_is_dropped() -> None:
    face = [Detection(np.array([0.0, 0, 10, 10]))]
    assert [len(f) for f in drop_every_third([face * 2, face * 2, face * 2, []])] == [2, 1, 1, 0]


def test_coverage_of_the_study() -> None:
    face = Detection(np.array([0.0, 0, 100, 100]))
    assert is_covered(face, [face])
    assert not is_covered(face, [])
    assert not is_covered(face, [Detection(np.array([0.0, 0, 30, 100]))])
    assert is_covered(face, [Detection(np.array([0.0, 0, 50, 100])), Detection(np.array([50.0, 0, 100, 100]))])
