"""People made of noise, for tests that need identities and no photos."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deid.core.types import Crops, Embeddings
from evaluation.datasets import data_folder
from evaluation.faces import Face


class PatchRecogniser:
    """A cheap recogniser: the middle of the crop, small, centred and of unit norm."""

    name = "patch"
    threshold = 0.5

    def embed(self, crops: Crops) -> Embeddings:
        rows = [cv2.resize(c[32:96, 32:96], (8, 8), interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float32) for c in crops]
        values = np.stack(rows) if rows else np.zeros((0, 192), np.float32)
        # The small constant keeps a black crop away from 0 / 0: all black crops are one face.
        values = values - values.mean(axis=1, keepdims=True) + np.linspace(0, 1e-3, 192, dtype=np.float32)
        return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def person(seed: int, photo: int) -> NDArray[np.uint8]:
    """A crop (128, 128, 3): the pattern of a person with the noise of a photo."""
    pattern = np.random.default_rng(seed).uniform(40, 215, (8, 8, 3)).astype(np.float32)
    noise = np.random.default_rng(1000 * seed + photo + 7).normal(0, 12, (128, 128, 3))
    return np.clip(cv2.resize(pattern, (128, 128), interpolation=cv2.INTER_CUBIC) + noise, 0, 255).astype(np.uint8)


def face(seed: int, photo: int, after: NDArray[np.uint8] | None = None, **changes: object) -> Face:
    """A face of a made-up person; untouched unless ``after`` is given."""
    before = person(seed, photo)
    covered = before.copy()
    covered[20:108, 20:108] = 0
    output = before if after is None else after
    values: dict[str, object] = {
        "file": f"p{seed}/{photo}.png",
        "identity": f"p{seed}",
        "main": True,
        "size_px": 90.0,
        "crop_before": before,
        "crop_after": output,
        "crop_covered": covered,
        "change": float(np.abs(before.astype(int) - output).mean()),
        "found_after": True,
        "has_output": True,
        "pose_change_deg": 0.0,
        "mouth_change": 0.0,
        "box_xyxy": np.array([20.0, 20.0, 108.0, 108.0]),
        "context_before": covered,
        "context_after": covered,
        "gender": "female" if seed % 2 else "male",
    }
    return Face(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_face() -> Callable[..., Face]:
    return face


@pytest.fixture(scope="session")
def make_person() -> Callable[[int, int], NDArray[np.uint8]]:
    return person


@pytest.fixture(scope="session")
def recogniser() -> PatchRecogniser:
    return PatchRecogniser()


@pytest.fixture
def lfw_data() -> Path:
    """The data folder; the test is skipped where LFW or the attacker's networks are absent."""
    folder = data_folder()
    if not (folder / "lfw-deepfunneled.tar").is_file() or not (folder / "recognisers").is_dir():
        pytest.skip("LFW and the recognisers are neither in ../shared/data nor where DEID_DATA points")
    return folder
