"""Two folders with the same file names: pairs of files, and every mismatch."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from deid.core.errors import DataError, ImageReadError
from deid.core.types import Image
from deid.imaging import codec

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
#: Formats that give back the pixels that were put in.
LOSSLESS = {".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with one file: `missing`, `extra`, `unreadable`, `size`, `frames` or `short`."""

    file: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class FilePair:
    """A photo before and after.

    Args:
        name: path within the folders, with slashes.
        identity: whose face is nearest to its centre.
        before: file of the untouched photo.
        after: file of the output; None when it is missing.
    """

    name: str
    identity: str
    before: Path
    after: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class ImagePair:
    """A pair of decoded photos; `after` is None when there is no readable output."""

    pair: FilePair
    before: Image
    after: Image | None
    lossless: bool


def identity_of(name: str) -> str:
    """Whose photo a file is: its folder's name, else the file name without a trailing number.

    Examples:
        >>> identity_of("Ada_Byron_0002.jpg"), identity_of("ada/7.png")
        ('Ada_Byron', 'ada')
    """
    path = Path(name)
    if path.parent != Path("."):
        return path.parent.as_posix()
    return re.sub(r"[-_ ]\d+$", "", path.stem) or path.stem


def _files(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"expected a folder of photos, got {folder}")
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix.lower() in suffixes)
    return {p.relative_to(folder).as_posix(): p for p in found}


def pair_folders(originals: Path, outputs: Path, suffixes: Collection[str] = SUFFIXES) -> tuple[list[FilePair], list[Problem]]:
    """Files of two folders by name; a tool may have changed the suffix.

    Args:
        originals: folder of untouched files.
        outputs: folder of the same files after any tool.
        suffixes: of the files that are compared, in lower case.

    Raises:
        DataError: a folder is absent, or the first one has no photos.
    """
    before, after = _files(originals, suffixes), _files(outputs, suffixes)
    if not before:
        raise DataError(f"expected photos ({', '.join(sorted(SUFFIXES))}) in {originals}, found none")
    by_stem = {str(Path(name).with_suffix("")): name for name in after}
    pairs, problems, used = [], [], set()
    for name, path in before.items():
        partner = name if name in after else by_stem.get(str(Path(name).with_suffix("")))
        if partner is None:
            problems.append(Problem(name, "missing", "no output of this name: its faces count as gone, for privacy and for use"))
        else:
            used.add(partner)
        pairs.append(FilePair(name, identity_of(name), path, after[partner] if partner else None))
    problems += [Problem(name, "extra", "output without an original: left out") for name in after if name not in used]
    return pairs, problems


def read_pairs(pairs: list[FilePair], problems: list[Problem]) -> Iterator[ImagePair | None]:
    """The first frames of pairs, decoded one at a time; None for an original that cannot be read. What is wrong is added to ``problems``.

    An output of another size is scaled to the original's, or nothing of it could be placed.
    """
    for pair in pairs:
        yield next(iter(read_frames(pair, problems)), None)


def read_frames(pair: FilePair, problems: list[Problem]) -> list[ImagePair]:
    """All frames of a pair, as `read_pairs` gives the first ones; frames after the first one have their number in their names."""
    try:
        before = _frames(pair.before)
    except ImageReadError as error:
        problems.append(Problem(pair.name, "unreadable", f"original: {_reason(error)}; left out"))
        return []
    after = _output(pair, problems)
    if after and len(after) != len(before):
        problems.append(Problem(pair.name, "frames", f"{len(before)} frames before, {len(after)} after"))
    after += [None] * (len(before) - len(after))
    names = [pair if k == 0 else replace(pair, name=f"{pair.name}#{k}") for k in range(len(before))]
    return [_placed(name, b, a, problems) for name, b, a in zip(names, before, after[: len(before)], strict=True)]


def _frames(path: Path) -> list[Image]:
    """The frames of a file as they are shown, without the further looks at them that detection takes."""
    return [frame.rgb for frame in codec.read(path).frames if frame.look is None]


def _output(pair: FilePair, problems: list[Problem]) -> list[Image | None]:
    """The frames of a pair's output; none where it cannot be read."""
    if pair.after is None:
        return []
    try:
        return list[Image | None](_frames(pair.after))
    except ImageReadError as error:
        problems.append(Problem(pair.name, "unreadable", f"output: {_reason(error)}; its faces count as gone"))
        return []


def _placed(pair: FilePair, before: Image, after: Image | None, problems: list[Problem]) -> ImagePair:
    """Two frames of one size."""
    if after is None or pair.after is None:
        return ImagePair(pair, before, None, False)
    lossless = pair.after.suffix.lower() in LOSSLESS
    if after.shape != before.shape:
        sizes = f"original {before.shape[1]}x{before.shape[0]}, output {after.shape[1]}x{after.shape[0]}"
        problems.append(Problem(pair.name, "size", f"{sizes}: scaled to the original's size"))
        after = np.asarray(cv2.resize(after, before.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
        lossless = False
    return ImagePair(pair, before, after, lossless)


def _reason(error: ImageReadError) -> str:
    return str(error).rpartition(": ")[2]
