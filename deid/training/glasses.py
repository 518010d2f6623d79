"""Training of the network that finds glasses, on glasses drawn on faces without any."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deid.core.attributes import ATTRIBUTES
from deid.imaging.template import SIZE
from deid.landmarks.face_points import FacePoints
from deid.landmarks.glasses import BAND, SIDE
from deid.models.masks import GlassesFinder
from deid.recognition.attributes import AttributeReader
from deid.training import masks
from deid.training.classifier import to_tensor
from deid.training.data import split_of
from deid.training.masks import Faces, FinderOptions
from deid.training.spectacles import put_on

#: Photos of LFW to train on, and the probability of glasses under which a face wears none.
_PHOTOS, _PLAIN = 2400, 0.1


@dataclass(frozen=True, slots=True)
class GlassesOptions(FinderOptions):
    """Settings of a run, see `FinderOptions`."""


def load(data: Path, cache: Path, progress: Callable[[int, int, str], None] | None = None) -> tuple[Faces, Faces]:
    """Faces without glasses to train on and to test with: photos of LFW's training people and sharp portraits; other portraits.

    Raises:
        DataError: no faces are there.
    """
    photos, portraits = _photos(data, cache), list(masks.portraits(data))
    exam = np.array([False] * len(photos) + [split_of(f"portraits/{name}") == "test" for name, _ in portraits], bool)
    large = np.stack([*(masks.resized(crop, SIDE, cv2.INTER_CUBIC) for crop in photos), *(crop for _, crop in portraits)])
    small = np.stack([*photos, *(masks.resized(crop, SIZE, cv2.INTER_AREA) for _, crop in portraits)])
    plain = AttributeReader("cpu").probabilities(small)[:, ATTRIBUTES.index("Eyeglasses")] < _PLAIN
    points, reader = np.zeros((len(small), 68, 2)), FacePoints()
    for i in np.flatnonzero(plain):
        # Pixel centres: the second of 256 lies between the first two of 128.
        points[i] = 2 * reader.points(small[i]) + 0.5
        if progress:
            progress(int(i) + 1, len(small), "faces")
    return Faces(large[plain & ~exam], points[plain & ~exam]), Faces(large[plain & exam], points[plain & exam])


def _photos(data: Path, cache: Path) -> NDArray[np.uint8]:
    """(N, 128, 128, 3) aligned photos of LFW's training people."""
    crops, _ = masks.photos(data, cache, "lfw")
    return np.asarray(crops[np.sort(np.random.default_rng(0).permutation(len(crops))[:_PHOTOS])], np.uint8)


def train(
    faces: Faces, exam: Faces, out: Path, options: GlassesOptions, progress: Callable[[int, int, str], None] | None = None
) -> GlassesFinder:
    """Train on glasses drawn on ``faces``; ``out/glasses.json`` holds how well those on the faces of ``exam`` are found.

    Returns:
        The average of the weights (EMA), in evaluation mode.

    Raises:
        DataError: a set of faces is empty.
    """
    masks.check(faces, exam, "glasses")

    def lessons(rng: np.random.Generator) -> masks.Lesson:
        return *lesson(faces, options.batch_size, options.plain, rng), torch.ones(1)

    average = masks.fitted(GlassesFinder, lessons, options, progress)
    out.mkdir(parents=True, exist_ok=True)
    (out / "glasses.json").write_text(json.dumps(score(average, exam, options), indent=2))
    return average


def lesson(faces: Faces, n: int, plain: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (n, 3, 144, 256) in [-1, 1] of faces, most of them with glasses, and their masks (n, 2, 144, 256)."""
    images, worn = zip(*(_example(faces, plain, rng) for _ in range(n)), strict=True)
    return to_tensor(np.stack(images)), masks.to_fields(np.stack(worn))


def _example(faces: Faces, plain: float, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    i = int(rng.integers(len(faces)))
    picture, points, worn = faces.crops[i], faces.points[i], np.zeros((SIDE, SIDE, 2), np.float32)
    if rng.random() >= plain:
        glasses = put_on(picture, points, rng)
        picture, worn = glasses.picture, np.stack([glasses.frame, glasses.lenses], axis=2)
    shown, covered = masks.moved(picture, worn, masks.aligned_otherwise(rng))
    return masks.taken(shown, rng)[BAND], covered[BAND]


def score(network: GlassesFinder, exam: Faces, options: GlassesOptions, n: int = 240) -> dict[str, float]:
    """Precision and recall of the pixels of drawn frames and lenses, and the share of faces without any where a frame is seen."""
    rng = np.random.default_rng(options.seed + 1)
    shown, worn = lesson(exam, n, 0.0, rng)
    plain, _ = lesson(exam, n, 1.0, rng)
    said, seen = (masks.seen_by(network, images, options.device) for images in (shown, plain))
    found: dict[str, float] = {}
    for i, name in enumerate(("frame", "lenses")):
        found |= masks.rates(name, said[:, i], worn[:, i])
    return found | {"plain faces with a frame": float((seen[:, 0].sum(dim=(1, 2)) > 40).float().mean())}
