"""The parts that anonymize a picture, each built on first use."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deid import weights
from deid.anonymizer.filters import Filters
from deid.anonymizer.selection import Selection
from deid.core.lazy import lazy
from deid.core.options import Options
from deid.core.protocols import Detector, Editor, Embedder, Preloadable
from deid.detection import build_detector
from deid.detection.mtcnn import MtcnnDetector
from deid.detection.plates import PlateDetector, Together
from deid.detection.threshold import at_least
from deid.editing.attgan import AttganEditor, FaceAttganEditor
from deid.editing.portraits import PortraitEditor, Portraits
from deid.editing.selector import Selector
from deid.landmarks.face_points import FacePoints
from deid.landmarks.glasses import GlassesReader
from deid.landmarks.objects import ObjectsReader
from deid.models.inference import best_device, check_device
from deid.models.threads import SideBySide, n_threads
from deid.recognition import build_embedder
from deid.recognition.attributes import AttributeReader
from deid.recognition.face_reader import FaceReader
from deid.recognition.linear import GenderReader, PortraitReader
from deid.verification.gate import Gate
from deid.verification.realism import RealismScorer
from deid.weights.networks import open_together


class Models:
    """All parts of an `Anonymizer`.

    Args:
        options: name the parts.
        parts: parts by attribute name, in place of those that the options name: ``detector``, ``editor``, ``embedders``, ``selector``,
            ``reader``, ``gate``, ``points`` and so on.
    """

    def __init__(self, options: Options, **parts: Any) -> None:
        if options.device == "auto":
            options = replace(options, device=best_device())
        self.options = options
        self.filter, self.keeping_nobody = Filters(options).filter, Selection(options)
        # It reads its network on first use.
        self.glasses = GlassesReader(options.device)
        self.objects = ObjectsReader(options.device)
        self._own = {name for name, part in parts.items() if part is not None}
        # Several faces are edited at the same time; one after the other where a part is a caller's, which may not be thread-safe.
        self.threads = SideBySide(1 if self._own else n_threads())
        # A part that is there already hides the one that would be built.
        self.__dict__.update({name: part for name, part in parts.items() if part is not None})

    @lazy
    def detector(self) -> Detector:
        """Detects the faces."""
        options = self.options
        return _joined(at_least(build_detector(options.detector, options.min_face, options.device), options.threshold), self.plates)

    @lazy
    def second_detector(self) -> Detector:
        """Looks for exposed faces in the result: quickly, with another pyramid, because what was not edited looks as it did."""
        if "detector" in self._own:
            return self.detector
        options = self.options
        return _joined(at_least(build_detector("mtcnn_fast", options.min_face, options.device), options.threshold), self.plates)

    @lazy
    def plates(self) -> Detector | None:
        """Detects licence plates; None where nobody asks for them."""
        model = self.options.plate_model
        return PlateDetector(Path(model)) if model and "plates" in self.options.also else None

    @lazy
    def editor(self) -> Editor:
        """Proposes new faces."""
        options = self.options
        if options.stand_in == "none":
            return FaceAttganEditor(options.device)
        bank = Portraits(weights.read_bank(Path(options.portraits)), self.portrait_reader) if options.portraits else None
        return AttganEditor(options.device, bank)

    @lazy
    def selection(self) -> Selection | None:
        """Which faces are left as they are; None where all are edited."""
        options = self.options
        return Selection.of(self) if options.keep or options.only or options.ignore else None

    @property
    def portraits(self) -> Portraits | None:
        """The portraits for stand-ins; None where no editor needs them."""
        editor = self.editor if self.options.method == "attgan" else None
        return editor.portraits() if isinstance(editor, PortraitEditor) else None

    @lazy
    def selector(self) -> Selector | None:
        """Ranks stand-ins and attribute sets; None where they are drawn at random."""
        return None if "editor" in self._own or self.portraits is None else Selector()

    @lazy
    def embedders(self) -> Sequence[Embedder]:
        """The gate's recognisers."""
        return [build_embedder(name, self.options.device) for name in self.options.embedders]

    @lazy
    def reader(self) -> FaceReader:
        """Measures faces before and after the edit."""
        device, new_faces = self.options.device, self.options.method == "attgan"
        # A strong blur is far from everybody for every recogniser, so one is enough to check it.
        judges = self.embedders if new_faces else self.embedders[:1]
        return FaceReader(judges, AttributeReader(device), RealismScorer(device), GenderReader(), new_faces)

    @lazy
    def gate(self) -> Gate:
        """Decides whether an edited face may be published."""
        # A face fills the searched patch: a coarse pyramid is enough, at MTCNN's usual thresholds.
        return Gate(self.reader, MtcnnDetector(min_face=40, device=self.options.device), self.options)

    @lazy
    def bank_embedder(self) -> Embedder:
        """The recogniser by which portraits are compared with a face, whatever the gate's are."""
        name = Portraits.embedder
        return next((e for e in self.reader.embedders if e.name == name), None) or build_embedder(name, self.options.device)

    @lazy
    def portrait_reader(self) -> PortraitReader:
        """Reads what portraits are chosen by."""
        return PortraitReader()

    @lazy
    def points(self) -> FacePoints:
        """Finds the 68 landmarks."""
        return FacePoints()

    def preload(self) -> None:
        """Load every model now, so that a missing or altered file is reported before the first picture.

        Raises:
            ConfigError: torch has no such device.
            WeightsError: a file is missing, altered, or of another architecture.
            DependencyError: a package is missing.
        """
        check_device(self.options.device)
        open_together([] if self._own else _networks(self.options), self.options.device)
        _ = self.selection
        # The detectors read their files when they are built.
        parts: list[object] = [self.detector, self.second_detector, self.gate, self.reader]
        if self.options.method == "attgan":
            parts += [self.portrait_reader, self.points, self.editor, self.selector, self.glasses, self.objects]
        for part in parts:
            if isinstance(part, Preloadable):
                part.preload()


def _networks(options: Options) -> list[str]:
    """Names of the networks that the options need in any case, those first that take longest to open."""
    new_faces = options.method == "attgan"
    needed = {
        "attgan": new_faces,
        "centerface": "centerface" in options.detector,
        "dlib_resnet": new_faces or "dlib_resnet" in options.embedders,
        "mobilenet": new_faces and "mobilenet" in options.embedders,
        "attributes": new_faces,
        "realism": new_faces,
        "glasses": new_faces,
        "objects": new_faces,
        "onet": True,
        "rnet": True,
        "pnet": True,
    }
    return [name for name, wanted in needed.items() if wanted]


def _joined(faces: Detector, plates: Detector | None) -> Detector:
    return faces if plates is None else Together([faces, plates])
