"""Training of the network that finds what stands before a face, on objects drawn before faces."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.compositing.blend import TO_HAIRLINE, outline
from deid.core.attributes import ATTRIBUTES
from deid.imaging.template import SIZE
from deid.landmarks.face_points import FacePoints
from deid.models.masks import ObjectsFinder
from deid.recognition.attributes import AttributeReader
from deid.training import masks
from deid.training.classifier import to_tensor
from deid.training.data import split_of
from deid.training.masks import SIDE, Faces, FinderOptions
from deid.training.obstacles import CutOut, put_before, shadowed
from deid.training.spectacles import put_on

#: Photos of CelebA to train on.
_PHOTOS = 1500
#: Outlines of objects in photos of LFW, by name of the photo: lists of corners in pixels of its aligned crop of 128 px, drawn by eye. No
#: photo that is named there counts as one without an object, also where its list is empty.
_OUTLINES = Path(__file__).with_name("lfw-objects.json")
#: How far inside of an outline that was drawn by eye an object surely is, and how soft its border is, in pixels of 256.
_SURELY, _SOFT = 2, 1.2
#: So many pixels of 256 an outline that reaches the crop's border goes on.
_FRAME = 8
#: How many of the lessons with an object show one that was cut out of a photo, and how many that photo itself.
_CUT_OUT, _REAL = 0.35, 0.1
#: How many of the plain lessons show a beard, and the probability of none under which a face has one.
_BEARDS, _NO_BEARD = 0.4, 0.4
#: How often a face wears glasses, and has a shadow on it, without and with an object: neither is one.
_GLASSES, _SHADOWS = 0.12, (0.35, 0.12)
#: How much pixels beside the face count: photos have hands and microphones there, of which nothing is known.
_BESIDE = 0.1


@dataclass(frozen=True, slots=True)
class ObjectsOptions(FinderOptions):
    """Settings of a run, see `FinderOptions`."""

    steps: int = 2500
    batch_size: int = 16
    plain: float = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What lessons are made of.

    Args:
        faces: without objects, (N, 128, 128, 3).
        bearded: (B,) numbers of those with a beard.
        cut_outs: real objects, 256 px.
    """

    faces: Faces
    bearded: NDArray[np.int64]
    cut_outs: tuple[CutOut, ...] = ()


def load(data: Path, cache: Path, progress: Callable[[int, int, str], None] | None = None) -> tuple[Lessons, Lessons]:
    """What to train on and to test with: LFW's training people, a photo of each, photos of CelebA's, and portraits; other portraits.

    Cut-outs come from the photos that ``lfw-objects.json`` beside this file has outlines for.

    Raises:
        DataError: no faces are there.
    """
    crops, exam, cut = _pictures(data, cache)
    points, reader = np.zeros((len(crops), 68, 2)), FacePoints()
    for i, crop in enumerate(crops):
        points[i] = 2 * reader.points(crop) + 0.5
        if progress:
            progress(i + 1, len(crops), "faces")
    bearded = AttributeReader("cpu").probabilities(crops)[:, ATTRIBUTES.index("No_Beard")] < _NO_BEARD
    cut_outs = tuple(_cut_out(crop, outlines, reader) for crop, outlines in cut)
    taught, tested = (Lessons(Faces(crops[some], points[some]), np.flatnonzero(bearded[some])) for some in (~exam, exam))
    return Lessons(taught.faces, taught.bearded, cut_outs), tested


def _pictures(
    data: Path, cache: Path
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[tuple[NDArray[np.uint8], list[list[list[float]]]]]]:
    """Faces without objects (N, 128, 128, 3), which of them (N,) are to test with, and crops of others with outlines of objects."""
    outlines = json.loads(_OUTLINES.read_text())
    lfw, names = masks.photos(data, cache, "lfw")
    celeba, _ = masks.photos(data, cache, "celeba")
    plain = np.array([str(name).endswith("_0001.jpg") and name not in outlines for name in names], bool)
    some = np.sort(np.random.default_rng(0).permutation(len(celeba))[:_PHOTOS])
    portraits = list(masks.portraits(data, SIZE))
    photos = [*lfw[plain], *celeba[some]]
    exam = np.array([False] * len(photos) + [split_of(f"portraits/{name}") == "test" for name, _ in portraits], bool)
    cut = [(crop, outlines[str(name)]) for crop, name in zip(lfw, names, strict=True) if outlines.get(str(name))]
    return np.stack([*photos, *(crop for _, crop in portraits)]), exam, cut


