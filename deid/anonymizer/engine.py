"""The facade: pictures in, anonymized pictures out."""

import secrets
from collections.abc import Sequence
from contextlib import nullcontext

import cv2
import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.choice import choose
from deid.anonymizer.face import Face, beneath_new_faces
from deid.anonymizer.identities import Identities
from deid.anonymizer.models import Models
from deid.anonymizer.protocols import Selecting
from deid.anonymizer.request import EditedRequests, Level, Request
from deid.anonymizer.results import result_of
from deid.anonymizer.scheduler import Scheduler
from deid.compositing.proposal import Patch
from deid.core.options import Options
from deid.core.protocols import Detector, Editor, Embedder
from deid.core.types import Detection, Image, ImageResult, KeptFace, check_image
from deid.detection.checked import detect
from deid.editing.selector import Selector
from deid.imaging import geometry
from deid.imaging.alignment import align
from deid.models.threads import use_threads
from deid.verification.gate import Gate


class Anonymizer:
    """Replaces or covers every face in pictures.

    Models load once, on first use. One instance may be used from several threads.

    Args:
        options: method, detector, thresholds; the defaults when None.
        detector: your own, in place of the one in the options.
        editor: your own, in place of AttGAN.
        embedders: your own, in place of those in the options; at least one.
        selector: your own, in place of the shipped one. With an editor of your own and no selector, stand-ins and attribute sets are
            drawn at random.
        models: all of these parts and more, in place of those that are built.

    Raises:
        ConfigError: an option has an unknown value.

    Examples:
        >>> result = Anonymizer(Options(seed=7)).process(image)
        >>> [(face.method, face.status) for face in result.faces]
        [('attgan', 'passed')]
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        detector: Detector | None = None,
        editor: Editor | None = None,
        embedders: Sequence[Embedder] | None = None,
        selector: Selector | None = None,
        models: Models | None = None,
    ) -> None:
        parts = {"detector": detector, "editor": editor, "embedders": embedders or None, "selector": selector}
        self.models = models or Models(options or Options(), **parts)
        self.options = self.models.options
        self._identities = Identities(self.models)
        self._scheduler = Scheduler(self.models, self._identities)

    @property
    def detector(self) -> Detector:
        """The detector."""
        return self.models.detector

    @property
    def editor(self) -> Editor:
        """The editor, which proposes new faces."""
        return self.models.editor

    @property
    def selection(self) -> Selecting | None:
        """Which faces are left as they are; None where all are edited."""
        return self.models.selection

    @property
    def selector(self) -> Selector | None:
        """The selector, which ranks stand-ins and attribute sets; None where they are drawn at random."""
        return self.models.selector

    @property
    def gate(self) -> Gate:
        """The gate, which decides whether an edited face may be published."""
        return self.models.gate

    def preload(self) -> None:
        """Load every model now; see `Models.preload`."""
        self.models.preload()

    def process(
        self,
        image: Image,
        detections: Sequence[Detection] | None = None,
        seed: int | None = None,
        *,
        first: Sequence[Detection] | None = None,
        selection: Selecting | None = None,
    ) -> ImageResult:
        """Anonymize one picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            detections: known faces; the detector is then not used. A face that lies wholly outside the picture is left out.
            seed: makes the output reproducible; None takes the options' seed, or draws a fresh one.
            first: in place of what the detector finds at first; the result is searched for others as usual.
            selection: which faces are left as they are; the options' one when None.

        Returns:
            A new picture, and a result for each face. Every detected face has been edited, covered, or kept on request.

        Raises:
            ValueError: the image is no (H, W, 3) uint8 array.
            DetectionError: the detector failed.
            EditError: an editor failed. There is no picture then.
        """
        check_image(image)
        seed = next(s for s in (seed, self.options.seed, secrets.randbits(63)) if s is not None)
        selection = selection or self.models.selection
        with self._identities.lock if self._identities.kept else nullcontext():
            kept: list[KeptFace] = []
            if detections is None:
                out, faces, kept = self._scheduler.edit_all(image, seed, first, selection)
            else:
                edited = list(detections)
                if selection is not None:
                    edited, kept = selection.split(image, detections)
                    kept += selection.kept
                out, faces = self._scheduler.edit_given(image, [Request(d) for d in edited], seed)
            self._identities.remember(faces)
        return ImageResult(out, tuple(result_of(face, self.models) for face in faces), seed, tuple(kept))

    def process_requests(self, image: Image, requests: Sequence[Request], seed: int) -> EditedRequests:
        """Edit the faces of one frame of a video.

        Args:
            image: (H, W, 3) uint8 RGB.
            requests: the faces, at least partly inside the frame, each with its own levels.
            seed: makes the output reproducible.

        Returns:
            A new frame, and a result for each face, in the order of the requests.
        """
        out, faces = self._scheduler.edit_given(check_image(image), requests, seed)
        became: dict[Request, Face] = {face.request: face for face in faces}
        results = [result_of(became[request], self.models) for request in requests]
        return EditedRequests(out, results, lambda place, covered: beneath_new_faces(Patch(place, out[place], covered), faces).touched)

    def process_crop(self, crop: Image, seed: int | None = None) -> ImageResult:
        """Anonymize a picture that one face fills, such as another detector's crop; the whole of it counts as the face
        where the detector finds none."""
        h, w = check_image(crop).shape[:2]
        whole = Detection(np.array([0.0, 0.0, w, h]), 1.0, None, "crop")
        found = detect(self.detector, crop)
        return self.process(crop, [max(found, key=lambda d: d.size)] if found else [whole], seed)

    def choose(self, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Level] = ()) -> Level | None:
        """Draw a new face for one person that the gate lets pass in several pictures.

        Args:
            views: (H, W, 3) uint8 RGB pictures with the person's face in each, the best one first.
            seed: what stand-ins and attribute sets are drawn from.
            taken: levels of other people, whose portraits are not used again.

        Returns:
            The level with the stand-in and the attribute set that pass in the first picture and in most of the others; of several,
            the ones with the best realism and distance in the first. None when there are none, or every face is too small, cut or
            doubtful: the person is to be covered.
        """
        return choose(self.models, views, seed, taken)

    def landmarks(self, image: Image, detection: Detection) -> NDArray[np.float64]:
        """The 68 landmarks (68, 2) of a face, in pixels of the picture (H, W, 3)."""
        aligned = align(image, detection)
        return geometry.apply(geometry.invert(aligned.matrix), self.models.points.points(aligned.crop))


def one_of_several(options: Options) -> Anonymizer:
    """An engine with its models loaded, for one of several processes.

    One thread each: as many processes as cores then don't fight, and the outputs don't depend on how many there are.
    """
    use_threads(1)
    cv2.setNumThreads(1)
    engine = Anonymizer(options)
    engine.preload()
    return engine
