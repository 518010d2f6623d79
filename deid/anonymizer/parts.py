"""What editing asks of the parts of an engine, and what videos, data sets and the page ask of the engine itself."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.request import Level, Request
from deid.core.options import Options
from deid.core.protocols import Detector, Editor, Embedder
from deid.core.types import Detection, FaceResult, Image, ImageResult, KeptFace
from deid.editing.portraits import Portraits
from deid.editing.selector import Selector
from deid.landmarks.face_points import FacePoints
from deid.models.threads import SideBySide
from deid.recognition.linear import AgeReader
from deid.verification.gate import Gate


class Selecting(Protocol):
    """Says which faces are left as they are; see `deid.anonymizer.selection`."""

    @property
    def options(self) -> Options: ...

    @property
    def kept(self) -> tuple[KeptFace, ...]:
        """What is kept whatever is found."""
        ...

    @property
    def asks_who(self) -> bool:
        """Whether it depends on who people are."""
        ...

    def for_file(self, name: str) -> "Selecting":
        """The same for the file of that name, a path with slashes."""
        ...

    def marking(self, detections: Sequence[Detection]) -> "Selecting":
        """The same, and these faces are kept."""
        ...

    def area(self, size_hw: tuple[int, int]) -> NDArray[np.bool_] | None:
        """(H, W), where faces are left as they are; None for nowhere."""
        ...

    def split(
        self, image: Image, detections: Sequence[Detection], before: Sequence[KeptFace] = ()
    ) -> tuple[list[Detection], list[KeptFace]]:
        """Faces of a picture (H, W, 3) that are to be edited, and those that are left; ``before`` are left already."""
        ...

    def of_track(self, crops: Sequence[Image]) -> str:
        """Why a track with these aligned crops (128, 128, 3) is left as it is by who it is, or nothing."""
        ...


class Parts(Protocol):
    """The parts that edit and judge faces; `deid.anonymizer.models` builds them."""

    @property
    def options(self) -> Options: ...

    @property
    def detector(self) -> Detector: ...

    @property
    def second_detector(self) -> Detector: ...

    @property
    def plates(self) -> Detector | None: ...

    @property
    def editor(self) -> Editor: ...

    @property
    def portraits(self) -> Portraits | None: ...

    @property
    def selector(self) -> Selector | None: ...

    @property
    def bank_embedder(self) -> Embedder: ...

    @property
    def gate(self) -> Gate: ...

    @property
    def ages(self) -> AgeReader: ...

    @property
    def points(self) -> FacePoints: ...

    @property
    def threads(self) -> SideBySide: ...


class Engine(Protocol):
    """Edits the faces of pictures, one at a time; `deid.anonymizer.engine.Anonymizer` explains each method."""

    @property
    def options(self) -> Options: ...

    @property
    def models(self) -> Parts: ...

    @property
    def detector(self) -> Detector: ...

    @property
    def editor(self) -> Editor: ...

    @property
    def gate(self) -> Gate: ...

    @property
    def selection(self) -> Selecting | None: ...

    def preload(self) -> None:
        """Load every model now."""
        ...

    def process(
        self,
        image: Image,
        detections: Sequence[Detection] | None = None,
        seed: int | None = None,
        *,
        first: Sequence[Detection] | None = None,
        selection: Selecting | None = None,
    ) -> ImageResult:
        """Anonymize one picture."""
        ...

    def process_requests(self, image: Image, requests: Sequence[Request], seed: int) -> tuple[Image, list[FaceResult]]:
        """Edit the faces of one frame of a video."""
        ...

    def choose(self, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Level] = ()) -> Level | None:
        """Draw a new face for one person that passes in several pictures."""
        ...

    def landmarks(self, image: Image, detection: Detection) -> NDArray[np.float64]:
        """The 68 landmarks (68, 2) of a face."""
        ...
