"""Edits of aligned faces by a generator: with portraits, as in the product, and pass by pass."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from deid import weights
from deid.anonymizer import fallback
from deid.anonymizer.request import Level
from deid.check.faces import find
from deid.compositing.fitting import fit_to_photo
from deid.compositing.proposal import Proposal
from deid.core.attributes import ATTRIBUTES, MALE
from deid.core.errors import DataError, WeightsFormatError, WeightsMissingError
from deid.core.options import Options
from deid.core.protocols import Detector
from deid.core.types import AlignedFace, Crops, Detection, Image
from deid.detection.central import central
from deid.editing import checked
from deid.editing.attgan import AttganEditor
from deid.editing.looks import Looks
from deid.editing.portraits import Portraits
from deid.editing.sampler import sample_sets, sample_shares, with_portraits
from deid.imaging.alignment import align
from deid.imaging.template import TEMPLATE
from deid.landmarks.face_points import FacePoints
from deid.models.attgan import Generator
from deid.recognition.attributes import AttributeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import AgeReader, GenderReader
from deid.training.classifier import to_tensor
from deid.weights import modules
from evaluation.datasets import Photo

_BATCH = 32
#: Where a mean face lies in an aligned crop; the editor does not ask.
FACE = Detection(np.array([28.0, 18.0, 100.0, 112.0]), landmarks=TEMPLATE)
_GAP_PX = 4


@dataclass(frozen=True, slots=True, eq=False)
class Subjects:
    """Faces to edit.

    Args:
        faces: N of them as editors want them; the crop is the photo.
        looks: N of them, what a portrait must have in common with each.
        labels: (N, 13) float32 of -1 and 1: the attributes that deid reads in them.
        people: (N,) whose face each is.
    """

    faces: tuple[AlignedFace, ...]
    looks: tuple[Looks, ...]
    labels: NDArray[np.float32]
    people: tuple[str, ...]

    @property
    def crops(self) -> Crops:
        """(N, 128, 128, 3) uint8 RGB, aligned."""
        return np.stack([face.crop for face in self.faces])

    @property
    def male(self) -> NDArray[np.bool_]:
        """(N,) the sampler's input."""
        return np.asarray(self.labels[:, MALE] > 0)


def aligned(photos: Sequence[Photo], detector: Detector, tick: Callable[[], None]) -> tuple[list[Photo], Crops]:
    """The face nearest to the centre of each photo, upright; photos in which none is found are left out.

    Raises:
        DataError: none is found in any.
    """
    kept: list[Photo] = []
    crops: list[Image] = []
    for start in range(0, len(photos), _BATCH):
        batch = photos[start : start + _BATCH]
        images = [photo.image() for photo in batch]
        for photo, image, found in zip(batch, images, find(detector, images), strict=True):
            face = central(found, image)
            if face is not None:
                kept.append(photo)
                crops.append(align(image, face).crop)
            tick()
    if not kept:
        raise DataError(f"expected a face in at least one of {len(photos)} photos, found none")
    return kept, np.stack(crops)


def subjects(crops: Crops, people: Sequence[str], points: FacePoints) -> Subjects:
    """Aligned faces with all inputs of editing and blending, computed as in the product."""
    reader = AttributeReader()
    read = np.concatenate([reader.probabilities(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)])
    embeddings = DlibResNetEmbedder().embed(crops)
    read[:, MALE] = GenderReader().male(embeddings)
    children = AgeReader().child(embeddings)
    faces = tuple(AlignedFace(crop, np.eye(2, 3), FACE, points.points(crop), crop, row) for crop, row in zip(crops, read, strict=True))
    looks = tuple(_looks(*each) for each in zip(faces, embeddings, children, strict=True))
    return Subjects(faces, looks, np.where(read > 0.5, 1.0, -1.0).astype(np.float32), tuple(people))


def _looks(face: AlignedFace, embedding: NDArray[np.float32], child: float) -> Looks:
    assert face.points is not None
    assert face.attributes is not None
    return Looks.of(face.crop, face.points, face.attributes, embedding, float(face.attributes[MALE]), float(child))


