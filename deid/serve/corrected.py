"""What photos and videos have in common on their way: corrections are checked, and the result is searched before it is final."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from deid.anonymizer import known_boxes
from deid.anonymizer.parts import Engine
from deid.core.errors import DetectionError
from deid.serve import corrections as checks
from deid.serve.corrections import Correction, CorrectionError
from deid.serve.limits import Limits
from deid.serve.uploads import IN_WORDS, Upload
from deid.serve.work import Progress


class CorrectedWork(ABC):
    """A part of `deid.serve.work.Work`.

    Args:
        upload: the file.
        engine: edits and judges faces.
        limits: of its size.
    """

    kind: ClassVar[str]
    #: How often the result is searched for faces that are still exposed.
    rounds: ClassVar[int]

    def __init__(self, upload: Upload, engine: Engine, limits: Limits) -> None:
        self._upload, self._engine, self._limits = upload, engine, limits
        self._seed, self._notes = 0, tuple[str, ...]()
        #: Whether a correction was begun that the candidate does not show yet.
        self._stale = False
        self._candidate = upload.folder / f"candidate{upload.path.suffix}"
        self.view: dict[str, Any] = {"frames": 0}
        self.faces: Sequence[dict[str, Any]] = ()

    def check(self, corrections: Sequence[Correction]) -> None:
        checks.check(corrections, len(self.faces))
        for correction in corrections:
            if correction.action == "again" and self._engine.options.method != "attgan":
                raise CorrectionError("new faces need the method attgan")
            if correction.box_xyxy is not None:
                if not 0 <= correction.frame < self.view["frames"]:
                    raise CorrectionError(f"there is no frame {correction.frame}: the {IN_WORDS[self.kind]} has {self.view['frames']}")
                if why := known_boxes.why_not(correction.box_xyxy, self._size_wh(correction.frame)):
                    raise CorrectionError(why)

    def save(self, progress: Progress) -> None:
        if self._stale:
            self._render(progress)
        for _ in range(self.rounds):
            if not self._last_look(progress):
                self._candidate.replace(self._upload.result)
                return
            self._render(progress)
        raise self._still_exposed()

    def _still_exposed(self) -> DetectionError:
        return DetectionError(f"faces are still exposed after {self.rounds} rounds")

    @abstractmethod
    def _size_wh(self, frame: int) -> tuple[int, int]:
        """Width and height of a frame."""

    @abstractmethod
    def _render(self, progress: Progress) -> None:
        """Make the candidate again from the upload and the decisions."""

    @abstractmethod
    def _last_look(self, progress: Progress) -> bool:
        """Whether the candidate shows an exposed face; what is found is covered in the next rendering."""
