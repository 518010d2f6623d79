"""One face of a photo, its new faces, and what the gate and a second recogniser say of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deid.anonymizer import fallback
from deid.compositing.fitting import fit_to_photo
from deid.core.options import Options
from deid.core.types import AlignedFace, Crops, Embeddings, Image
from deid.detection import build_detector
from deid.detection.central import central
from deid.detection.mtcnn import MtcnnDetector
from deid.editing.attgan import AttganEditor
from deid.editing.checked import edit
from deid.editing.looks import Looks
from deid.editing.sampler import SET_SIZE, sample_sets, sample_shares, with_portraits
from deid.imaging.alignment import align, at_photo_scale, is_profile, warp
from deid.landmarks.face_points import FacePoints
from deid.recognition.attributes import AttributeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.face_reader import FaceReader
from deid.recognition.linear import AgeReader, GenderReader
from deid.recognition.source_face import SourceFace
from deid.training.classifier import to_tensor
from deid.training.recognisers import mobilefacenet_recogniser
from deid.training.selector_table import Table
from deid.verification.gate import Gate
from deid.verification.realism import RealismScorer


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A person of the table.

    Args:
        name: who it is.
        image: (H, W, 3) the photo.
        face: of the photo, with all inputs of editors.
        source: what the gate remembers.
        looks: features that a portrait for the face must have.
    """

    name: str
    image: Image
    face: AlignedFace
    source: SourceFace
    looks: Looks


class Bench:
    """Makes new faces as the product does and measures what came out.

    Args:
        recogniser: MobileFaceNet as safetensors: the second opinion on who a face is.
        options: the gate's thresholds.
        editor: the shipped one when None.
    """

    def __init__(self, recogniser: Path, options: Options | None = None, editor: AttganEditor | None = None) -> None:
        self.options, self.editor = options or Options(), editor or AttganEditor()
        self.level = next(fallback.new_faces(self.options, self.editor))
        self._dlib = DlibResNetEmbedder()
        self._reader = FaceReader([self._dlib], AttributeReader(), RealismScorer(), GenderReader())
        self.gate = Gate(self._reader, MtcnnDetector(min_face=40), self.options)
        self._detector = build_detector(self.options.detector, self.options.min_face)
        self._second = mobilefacenet_recogniser(recogniser).to(memory_format=torch.channels_last)
        self._points, self._ages = FacePoints(), AgeReader()

    def subject(self, name: str, image: Image) -> Subject | None:
        """The face in the middle of a photo (H, W, 3); None where the product would cover it or finds none."""
        found = central(self._detector.detect(image), image)
        if found is None or found.score < self.options.edit_score or is_profile(found):
            return None
        aligned = align(image, found)
        source, points = self._reader.source_of(aligned.crop, found), self._points.points(aligned.crop)
        assert source.attributes is not None
        face = AlignedFace(aligned.crop, aligned.matrix, found, points, at_photo_scale(image, aligned.matrix), source.attributes)
        embedding = source.embeddings[0][0]
        child = float(self._ages.child(embedding[None])[0])
        return Subject(name, image, face, source, Looks.of(aligned.crop, points, source.attributes, embedding, source.male, child))

    def pairs(self, subject: Subject, n: int, n_sets: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Rows for n stand-ins, as reserved for a face, with n_sets sets each: (n * n_sets, SET_SIZE) at most."""
        used: set[int] = set()
        rows = [np.zeros((0, SET_SIZE), np.float32)]
        for _ in range(n):
            numbers = self.editor.portraits().choose(subject.looks, rng, used)
            if not numbers:
                break
            used.update(numbers)
            sets = sample_sets(subject.source.male > 0.5, n_sets, rng, self.level.strength)
            rows.append(with_portraits(sets, numbers, sample_shares(rng, len(numbers))))
        return np.concatenate(rows)

    def measure(self, subject: Subject, rows: NDArray[np.float32]) -> Table:
        """Results for one face under rows (S, SET_SIZE)."""
        face = subject.face
        proposals = fit_to_photo(edit(self.editor, face, rows, self.level.strength), face)
        pasted = [proposal.paste(subject.image, face.matrix)[0] for proposal in proposals]
        checks = [self.gate.judge(subject.source, image) for image in pasted]
        places = self.places(np.stack([face.crop, *(warp(image, face.matrix) for image in pasted)]))
        columns = {
            "looks": subject.looks.row(),
            "second_embeddings": places[0],
            "rows": rows,
            "distance": [check.distances[0].value for check in checks],
            "second": np.linalg.norm(places[1:] - places[0], axis=1),
            "iou": [check.iou for check in checks],
            "realism": [check.realism for check in checks],
            "fit": [proposal.fit.value for proposal in proposals],
        }
        arrays = {column: np.asarray(values, np.float32)[None] for column, values in columns.items()}
        return Table(identities=np.array([subject.name]), passed=np.array([[c.passed for c in checks]]), **arrays)

    @torch.inference_mode()
    def places(self, crops: Crops) -> Embeddings:
        """Embeddings of crops (N, 128, 128, 3) by the second recogniser: (N, 128) unit rows."""
        return np.asarray(self._second(to_tensor(crops)).numpy(), np.float32)
