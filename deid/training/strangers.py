"""Makes the strangers that tell what is near for dlib's recogniser: means of three people's embeddings, so that none is anybody's.

k-Same: E. Newton, L. Sweeney, B. Malin, "Preserving Privacy by De-identifying Face Images", TKDE 2005. LFW's people of the training split
with one photo; those with more are left for measuring.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Embeddings
from deid.detection.central import central
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging.alignment import align
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.mirrored import rows_of
from deid.training.data import pictures, split_of

_BATCH = 16


@dataclass(frozen=True, slots=True)
class StrangerOptions:
    """Settings of a run.

    Args:
        together: people whose mean is one stranger.
        seed: of the order in which they are put together.
    """

    together: int = 3
    seed: int = 0


def make(data: Path, options: StrangerOptions, progress: Callable[[int, int, str], None] | None = None) -> dict[str, NDArray[np.float32]]:
    """The array `embeddings` (N, 128), of unit norm.

    Raises:
        DataError: LFW is missing.
    """
    readers = list(_people(data))
    if not readers:
        raise DataError(f"expected lfw-deepfunneled.tar, or the folder, in {data}")
    detector, embedder, rows = MtcnnDetector(min_face=50), DlibResNetEmbedder(), []
    for start in range(0, len(readers), _BATCH):
        photos = [np.asarray(PillowImage.open(io.BytesIO(read())).convert("RGB")) for read in readers[start : start + _BATCH]]
        faces = [(photo, central(found, photo)) for photo, found in zip(photos, detector.detect_batch(photos), strict=True)]
        crops = [align(photo, face).crop for photo, face in faces if face is not None]
        if crops:
            rows.append(rows_of(embedder, np.stack(crops)))
        if progress:
            progress(start + len(photos), len(readers), "faces")
    return {"embeddings": together(np.concatenate(rows), options.together, options.seed)}


def _people(data: Path) -> Iterator[Callable[[], bytes]]:
    """The photos of people of the training split who have one."""
    photos = list(pictures(data, "lfw-deepfunneled.tar", "lfw-deepfunneled"))
    people = [Path(name).parent.name for name, _ in photos]
    counts = Counter(people)
    yield from (read for (_, read), who in zip(photos, people, strict=True) if counts[who] == 1 and split_of(f"lfw/{who}") == "train")


def together(rows: Embeddings, n: int, seed: int) -> Embeddings:
    """Means of ``n`` rows each that are near each other, none used twice, of unit norm."""
    near, free, means = rows @ rows.T, np.ones(len(rows), bool), []
    for i in np.random.default_rng(seed).permutation(len(rows)):
        if free[i] and free.sum() >= n:
            own = [j for j in np.argsort(-near[i], kind="stable") if free[j]][:n]
            free[own] = False
            means.append(rows[own].mean(axis=0))
    found = np.array(means, np.float32).reshape(-1, rows.shape[1])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