def load_generator(path: Path | None) -> Generator:
    """The shipped generator, or one of a safetensors file of any width, with or without ranks, with any number of shortcuts.

    Raises:
        WeightsMissingError: there is no such file.
        WeightsFormatError: it holds something else.
    """
    if path is None:
        return modules.load_generator()
    try:
        tensors = load(path.read_bytes())
        widths = [len(tensors[f"enc_layers.{i}.layers.0.weight"]) for i in range(5)]
        firsts = [tensors[f"dec_layers.{i}.layers.0.weight"] for i in range(5)]
    except OSError as error:
        raise WeightsMissingError(f"cannot read {path}: {error.strerror}") from error
    except (SafetensorError, KeyError) as error:
        raise WeightsFormatError(f"expected the tensors of a generator in {path}, got {error}") from error
    # A layer with a rank begins with a 1x1 convolution, which counts its channels the other way round.
    ranks = [len(first) for first in firsts if first.shape[2] == 1]
    inputs = [first.shape[1 if i < len(ranks) else 0] for i, first in enumerate(firsts)]
    if (n_attributes := inputs[0] - widths[-1]) != len(ATTRIBUTES):
        raise WeightsFormatError(f"expected a generator of {len(ATTRIBUTES)} attributes in {path}, got {n_attributes}")
    # Without a shortcut, a layer takes what the one before gives, which is as wide as the encoder's layers are.
    shortcuts = 1 + sum(n > width for n, width in zip(inputs[2:], widths[3:0:-1], strict=True))
    network = Generator(widths[0], ranks=ranks, shortcuts=shortcuts)
    modules.fill(network, tensors, weights.Entry("attgan", path.name, ""))
    return network


def first_level(network: Generator) -> Level:
    """What the product tries first."""
    return next(fallback.new_faces(Options(), AttganEditor(network=network)))


def draw_rows(faces: Subjects, bank: Portraits, rng: np.random.Generator) -> NDArray[np.float32]:
    """One stand-in and one random set of the first pass for each face, as the product draws them: (N, SET_SIZE)."""
    return np.concatenate([_row(looks, bool(male), bank, rng) for looks, male in zip(faces.looks, faces.male, strict=True)])


def _row(looks: Looks, male: bool, bank: Portraits, rng: np.random.Generator) -> NDArray[np.float32]:
    numbers = bank.choose(looks, rng)
    if not numbers:
        raise DataError("expected a portrait that suits every face, found none for one")
    return with_portraits(sample_sets(male, 1, rng, fallback.STRENGTHS[0]), numbers, sample_shares(rng, len(numbers)))


def proposals(level: Level, faces: Subjects, rows: NDArray[np.float32]) -> list[Proposal]:
    """The product's result for each face with its row (N, SET_SIZE)."""
    every = zip(faces.faces, rows, strict=True)
    return [fit_to_photo(checked.edit(level.editor, face, row[None], level.strength), face)[0] for face, row in every]


def crops_of(made: Sequence[Proposal]) -> Crops:
    """New faces as the editor gives them: (N, 128, 128, 3)."""
    return np.stack([proposal.edited.crop for proposal in made])


def blended(made: Sequence[Proposal]) -> Crops:
    """New faces as they will look in the photo: (N, 128, 128, 3)."""
    return np.stack([proposal.blended for proposal in made])


@torch.inference_mode()
def one_pass(network: Generator, crops: Crops, wanted: NDArray[np.float32]) -> Crops:
    """A single pass over crops (N, 128, 128, 3).

    Args:
        network: the generator.
        crops: faces.
        wanted: (N, 13) attributes.
    """
    parts = []
    for start in range(0, len(crops), _BATCH):
        images = to_tensor(crops[start : start + _BATCH])
        pixels = (network(images, torch.from_numpy(wanted[start : start + _BATCH])).clamp(-1, 1) + 1) * 127.5
        parts.append(pixels.round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def request(labels: NDArray[np.float32], attribute: int | None = None) -> NDArray[np.float32]:
    """The input of a single pass (N, 13) with which one attribute of faces with labels (N, 13) changes sides, or none does."""
    wanted = np.zeros_like(labels)
    if attribute is not None:
        wanted[:, attribute] = -labels[:, attribute]
    return wanted


def psnr(a: Crops, b: Crops) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB of each pair of crops (N, H, W, 3), shape (N,).

    Formula: ``10 log10(255^2 / mean((a - b)^2))``. Direction: higher means more alike, infinite for equal crops.
    """
    error = np.square(a.astype(np.float64) - b).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(255.0**2 / error))


def sheet(columns: Sequence[Crops], across: int = 4) -> Image:
    """One picture of N faces: each a group of crops side by side, one from every column (N, H, W, 3), so many groups in a row."""
    gap = ((0, 0), (_GAP_PX, _GAP_PX), (_GAP_PX, _GAP_PX), (0, 0))
    cells = np.pad(np.concatenate(columns, axis=2), gap, constant_values=255)
    cells = np.concatenate([cells, np.full((-len(cells) % across, *cells.shape[1:]), 255, np.uint8)])
    rows = cells.reshape(-1, across, *cells.shape[1:])
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3, 4).reshape(len(rows) * cells.shape[1], -1, 3))


def seconds(level: Level, faces: Subjects, rows: NDArray[np.float32], repeats: int = 5) -> list[float]:
    """How long both passes of all rows (N, SET_SIZE) take on the first face, after one run that does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        checked.edit(level.editor, faces.faces[0], rows, level.strength)
        times.append(time.perf_counter() - start)
    return times[1:]
