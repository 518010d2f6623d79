"""What data sets, files and known boxes ask of an engine: pictures in, pictures out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deid.core.options import Options
from deid.core.protocols import Detector, Editor
from deid.core.types import Detection, Image, ImageResult, KeptFace


class Selecting(Protocol):
    """Says which faces are left as they are; see `deid.anonymizer.selection`."""

    @property
    def options(self) -> Options: ...

    @property
    def kept(self) -> tuple[KeptFace, ...]:
        """Faces that are kept without being compared."""
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


class Covering(Protocol):
    """Gives the plain filters, which cover faces."""

    @property
    def options(self) -> Options: ...

    def filter(self, name: str, /) -> Editor:
        """The filter of a name of `deid.editing.filters.FILTERS`."""
        ...


class PictureParts(Covering, Protocol):
    """The parts that detect and cover faces; `deid.anonymizer.models` builds them."""

    @property
    def detector(self) -> Detector: ...

    @property
    def second_detector(self) -> Detector: ...

    @property
    def plates(self) -> Detector | None: ...

    @property
    def keeping_nobody(self) -> Selecting:
        """A selection by which every face is edited."""
        ...


class PictureEngine(Protocol):
    """Edits the faces of pictures, one at a time; `deid.anonymizer.engine.Anonymizer` explains each method."""

    @property
    def options(self) -> Options: ...

    @property
    def models(self) -> PictureParts: ...

    @property
    def detector(self) -> Detector: ...

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
