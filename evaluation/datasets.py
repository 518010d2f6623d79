"""Data sets of the studies, from `$DEID_DATA` or `../shared/data` beside the checkout.

Tars are read as they are. A set that is absent raises `DataError` with what to put where.
"""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.types import Image
from deid.training.data import read_tar, split_of

_UTK_GENDERS = {"0": "male", "1": "female"}
_UTK_GROUPS = {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "other"}

#: Where the data sets' own alignment puts eyes, nose and corners of the mouth: LFW's deep-funneling in its 250 px photos, and
#: CelebA's alignment in its photos at half size, 89 x 109 px.
LFW_POINTS = np.array([[106.0, 114.0], [148.0, 113.0], [127.0, 138.0], [110.0, 160.0], [145.0, 160.0]])
CELEBA_POINTS = np.array([[35.0, 56.0], [55.0, 56.0], [45.0, 68.0], [37.0, 77.0], [53.0, 77.0]])


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo of a data set.

    Args:
        name: file name, unique in its set.
        identity: whose face is nearest to its centre.
        gender: ``male``, ``female``, or empty when not labelled.
        data: gives the encoded file.
    """

    name: str
    identity: str
    gender: str
    data: Callable[[], bytes]

    def image(self) -> Image:
        """The pixels, RGB."""
        return np.asarray(PillowImage.open(io.BytesIO(self.data())).convert("RGB"))


def data_folder() -> Path:
    """`$DEID_DATA`, else `../shared/data` beside the checkout; it may be absent."""
    return Path(os.environ.get("DEID_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def data_file(name: str) -> Path:
    """A file of the data folder.

    Raises:
        DataError: it is absent.
    """
    path = data_folder() / name
    if not path.exists():
        raise DataError(f"expected {name} in {data_folder()}: set DEID_DATA to the folder that holds it")
    return path


def genders(path: Path) -> dict[str, str]:
    """Gender by file name, from a table with the columns `image` and `gender`; empty when the file is absent."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {row["image"]: row["gender"] for row in csv.DictReader(file)}


def lfw(split: str | None = "test") -> list[Photo]:
    """Labeled Faces in the Wild, deep-funneled.

    Args:
        split: `train`, `validation` or `test` people of the project's own split (generators are trained on `train`), or
            None for all.
    """
    table = genders(data_folder() / "lfw-gender.csv")
    photos = []
    for name, read in read_tar(data_file("lfw-deepfunneled.tar")):
        file = Path(name)
        if split is None or split_of(f"lfw/{file.parent.name}") == split:
            photos.append(Photo(file.name, file.parent.name, table.get(file.name, ""), read))
    return photos


def celeba() -> list[Photo]:
    """CelebA's aligned photos, as far as their people are known."""
    with data_file("celeba-identities.csv").open(newline="") as file:
        names = {row["image"]: row["identity"] for row in csv.DictReader(file)}
    files = ((Path(name).name, read) for name, read in read_tar(data_file("celeba-small.tar")))
    return [Photo(name, names[name], "", read) for name, read in files if name in names]


def people(photos: Iterable[Photo], n_people: int, n_photos: int, seed: int = 0) -> list[Photo]:
    """The first photos of people drawn at random among those who have enough.

    Args:
        photos: to choose from.
        n_people: number of people; fewer when the data set has fewer.
        n_photos: photos a person.
        seed: of the draw.
    """
    by_person: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_person[photo.identity].append(photo)
    able = sorted(name for name, own in by_person.items() if len(own) >= n_photos)
    chosen = np.random.default_rng(seed).permutation(len(able))[:n_people]
    return [photo for i in sorted(chosen) for photo in by_person[able[i]][:n_photos]]


def crowd(photos: Iterable[Photo], n_people: int, most: int, n_others: int, seed: int = 0) -> list[Photo]:
    """People with two or more photos, and others with one: the first are attacked, all are learned from.

    Args:
        photos: to choose from.
        n_people: how many people with two or more photos.
        most: photos a person.
        n_others: how many people with one photo.
        seed: of the draw.
    """
    by_person: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_person[photo.identity].append(photo)
    rng, chosen = np.random.default_rng(seed), []
    for names, n in (
        ([k for k, v in by_person.items() if len(v) > 1], n_people),
        ([k for k, v in by_person.items() if len(v) == 1], n_others),
    ):
        chosen += [sorted(names)[i] for i in rng.permutation(len(names))[:n]]
    return [photo for name in sorted(chosen) for photo in by_person[name][:most]]


def orl() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The ORL faces: (400, 112, 92) uint8 grey, and the person (400,) of each, 0 to 39."""
    images, labels = [], []
    for name, read in read_tar(data_file("orl.tar")):
        images.append(np.asarray(PillowImage.open(io.BytesIO(read())).convert("L")))
        labels.append(int(Path(name).parent.name.lstrip("s")) - 1)
    return np.stack(images), np.array(labels)


def cmu_mit() -> Iterator[tuple[str, Image, NDArray[np.float64]]]:
    """Name, image (H, W, 3) and labelled boxes (N, 4) of the CMU-MIT group photos that have labels."""
    boxes: dict[str, list[list[float]]] = defaultdict(list)
    for line in data_file("cmu-mit-boxes.txt").read_text().splitlines():
        name, *numbers = line.split()
        boxes[name].append([float(v) for v in numbers])
    for name, read in read_tar(data_file("cmu-mit.tar")):
        if Path(name).name in boxes:
            image = np.asarray(PillowImage.open(io.BytesIO(read())).convert("RGB"))
            yield name, image, np.array(boxes[Path(name).name])


def utkface() -> list[tuple[Photo, int, str]]:
    """UTKFace, each photo a person, with the age in years and the group that the data set sorts the person into."""
    found = []
    for name, read in read_tar(data_file("utkface.tar")):
        age, *rest = Path(name).name.split("_")
        # Some file names lack a part.
        if len(rest) == 3 and age.isdigit() and rest[0] in _UTK_GENDERS and rest[1] in _UTK_GROUPS:
            photo = Photo(Path(name).name, Path(name).name, _UTK_GENDERS[rest[0]], read)
            found.append((photo, int(age), _UTK_GROUPS[rest[1]]))
    return found


def export(photos: Iterable[Photo], folder: Path) -> int:
    """Write photos as files into ``folder/identity/name``, byte for byte; returns how many."""
    count = 0
    for photo in photos:
        path = folder / photo.identity / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data())
        count += 1
    return count
