"""Photos, engines and fakes that the tests share."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid import weights
from deid.anonymizer.engine import Anonymizer
from deid.api import anonymizer
from deid.cli.demo import demo_photos
from deid.core.options import Options
from deid.core.types import AlignedFace, Crops, Detection, EditedFace, Embeddings, Image, ImageResult
from deid.dataset.local import cores
from deid.detection.mtcnn import MtcnnDetector
from deid.editing.portraits import Portraits
from deid.imaging.alignment import align, at_photo_scale
from deid.landmarks.face_points import FacePoints
from deid.models.threads import use_threads
from deid.recognition.attributes import AttributeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import PortraitReader

#: More processes take memory and bring little: each loads the networks once more.
_MOST_PROCESSES = 4
_DATA = Path(os.environ.get("DEID_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process per core for the whole suite; none besides this one where files, folders or names are given."""
    if config.args_source is pytest.Config.ArgsSource.ARGS or config.option.keyword or config.option.collectonly:
        return 0
    return min(cores(), _MOST_PROCESSES)


def pytest_configure(config: pytest.Config) -> None:
    """Processes side by side take one thread each: threads that outnumber the cores wait for each other by spinning."""
    if config.option.numprocesses:
        use_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with the real data sets; the test is skipped without it."""
    if not (_DATA / "photos").is_dir():
        pytest.skip("the data sets are neither in ../shared/data nor where DEID_DATA points")
    return _DATA


def _photo(name: str, height: int) -> Image:
    photos = demo_photos()
    if name not in photos:
        pytest.skip(f"{name} comes with matplotlib or scikit-image: pip install 'deid-face[demo]'")
    with PillowImage.open(photos[name]) as source:
        width = round(source.width * height / source.height)
        return np.asarray(source.convert("RGB").resize((width, height), PillowImage.Resampling.LANCZOS)).copy()


@pytest.fixture(scope="session")
def hopper() -> Image:
    """(300, 256, 3): an officer in a cap, whose face is about 99 px."""
    return _photo("grace_hopper.jpg", 300)


@pytest.fixture(scope="session")
def astronaut() -> Image:
    """(300, 300, 3): one woman, whose face is about 57 px."""
    return _photo("astronaut.png", 300)


@pytest.fixture(scope="session")
def couple(astronaut: Image, hopper: Image) -> Image:
    """(300, 556, 3): both side by side."""
    return np.concatenate([astronaut, hopper], axis=1)


@pytest.fixture(scope="session")
def mtcnn() -> MtcnnDetector:
    """A plain detector, to ask where faces are."""
    return MtcnnDetector(min_face=20)


@pytest.fixture(scope="session")
def embedder() -> DlibResNetEmbedder:
    """dlib's recogniser, loaded once."""
    return DlibResNetEmbedder()


@pytest.fixture(scope="session")
def woman(astronaut: Image, mtcnn: MtcnnDetector) -> Detection:
    """The face in `astronaut`."""
    return max(mtcnn.detect(astronaut), key=lambda d: d.score)


@pytest.fixture(scope="session")
def officer(hopper: Image, mtcnn: MtcnnDetector) -> Detection:
    """The face in `hopper`."""
    return max(mtcnn.detect(hopper), key=lambda d: d.score)


def _prepared(photo: Image, detection: Detection) -> AlignedFace:
    plain = align(photo, detection)
    attributes = AttributeReader().probabilities(plain.crop[None])[0]
    large = at_photo_scale(photo, plain.matrix)
    return AlignedFace(plain.crop, plain.matrix, detection, FacePoints().points(plain.crop), large, attributes)


@pytest.fixture(scope="session")
def officer_face(officer: Detection) -> AlignedFace:
    """The officer with all that editors ask, at 384 px."""
    photo = _photo("grace_hopper.jpg", 600)
    return _prepared(photo, officer.moved(np.full(2, 2.0), np.zeros(2)))


@pytest.fixture(scope="session")
def woman_face(woman: Detection) -> AlignedFace:
    """The woman with all that editors ask, at 256 px."""
    photo = _photo("astronaut.png", 600)
    return _prepared(photo, woman.moved(np.full(2, 2.0), np.zeros(2)))


@pytest.fixture(scope="session")
def bank() -> Portraits:
    """The shipped portraits."""
    return Portraits(weights.read_bank(), PortraitReader())


@pytest.fixture(scope="session")
def bank_of() -> Callable[[Sequence[int]], dict[str, NDArray[Any]]]:
    """The arrays of a bank of a few of the shipped portraits, by number."""
    arrays = weights.read_bank()
    ends = arrays["ends"]

    def cut(numbers: Sequence[int]) -> dict[str, NDArray[Any]]:
        pictures = [arrays["images"][ends[i - 1] if i else 0 : ends[i]] for i in numbers]
        chosen = list(numbers)
        return {
            "images": np.concatenate(pictures),
            "ends": np.cumsum([len(p) for p in pictures], dtype=np.int64),
            **{name: arrays[name][chosen] for name in ("points", "looks", "brows", "second")},
        }

    return cut


@pytest.fixture(scope="session")
def blur_engine() -> Anonymizer:
    """An engine that blurs, loaded once."""
    return anonymizer(Options(method="blur", seed=1))


@pytest.fixture(scope="session")
def attgan_engine() -> Anonymizer:
    """The engine of the main job with few fallback levels, loaded once."""
    return anonymizer(Options(seed=1, quality="fast"))


@pytest.fixture(scope="session")
def attgan_result(attgan_engine: Anonymizer, couple: Image) -> ImageResult:
    """What the main job makes of `couple`."""
    return attgan_engine.process(couple)


@dataclass
class FakeDetector:
    """Gives out prepared answers in turn, the last one for ever."""

    answers: Sequence[object]
    name: str = "fake"
    seen: list[Image] = field(default_factory=list)

    def detect(self, image: Image) -> list[Detection]:
        self.seen.append(image.copy())
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]


@dataclass
class FakeEditor:
    """Edits by a function of the face and one attribute set, once per set."""

    change: Callable[[AlignedFace, NDArray[np.float32]], Image]
    name: str = "fake"

    def edit(self, face: AlignedFace, attributes: NDArray[np.float32], strength: float) -> list[EditedFace]:
        return [EditedFace(self.change(face, a), self.name, a, strength) for a in attributes]


@dataclass
class FakeEmbedder:
    """A cheap recogniser: the crop at 8 x 8, grey, without its mean."""

    name: str = "thumbnail"
    threshold: float = 0.2

    def embed(self, crops: Crops) -> Embeddings:
        rows = [cv2.resize(crop, (8, 8), interpolation=cv2.INTER_AREA).mean(axis=2).ravel() for crop in crops]
        values = np.array(rows, np.float32).reshape(len(crops), 64)
        values -= values.mean(axis=1, keepdims=True)
        return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


@pytest.fixture(scope="session")
def fake_detector() -> type[FakeDetector]:
    """The class, for tests that build their own."""
    return FakeDetector


@pytest.fixture(scope="session")
def fake_editor() -> type[FakeEditor]:
    """The class, for tests that build their own."""
    return FakeEditor


@pytest.fixture(scope="session")
def fake_embedder() -> type[FakeEmbedder]:
    """The class, for tests that build their own."""
    return FakeEmbedder