def _cut_out(crop: NDArray[np.uint8], outlines: list[list[list[float]]], reader: FacePoints) -> CutOut:
    """The object in a crop (128, 128, 3) with these outlines."""
    # At the crop's border an object goes on.
    beyond = [np.where(np.array(corners) >= SIZE - 1, SIDE + _FRAME, np.array(corners) * 2 + 0.5) for corners in outlines]
    beyond = [np.where(np.array(corners) <= 0, -_FRAME, where) for corners, where in zip(outlines, beyond, strict=True)]
    mask: NDArray[np.uint8] = np.zeros((SIDE + 2 * _FRAME,) * 2, np.uint8)
    cv2.fillPoly(mask, [np.round(where + _FRAME).astype(np.int32) for where in beyond], 1)
    surely = cv2.erode(mask, np.ones((2 * _SURELY + 1,) * 2, np.uint8))
    soft = cv2.GaussianBlur(surely.astype(np.float32), (0, 0), _SOFT)[_FRAME:-_FRAME, _FRAME:-_FRAME]
    return CutOut(masks.resized(crop, SIDE, cv2.INTER_CUBIC), np.asarray(soft, np.float32), 2 * reader.points(crop) + 0.5)


def train(
    taught: Lessons, tested: Lessons, out: Path, options: ObjectsOptions, progress: Callable[[int, int, str], None] | None = None
) -> ObjectsFinder:
    """Train on objects before faces; ``out/objects.json`` holds how well those before other faces are found.

    Returns:
        The average of the weights (EMA), in evaluation mode.

    Raises:
        DataError: a set of faces is empty.
    """
    masks.check(taught.faces, tested.faces, "objects")

    def lessons(rng: np.random.Generator) -> masks.Lesson:
        return lesson(taught, options.batch_size, options.plain, rng)

    average = masks.fitted(ObjectsFinder, lessons, options, progress)
    out.mkdir(parents=True, exist_ok=True)
    (out / "objects.json").write_text(json.dumps(score(average, tested, options), indent=2))
    return average


def lesson(taught: Lessons, n: int, plain: float, rng: np.random.Generator) -> masks.Lesson:
    """Images (n, 3, 128, 128) in [-1, 1], most of them with an object; where it is (n, 1, 128, 128); how much pixels count, the same."""
    images, both = zip(*(_example(taught, plain, rng) for _ in range(n)), strict=True)
    fields = masks.to_fields(np.stack(both))
    return to_tensor(np.stack(images)), fields[:, :1], (fields[:, 1:] + _BESIDE).clamp(max=1)


def _example(taught: Lessons, plain: float, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture (128, 128, 3); the object in it and the face (128, 128, 2)."""
    if rng.random() < plain:
        picture, points, mask = _plain(taught, rng)
    elif taught.cut_outs and rng.random() < _REAL:
        real = taught.cut_outs[int(rng.integers(len(taught.cut_outs)))]
        picture, points, mask = real.picture, real.points, real.mask
    else:
        picture, points, mask = _drawn(taught, rng)
    face: NDArray[np.float32] = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillConvexPoly(face, np.round(outline(points, TO_HAIRLINE)).astype(np.int32), 1.0)
    shown, fields = masks.moved(picture, np.stack([mask, face], axis=2), masks.aligned_otherwise(rng))
    small = masks.resized(masks.taken(shown, rng), SIZE, cv2.INTER_AREA)
    return small, np.asarray(cv2.resize(fields, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)


def _face(
    taught: Lessons, shadows: float, rng: np.random.Generator, number: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A face (256, 256, 3), of this number or any, with glasses and a shadow now and then, and its landmarks."""
    i = int(rng.integers(len(taught.faces))) if number is None else number
    picture, points = masks.resized(taught.faces.crops[i], SIDE, cv2.INTER_CUBIC), taught.faces.points[i]
    if rng.random() < _GLASSES:
        picture = put_on(picture, points, rng).picture
    return shadowed(picture, rng) if rng.random() < shadows else picture, points


def _plain(taught: Lessons, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float32]]:
    """A face without an object, its landmarks, and a mask of none."""
    number = int(rng.choice(taught.bearded)) if len(taught.bearded) and rng.random() < _BEARDS else None
    return *_face(taught, _SHADOWS[0], rng, number), np.zeros((SIDE, SIDE), np.float32)


def _drawn(taught: Lessons, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float32]]:
    """A face with an object before it, its landmarks, and where the object is."""
    picture, points = _face(taught, _SHADOWS[1], rng)
    other = masks.resized(taught.faces.crops[int(rng.integers(len(taught.faces)))], SIDE, cv2.INTER_CUBIC)
    cut_out = taught.cut_outs[int(rng.integers(len(taught.cut_outs)))] if taught.cut_outs and rng.random() < _CUT_OUT else None
    made = put_before(picture, points, other, rng, cut_out)
    return made.picture, points, made.mask


def score(network: ObjectsFinder, tested: Lessons, options: ObjectsOptions, n: int = 240) -> dict[str, float]:
    """Precision and recall of the pixels of drawn objects within the face, and the share of faces without any where one is seen."""
    rng = np.random.default_rng(options.seed + 1)
    (shown, drawn, counts), (plain, _, within) = (lesson(tested, n, share, rng) for share in (0.0, 1.0))
    said = masks.seen_by(network, shown, options.device) & (counts > 0.5)
    seen = masks.seen_by(network, plain, options.device) & (within > 0.5)
    found = masks.rates("object", said, drawn * (counts > 0.5))
    return found | {"plain faces with an object": float((seen.sum(dim=(1, 2, 3)) > 40).float().mean())}
