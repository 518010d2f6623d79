"""UTKFace: the photos' embeddings with the ages, genders and origins that their file names tell.

Z. Zhang, Y. Song, H. Qi, "Age Progression/Regression by Conditional Adversarial Autoencoder", CVPR 2017.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Embeddings
from deid.detection.central import central
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging.alignment import align
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.mobilenet import MobileNetEmbedder
from deid.training.data import pictures

#: The photos are cut close to the face: a detector wants some surroundings, in pixels of 200.
_SURROUNDINGS = 60
#: Every n-th photo validates and does not train.
_EXAM = 4


@dataclass(frozen=True, slots=True, eq=False)
class UtkFaces:
    """Photos in which a face is found.

    Args:
        rows: (N, 128) embeddings by dlib's recogniser.
        second: (N, 1024) embeddings by the gate's second recogniser.
        ages: (N,) in years.
        male: (N,).
        origins: (N,) numbers of `deid.recognition.linear.ORIGINS`, or the next one for "other".
    """

    rows: Embeddings
    second: Embeddings
    ages: NDArray[np.int64]
    male: NDArray[np.bool_]
    origins: NDArray[np.int64]

    def where(self, mask: NDArray[Any]) -> "UtkFaces":
        """The photos of a mask (N,)."""
        return UtkFaces(self.rows[mask], self.second[mask], self.ages[mask], self.male[mask], self.origins[mask])

    def split(self) -> tuple["UtkFaces", "UtkFaces"]:
        """Those that train, and every fourth, which validates."""
        exam = np.arange(len(self.rows)) % _EXAM == 0
        return self.where(~exam), self.where(exam)


def load(data: Path, progress: Callable[[int, int, str], None] | None = None) -> UtkFaces:
    """The photos of ``utkface.tar`` or of a folder ``utkface``.

    Raises:
        DataError: there is none with a face and a name that tells age, gender and origin.
    """
    named = list(labelled(data))
    detector, embedders = MtcnnDetector(min_face=40), (DlibResNetEmbedder(), MobileNetEmbedder())
    rows, kept = [], []
    for i, (labels, read) in enumerate(named):
        photo = np.asarray(PillowImage.open(io.BytesIO(read())).convert("RGB"))
        wide = np.pad(photo, ((_SURROUNDINGS,) * 2, (_SURROUNDINGS,) * 2, (0, 0)), mode="edge")
        face = central(detector.detect(wide), wide)
        if face is not None:
            crop = align(wide, face).crop[None]
            rows.append([embedder.embed(crop)[0] for embedder in embedders])
            kept.append(labels)
        if progress:
            progress(i + 1, len(named), "faces")
    if not rows:
        raise DataError(f"expected utkface.tar, or a folder utkface, in {data}")
    ages, genders, origins = np.array(kept).T
    first, second = (np.stack(column) for column in zip(*rows, strict=True))
    return UtkFaces(first, second, ages, genders == 0, origins)


def labelled(data: Path) -> Iterator[tuple[tuple[int, int, int], Callable[[], bytes]]]:
    """Age, gender (0 male, 1 female) and origin of each photo whose name, age_gender_origin_date, tells all three, and its reader."""
    for name, read in pictures(data, "utkface.tar", "utkface"):
        parts = Path(name).name.split("_")
        if len(parts) == 4 and all(p.isdigit() for p in parts[:3]):
            age, gender, origin = (int(p) for p in parts[:3])
            yield (age, gender, origin), read
