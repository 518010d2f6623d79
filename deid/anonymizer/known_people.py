"""People whom reference photos show: who in a picture is one of them, and who surely is none."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.strangers import Strangers, shipped_strangers
from deid.core.errors import ConfigError, ImageError
from deid.core.options import Options
from deid.core.protocols import Detector, Embedder
from deid.core.types import Crops, Detection, Embeddings, Image
from deid.detection.checked import detect
from deid.imaging import codec, formats
from deid.imaging.alignment import is_profile
from deid.recognition.mirrored import mean_of, rows_of

#: How much the first recogniser counts beside the mean of the further ones.
_FIRST = 0.6
#: Nearness under which a face is a person's, on LFW with eight reference photos each: 95 % of a person's other photos. Of 400 draws of five
#: people, somebody else is kept in 6 at 0.69, in 5 at 0.67 (then 94 % are kept), in 13 at 0.70 and in 78 at 0.75 (97 %).
STRICT = 0.69
#: Nearness under which a single view of a person who is kept in a video must be: 99.5 % of a person's photos are.
SINGLE = 0.95
#: Nearness over which a face surely is not a person's: none of 12 492 comparisons with the person is, and 91 % of those with others.
LOOSE = 1.4
#: Faces of fewer pixels are taken for nobody.
_LEAST_PX = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A person to be known again.

    Args:
        name: of the folder, or of the photos without their numbers.
        embeddings: (1, D) of unit norm, by embedder: the mean of the person's photos.
    """

    name: str
    embeddings: tuple[Embeddings, ...]


class KnownPeople:
    """The people of a folder of reference photos.

    Args:
        people: at least one.
        embedders: the first one is compared with strangers; all others must agree by their own thresholds.
        strangers: by the first embedder.
    """

    def __init__(self, people: Sequence[Reference], embedders: Sequence[Embedder], strangers: Strangers) -> None:
        self.people, self._embedders, self._strangers = tuple(people), tuple(embedders), strangers

    @classmethod
    def of(cls, crops: dict[str, Crops], embedders: Sequence[Embedder], strangers: Strangers | None = None) -> "KnownPeople":
        """From aligned faces by person; the strangers are the shipped ones of dlib's recogniser when None."""
        people = [Reference(name, tuple(mean_of(rows_of(embedder, own)) for embedder in embedders)) for name, own in crops.items()]
        return cls(people, embedders, shipped_strangers() if strangers is None else strangers)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(person.name for person in self.people)

    def nearness(self, crops: Crops) -> NDArray[np.float64]:
        """How near faces (N, 128, 128, 3) are to each person, see `compare`."""
        return self.compare([rows_of(embedder, crops) for embedder in self._embedders])

    def compare(self, rows: Sequence[Embeddings]) -> NDArray[np.float64]:
        """How near faces are to each person, (N, P): 0 is the same picture, 1 about as near as the nearest stranger.

        It is a weighted mean over the embedders. A further one has no strangers: for it, 1 is its own threshold. A face that it takes
        for another person is no nearer than `SINGLE`. One that it takes for the person is no farther than `LOOSE`. So in doubt, a face
        is neither surely the person nor surely another one.

        Args:
            rows: (N, D) by embedder, as `rows_of` makes them.
        """
        people = np.concatenate([person.embeddings[0] for person in self.people])
        near = self._strangers.nearness(rows[0], people)
        further = [self._further(k, rows[k]) for k in range(1, len(self._embedders))]
        if further:
            near = _FIRST * near + (1 - _FIRST) * np.mean(further, axis=0)
        for own in further:
            near = np.where(own < 1, np.minimum(near, LOOSE), np.maximum(near, SINGLE))
        return np.asarray(near, np.float64)

    def _further(self, k: int, rows: Embeddings) -> NDArray[np.float64]:
        """(N, P) squared distances by an embedder without strangers, in its threshold's."""
        people = np.concatenate([person.embeddings[k] for person in self.people]).astype(np.float64)
        return np.asarray(np.maximum(2 - 2 * rows @ people.T, 0.0) / self._embedders[k].threshold ** 2)


def is_clear(detection: Detection, options: Options) -> bool:
    """Whether a face is clear enough to be recognised."""
    return detection.score >= options.edit_score and detection.size >= _LEAST_PX and not is_profile(detection)


def read(folder: Path, detector: Detector, options: Options, aligned: Callable[[Image, Detection], Image]) -> dict[str, Crops]:
    """Aligned faces (N, 128, 128, 3) by person, of a folder of reference photos.

    A person's photos lie in one subfolder, or are named alike up to a trailing number: ``ada_1.jpg``, ``ada_2.jpg``.

    Args:
        folder: of the photos.
        detector: finds the faces.
        options: say which faces are clear.
        aligned: makes the crop of a face, in the same way as of those that are compared.

    Raises:
        ConfigError: there is no such folder, no photo in it, or a photo that does not show exactly one clear face.
    """
    if not folder.is_dir():
        raise ConfigError(f"expected a folder of reference photos, got {folder}")
    crops: dict[str, list[Image]] = {}
    for path in _photos(folder):
        image, face = _face(path, detector, options)
        crops.setdefault(_person_of(path.relative_to(folder)), []).append(aligned(image, face))
    if not crops:
        raise ConfigError(f"expected reference photos in {folder}, found none")
    return {name: np.stack(own) for name, own in crops.items()}


def _photos(folder: Path) -> Iterator[Path]:
    known = formats.known_suffixes()
    yield from (p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix.lower() in known and not p.name.startswith("."))


def _person_of(path: Path) -> str:
    if path.parent != Path("."):
        return path.parent.as_posix()
    return re.sub(r"[-_ ]?\d+$", "", path.stem) or path.stem


def _face(path: Path, detector: Detector, options: Options) -> tuple[Image, Detection]:
    try:
        image = codec.read(path, options.max_pixels).frames[0].rgb
    except ImageError as error:
        raise ConfigError(f"cannot use the reference photo {path}: {error}") from error
    found = [d for d in detect(detector, image) if d.score >= options.edit_score and d.label == "face"]
    if len(found) != 1:
        shows = f"{len(found)} faces; crop it to one" if found else "no clear face"
        raise ConfigError(f"cannot use the reference photo {path}: expected one face, it shows {shows}")
    if not is_clear(found[0], options):
        how = f"on {found[0].size:.0f} px" if found[0].size < _LEAST_PX else "from the side"
        raise ConfigError(f"cannot use the reference photo {path}: its face is seen {how}, too little to know somebody by")
    return image, found[0]
