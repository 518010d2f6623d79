"""Requests and answers of the REST interface, as its OpenAPI document shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deid.serve.corrections import COVERS, STRONGEST, WEAKEST


class Opened(BaseModel):
    """A new session."""

    session: str


class Progress(BaseModel):
    """How far a step is; `total` is 0, and `rate` and `seconds_left` are null, where nobody knows."""

    step: str
    done: int
    total: int
    rate: float | None
    seconds_left: float | None


class File(BaseModel):
    """A file and where it stands."""

    id: str
    name: str
    kind: Literal["photo", "film"]
    state: Literal["queued", "working", "ready", "saved", "failed", "cancelled"]
    error: str | None = Field(description="Why it failed or, of a file that is ready, why the last step was not done.")
    progress: Progress | None
    pending: int
    opened: bool
    faces: int
    doubtful: int
    saved: bool
    version: int
    seconds: float


class Files(BaseModel):
    """A session's files."""

    session: str
    files: list[File]


class Detections(BaseModel):
    """A file's faces (of a photo) or tracks (of a video), what was done to each, and why."""

    id: str
    kind: Literal["photo", "film"]
    version: int
    view: dict[str, Any] = Field(description="Sizes, frames, stills and their boxes.")
    faces: list[dict[str, Any]]


class OneCorrection(BaseModel):
    """Correction of one face. `draw` takes a box and a frame, the others a face; `cover` takes a method and a strength."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["restore", "not_a_face", "keep", "again", "cover", "draw"]
    face: int | None = Field(None, ge=0)
    method: Literal["blur", "pixelate", "solid"] | None = Field(None, description=f"One of {', '.join(COVERS)}.")
    strength: float | None = Field(None, ge=WEAKEST, le=STRONGEST)
    box_xyxy: tuple[float, float, float, float] | None = Field(None, description="In pixels of the upright picture.")
    frame: int | None = Field(None, ge=0)


class Corrections(BaseModel):
    """Corrections that are done together, all or none."""

    model_config = ConfigDict(extra="forbid")

    corrections: list[OneCorrection]


class Status(BaseModel):
    """Version and limits of the server."""

    version: str
    ready: bool
    problem: str | None
    method: str
    limits: dict[str, float]
    covers: list[str]
    strengths: tuple[float, float]
