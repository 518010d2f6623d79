"""What editing asks of the parts of an engine, and what videos and the page ask of the engine itself."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer.protocols import PictureEngine, PictureParts
from deid.anonymizer.request import EditedRequests, Level, Request
from deid.core.protocols import Editor, Embedder, FindsGlasses, FindsObjects
from deid.core.types import Detection, Image
from deid.editing.portraits import Portraits
from deid.editing.selector import Selector
from deid.landmarks.face_points import FacePoints
from deid.models.threads import SideBySide
from deid.recognition.face_reader import FaceReader
from deid.recognition.linear import PortraitReader
from deid.verification.gate import Gate


class Parts(PictureParts, Protocol):
    """The parts that edit and judge faces; `deid.anonymizer.models` builds them."""

    @property
    def editor(self) -> Editor: ...

    @property
    def portraits(self) -> Portraits | None: ...

    @property
    def selector(self) -> Selector | None: ...

    @property
    def bank_embedder(self) -> Embedder: ...

    @property
    def reader(self) -> FaceReader: ...

    @property
    def gate(self) -> Gate: ...

    @property
    def portrait_reader(self) -> PortraitReader: ...

    @property
    def points(self) -> FacePoints: ...

    @property
    def glasses(self) -> FindsGlasses: ...

    @property
    def objects(self) -> FindsObjects: ...

    @property
    def threads(self) -> SideBySide: ...


class Engine(PictureEngine, Protocol):
    """Edits the faces of pictures and of frames; `deid.anonymizer.engine.Anonymizer` explains each method."""

    @property
    def models(self) -> Parts: ...

    @property
    def editor(self) -> Editor: ...

    @property
    def gate(self) -> Gate: ...

    def process_requests(self, image: Image, requests: Sequence[Request], seed: int) -> EditedRequests:
        """Edit the faces of one frame of a video."""
        ...

    def choose(self, views: Sequence[tuple[Image, Detection]], seed: int, taken: Sequence[Level] = ()) -> Level | None:
        """Draw a new face for one person that passes in several pictures."""
        ...

    def landmarks(self, image: Image, detection: Detection) -> NDArray[np.float64]:
        """The 68 landmarks (68, 2) of a face."""
        ...
