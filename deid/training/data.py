"""Aligned training faces with identities and attributes, computed once and cached.

Reads the tars `lfw-deepfunneled.tar` and `celeba-small.tar` with their label files, or the same data unpacked: folders
by person, and CelebA as torchvision lays it out (`celeba/img_align_celeba`, `list_attr_celeba.txt`, `identity_CelebA.txt`).
"""

import csv
import hashlib
import io
import logging
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError
from deid.core.types import Image
from deid.detection.central import central
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging.alignment import align
from deid.imaging.template import SIZE

log = logging.getLogger(__name__)

_SUFFIXES = {".jpg", ".jpeg", ".png", ".pgm", ".webp"}
_BATCH = 32
#: Share of the people that are held out for tests; the next twentieth is for validation.
_TEST_SHARE, _VALIDATION_SHARE = 0.25, 0.05


@dataclass(frozen=True, slots=True, eq=False)
class FaceData:
    """Aligned faces.

    Args:
        crops: (N, 128, 128, 3) uint8 RGB.
        names: (N,) file names.
        identities: (N,) whose face, unique over data sets.
        labels: (N, 13) of 0, 1, or -1 for unknown, in the order of `ATTRIBUTES`.
        sources: (N,) name of the data set.
    """

    crops: NDArray[np.uint8]
    names: NDArray[np.str_]
    identities: NDArray[np.str_]
    labels: NDArray[np.int8]
    sources: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.names)

    def where(self, mask: NDArray[Any]) -> "FaceData":
        """The faces of a boolean mask or of indices."""
        return FaceData(self.crops[mask], self.names[mask], self.identities[mask], self.labels[mask], self.sources[mask])

    def split(self, name: str) -> "FaceData":
        """The faces of `train`, `validation` or `test`: no person is in two of them."""
        return self.where(np.array([split_of(i) == name for i in self.identities], bool))


def split_of(identity: str) -> str:
    """`train`, `validation` or `test`, from a hash of the name, so that it is the same on every machine and for ever."""
    share = int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    if share < _TEST_SHARE:
        return "test"
    return "validation" if share < _TEST_SHARE + _VALIDATION_SHARE else "train"


@dataclass(frozen=True, slots=True)
class _Photo:
    name: str
    identity: str
    source: str
    labels: tuple[int, ...]
    read: Callable[[], bytes]


def load(data: Path, cache: Path, progress: Callable[[Iterable[list[_Photo]], int], Iterable[list[_Photo]]] | None = None) -> FaceData:
    """Faces of every known data set in a folder, from the cache when it is there.

    Args:
        data: folder with the tars or the unpacked data.
        cache: folder for the aligned crops; made when absent.
        progress: wraps the loop over batches, given the number of batches.

    Raises:
        DataError: no data set is there, or none of its faces could be aligned.
    """
    crops_file, table_file = cache / "crops.npy", cache / "faces.npz"
    if table_file.exists() and crops_file.exists():
        with np.load(table_file, allow_pickle=False) as table:
            return FaceData(np.load(crops_file), *(table[k] for k in ("names", "identities", "labels", "sources")))
    photos = [*_lfw(data), *_celeba(data)]
    if not photos:
        raise DataError(f"expected lfw-deepfunneled or celeba data (tar or folder) in {data}, found none")
    batches = list(_batches(photos))
    detector = MtcnnDetector(min_face=20)
    crops, kept = [], []
    for batch in progress(batches, len(batches)) if progress else batches:
        for photo, crop in _align(batch, detector):
            crops.append(crop)
            kept.append(photo)
    if not kept:
        raise DataError(f"no face could be aligned in the {len(photos)} photos of {data}")
    log.info("aligned %d of %d photos", len(kept), len(photos))
    faces = FaceData(
        np.stack(crops),
        np.array([p.name for p in kept]),
        np.array([f"{p.source}/{p.identity}" for p in kept]),
        np.array([p.labels for p in kept], np.int8),
        np.array([p.source for p in kept]),
    )
    cache.mkdir(parents=True, exist_ok=True)
    np.save(crops_file, faces.crops)
    np.savez(table_file, names=faces.names, identities=faces.identities, labels=faces.labels, sources=faces.sources)
    return faces


def portraits(data: Path) -> FaceData:
    """Portraits of people who do not exist, aligned and labelled: no faces where ``portraits.tar`` and its table are not there."""
    rows = {row["file"]: row for row in _table(data / "portraits.csv")}
    kept = [(name, read) for name, read in pictures(data, "portraits.tar", "portraits") if name in rows]
    crops = [np.asarray(PillowImage.open(io.BytesIO(read())).convert("RGB").reduce(3)) for _, read in kept]
    labels = [[int(float(rows[name][a]) > 0.5) for a in ATTRIBUTES] for name, _ in kept]
    names = np.array([name for name, _ in kept], np.str_)
    identities = np.array([f"portraits/{name}" for name, _ in kept], np.str_)
    shape = (len(kept), SIZE, SIZE, 3)
    return FaceData(
        np.array(crops, np.uint8).reshape(shape),
        names,
        identities,
        np.array(labels, np.int8).reshape(-1, len(ATTRIBUTES)),
        np.full(len(kept), "portraits"),
    )


