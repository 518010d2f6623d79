"""What became of each file of a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deid.core.types import FrameResult
from deid.video.results import VideoResult


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """The result for one file.

    Args:
        source: the input.
        target: the output; None when nothing was written.
        error: why it failed; empty when it did not. Both an error and a target has a video that could be read in part, and a picture
            of which that of `--debug` cannot be written.
        frames: one result per frame of a picture, without its pixels.
        video: the result for a video; None for a picture.
        left_out: whether it is a file of a kind that is not read; ``error`` says why.
        changes: notes on what was left out of a picture or changed.
    """

    source: Path
    target: Path | None = None
    error: str = ""
    frames: tuple[FrameResult, ...] = field(default=())
    video: VideoResult | None = None
    left_out: bool = False
    changes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out of the file or changed."""
        return self.changes if self.video is None else self.video.notes

    @property
    def incomplete(self) -> bool:
        """Whether the output lacks what the input had: streams of a video, further pictures, a map of depth, a colour profile."""
        return any("left out" in note for note in self.notes)

    @property
    def failed(self) -> bool:
        """Whether it should have been done and was not, or not wholly."""
        return bool(self.error) and not self.left_out

    @property
    def status(self) -> str:
        """`done`, `failed`, `partial` for a file of which a part was done, or `left out`."""
        if self.left_out:
            return "left out"
        return "done" if not self.error else "failed" if self.target is None else "partial"

    @property
    def n_faces(self) -> int:
        """Faces of a picture's frames, tracks of a video."""
        return sum(len(f.faces) for f in self.frames) if self.video is None else len(self.video.tracks)

    @property
    def n_kept(self) -> int:
        """Faces of a picture's frames, tracks of a video, that were kept on request."""
        return sum(len(f.kept) for f in self.frames) if self.video is None else len(self.video.kept)

    @property
    def n_edited(self) -> int:
        """Number of faces for which the requested method passed."""
        return sum(f.n_edited for f in self.frames) if self.video is None else sum(t.asked for t in self.video.tracks)

    def to_dict(self, debug: bool = False) -> dict[str, Any]:
        """Plain values for JSON; ``debug`` as for a face."""
        details = {"notes": list(self.notes), "frames": [frame.to_dict(debug) for frame in self.frames]}
        return {
            "input": str(self.source),
            "output": None if self.target is None else str(self.target),
            "status": self.status,
            "error": self.error or None,
            **({"film": self.video.to_dict()} if self.video else details),
        }
