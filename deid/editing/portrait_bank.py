"""Building of a bank of portraits from a folder of pictures."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from safetensors.numpy import save

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError, DeidError
from deid.core.types import Detection, Image
from deid.detection import build_detector
from deid.editing.looks import EMBEDDING, Looks
from deid.editing.portraits import SIDE, Portraits
from deid.imaging import atomic, codec, geometry
from deid.imaging.alignment import align_matrix, is_profile, landmarks_of, warp
from deid.imaging.template import SIZE, TEMPLATE
from deid.landmarks.face_points import FacePoints
from deid.recognition import build_embedder
from deid.recognition.attributes import AttributeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import AgeReader, GenderReader

#: A face must be found this surely, and be this large in pixels.
_SURE, _LEAST_SIZE = 0.95, 100.0
#: A second face counts when it is found this surely.
_SECOND = 0.95
#: Probability of glasses from which a picture is refused: frames are never part of a stand-in.
_GLASSES = 0.6
#: A picture of the right size whose landmarks lie so near to the template's, in pixels of 384, is aligned already.
_ALIGNED = 9.0
_WEBP_QUALITY = 82
#: Faces nearer to each other than this by dlib's network are one picture twice; two pictures of one person lie three times as far apart.
_TWINS = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One picture of a bank.

    Args:
        data: the aligned picture (384, 384) as WebP.
        points: (68, 2) landmarks in pixels of a 128 px crop.
        looks: see `Looks.row`.
        brows: see `Looks`.
        second: see `Looks`.
    """

    data: bytes
    points: NDArray[np.float64]
    looks: NDArray[np.float32]
    brows: float
    second: NDArray[np.float32]

    @property
    def embedding(self) -> NDArray[np.float32]:
        """(128,) dlib's."""
        return self.looks[EMBEDDING]


class BankBuilder:
    """Reads pictures with exactly one usable face each."""

    def __init__(self) -> None:
        self._detector = build_detector("mtcnn_once+centerface", 40, "cpu")
        self._points, self._embedder = FacePoints(), DlibResNetEmbedder()
        self._second = build_embedder(Portraits.second_embedder, "cpu")
        self._attributes, self._gender, self._ages = AttributeReader(), GenderReader(), AgeReader()

    def portrait(self, path: Path) -> Portrait:
        """One picture.

        Raises:
            DataError: it has no face, several, or one that is small, turned away or behind glasses.
            DeidError: it cannot be read.
        """
        picture = codec.read(path).frames[0].rgb
        face = self._face(path, picture)
        matrix = align_matrix(landmarks_of(face))
        crop = warp(picture, matrix)
        attributes = self._attributes.probabilities(crop[None])[0]
        if attributes[ATTRIBUTES.index("Eyeglasses")] > _GLASSES:
            raise DataError(f"{path}: the face wears glasses")
        embedding = self._embedder.embed(crop[None])
        data, crop = self._aligned(path, picture, face, matrix)
        points = self._points.points(crop)
        second = self._second.embed(crop[None])
        child, male = float(self._ages.child(embedding, second)[0]), float(self._gender.male(embedding)[0])
        looks = Looks.of(crop, points, attributes, embedding[0], male, child)
        return Portrait(data, points, looks.row(), looks.brows, second[0])

    def _face(self, path: Path, picture: Image) -> Detection:
        found = [d for d in self._detector.detect(picture) if d.score >= _SECOND]
        if len(found) != 1:
            raise DataError(f"{path}: expected exactly one face, found {len(found)}")
        (face,) = found
        if face.score < _SURE or face.size < _LEAST_SIZE:
            raise DataError(
                f"{path}: expected a clear face of {_LEAST_SIZE:.0f} px or more, got {face.size:.0f} px, score {face.score:.2f}"
            )
        if is_profile(face):
            raise DataError(f"{path}: the face is seen from the side")
        return face

    @staticmethod
    def _aligned(path: Path, picture: Image, face: Detection, matrix: NDArray[np.float64]) -> tuple[bytes, Image]:
        """The aligned picture as WebP, and its small copy."""
        goal = geometry.apply(geometry.enlarged(np.eye(2, 3), SIDE / SIZE), TEMPLATE)
        if picture.shape[:2] == (SIDE, SIDE) and np.abs(landmarks_of(face) - goal)[:2].max() < _ALIGNED:
            # Warped once more it would only get softer.
            data = path.read_bytes() if path.suffix.lower() == ".webp" else encoded(picture)
            return data, np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
        large = warp(picture, geometry.enlarged(matrix, SIDE / SIZE), SIDE)
        return encoded(large), np.asarray(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def build(paths: Sequence[Path], out: Path) -> Iterator[tuple[Path, str]]:
    """Make a bank of pictures and write it.

    Args:
        paths: the pictures.
        out: file to write.

    Yields:
        Each picture with what was wrong with it, or nothing; the file is written after the last one.

    Raises:
        DataError: no picture can be used.
        ImageWriteError: the file cannot be written.
    """
    builder, kept = BankBuilder(), list[Portrait]()
    names = list[Path]()
    for path in paths:
        try:
            portrait = builder.portrait(path)
            if (twin := _twin(portrait, kept)) is not None:
                raise DataError(f"{path}: the same picture as {names[twin]}")
            kept.append(portrait)
            names.append(path)
        except DeidError as error:
            yield path, str(error)
        else:
            yield path, ""
    if not kept:
        raise DataError("expected pictures with exactly one usable face, got none")
    atomic.write(save(arrays_of(kept)), out, overwrite=True)


def _twin(portrait: Portrait, others: Sequence[Portrait]) -> int | None:
    """Which of the others is the same picture: two people would get one face."""
    if not others:
        return None
    distances = np.linalg.norm(np.stack([p.embedding for p in others]) - portrait.embedding, axis=1)
    nearest = int(distances.argmin())
    return nearest if distances[nearest] < _TWINS else None


def arrays_of(portraits: Sequence[Portrait]) -> dict[str, NDArray[np.generic]]:
    """The arrays of a bank, see `Portraits`."""
    return {
        "images": np.frombuffer(b"".join(p.data for p in portraits), np.uint8),
        "ends": np.cumsum([len(p.data) for p in portraits], dtype=np.int64),
        "points": np.stack([p.points for p in portraits]).astype(np.float32),
        "looks": np.stack([p.looks for p in portraits]),
        "brows": np.array([p.brows for p in portraits], np.float32),
        "second": np.stack([p.second for p in portraits]).astype(np.float16),
    }


def encoded(picture: Image) -> bytes:
    """A picture as WebP, as a bank keeps it."""
    out = io.BytesIO()
    Pillow.fromarray(picture).save(out, "WEBP", quality=_WEBP_QUALITY, method=6)
    return out.getvalue()
