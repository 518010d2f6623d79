"""Photos of made-up people, and judges that know where their faces are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.check.judges import Judges
from deid.core.types import Crops, Detection, Embeddings, Image

BOX = np.array([30.0, 25.0, 78.0, 85.0])
POINTS = np.array([[43.0, 48.0], [65.0, 48.0], [54.0, 60.0], [45.0, 71.0], [63.0, 71.0]])


@dataclass
class Sees:
    """Finds the face where the middle of its box is not flat."""

    name: str

    def detect(self, image: Image) -> list[Detection]:
        return [Detection(BOX, 0.99, POINTS, self.name)] if image[45:65, 44:64].std() > 8 else []


class Thumbnail:
    """A cheap recogniser: the middle of the crop, small, grey and centred."""

    name, threshold = "thumbnail", 0.3

    def embed(self, crops: Crops) -> Embeddings:
        rows = np.array(
            [cv2.resize(c[24:108, 32:96], (8, 8), interpolation=cv2.INTER_AREA).mean(axis=2).ravel() for c in crops], np.float32
        )
        values = rows.reshape(len(crops), 64)
        values = values - values.mean(axis=1, keepdims=True) + np.linspace(0, 1e-3, 64, dtype=np.float32)
        return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9), np.float32)


@pytest.fixture
def judges() -> Judges:
    return Judges((Sees("one"), Sees("two")), (Thumbnail(),))


def person(seed: int) -> Image:
    """(110, 108, 3): a pattern, the face, before a plain wall."""
    image = np.full((110, 108, 3), 120, np.uint8)
    pattern = np.random.default_rng(seed).uniform(20, 235, (6, 5, 3)).astype(np.float32)
    image[25:85, 30:78] = np.clip(cv2.resize(pattern, (48, 60), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
    return image


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, dict[str, Image]], Path]:
    """Writes pictures into a folder of that name."""

    def written(folder: str, images: dict[str, NDArray[np.uint8]]) -> Path:
        for name, image in images.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            PillowImage.fromarray(image).save(path)
        return tmp_path / folder

    return written


@pytest.fixture
def people() -> dict[str, Image]:
    return {f"person_{name}.png": person(i) for i, name in enumerate("abcd")}


def covered(image: Image) -> Image:
    """The same with the face under one colour."""
    out = image.copy()
    out[20:92, 24:86] = round(float(out[25:85, 30:78].mean()))
    return out


@pytest.fixture
def solid(people: dict[str, Image]) -> dict[str, Image]:
    return {name: covered(image) for name, image in people.items()}