def portrait_children(data: Path) -> NDArray[np.bool_]:
    """(N,) which of `portraits` are children's."""
    rows = {row["file"]: row for row in _table(data / "portraits.csv")}
    names = (name for name, _ in pictures(data, "portraits.tar", "portraits") if name in rows)
    return np.array([rows[name]["child"] == "1" for name in names], bool)


def joined(*parts: FaceData) -> FaceData:
    """The faces of several sets in one."""
    return FaceData(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(FaceData)))


def read_tar(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names and readers of the pictures in an uncompressed tar."""
    with tarfile.open(path, "r:") as tar:
        members = [m for m in tar.getmembers() if m.isfile() and Path(m.name).suffix.lower() in _SUFFIXES]
    for m in sorted(members, key=lambda m: m.name):
        yield m.name, _reader(path, m.offset_data, m.size)


def _reader(path: Path, offset: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return read


def pictures(data: Path, *names: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names and readers of the pictures of the first of these tars or folders that is there."""
    for name in names:
        path = data / name
        if path.is_file():
            yield from read_tar(path)
            return
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES):
                yield file.relative_to(path).as_posix(), file.read_bytes
            return


def _lfw(data: Path) -> Iterator[_Photo]:
    genders = {row["image"]: int(row["gender"] == "male") for row in _table(data / "lfw-gender.csv")}
    male = ATTRIBUTES.index("Male")
    for name, read in pictures(data, "lfw-deepfunneled.tar", "lfw-deepfunneled", "lfw-py/lfw-deepfunneled", "lfw"):
        file = Path(name)
        labels = [-1] * len(ATTRIBUTES)
        labels[male] = genders.get(file.name, -1)
        yield _Photo(file.name, file.parent.name, "lfw", tuple(labels), read)


def _celeba(data: Path) -> Iterator[_Photo]:
    rows = _celeba_rows(data)
    labels = {row["image"]: tuple(int(int(row[a]) > 0) for a in ATTRIBUTES) for row in rows}
    people = {row["image"]: row["identity"] for row in _table(data / "celeba-identities.csv")}
    official = data / "celeba/identity_CelebA.txt"
    if not people and official.exists():
        people = dict(line.split()[:2] for line in official.read_text().splitlines())
    for name, read in pictures(data, "celeba-small.tar", "celeba-small", "celeba/img_align_celeba"):
        key = Path(name).name
        if key in labels:
            yield _Photo(key, people.get(key, key), "celeba", labels[key], read)


def _celeba_rows(data: Path) -> list[dict[str, str]]:
    return list(_table(data / "celeba-attributes.csv")) or list(_official(data / "celeba/list_attr_celeba.txt"))


def smiling(data: Path) -> dict[str, bool]:
    """Whether each photo of CelebA, by file name, is labelled as smiling."""
    return {row["image"]: int(row["Smiling"]) > 0 for row in _celeba_rows(data)}


def _table(path: Path) -> Iterator[dict[str, str]]:
    if path.exists():
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def _official(path: Path) -> Iterator[dict[str, str]]:
    """CelebA's own attribute list: a count, the names, then a line per photo with -1 and 1."""
    if path.exists():
        lines = path.read_text().splitlines()
        names = ["image", *lines[1].split()]
        for line in lines[2:]:
            yield dict(zip(names, line.split(), strict=True))


def _batches(photos: list[_Photo]) -> Iterator[list[_Photo]]:
    for i in range(0, len(photos), _BATCH):
        yield photos[i : i + _BATCH]


def _align(batch: list[_Photo], detector: MtcnnDetector) -> Iterator[tuple[_Photo, NDArray[np.uint8]]]:
    by_size: dict[tuple[int, ...], list[tuple[_Photo, Image]]] = {}
    for photo in batch:
        try:
            image = np.asarray(PillowImage.open(io.BytesIO(photo.read())).convert("RGB"))
        except OSError as error:
            log.warning("left out %s: %s", photo.name, error)
            continue
        by_size.setdefault(image.shape, []).append((photo, image))
    for group in by_size.values():
        found = detector.detect_batch([image for _, image in group])
        for (photo, image), detections in zip(group, found, strict=True):
            face = central(detections, image)
            if face is not None:
                yield photo, align(image, face).crop
