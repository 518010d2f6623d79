"""Which faces are left as they are: people to keep, people who alone are edited, zones, and marked faces.

A doubt means that a face is not left as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deid.anonymizer import known_people
from deid.anonymizer.known_people import LOOSE, SINGLE, STRICT, KnownPeople, is_clear
from deid.anonymizer.zones import Zones, holds
from deid.core.options import Options
from deid.core.protocols import Detector, Embedder
from deid.core.types import Detection, Image, KeptFace
from deid.detection.merge import is_among
from deid.landmarks.realigned import realigned

MARKED = "marked to be kept"
#: In a video, so many clear sightings of a track, spread over it, must agree on who it is, and no fewer than so many.
VIEWS, _LEAST_VIEWS = 16, 3


class HasParts(Protocol):
    """Models that read reference photos."""

    @property
    def options(self) -> Options: ...

    @property
    def detector(self) -> Detector: ...

    @property
    def embedders(self) -> Sequence[Embedder]: ...

    @property
    def bank_embedder(self) -> Embedder: ...


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Which faces are left as they are.

    Args:
        options: say which faces are seen well.
        keep: these people stay.
        only: only these people go.
        zones: faces in them stay.
        marked: faces that a person marked to be kept; they are not among those that are split.
        name: of the file that is looked at, which has a mask of its own.
    """

    options: Options
    keep: KnownPeople | None = None
    only: KnownPeople | None = None
    zones: Zones | None = None
    marked: tuple[Detection, ...] = ()
    name: str = ""

    @classmethod
    def of(cls, parts: HasParts) -> "Selection":
        """The selection that the options name.

        Raises:
            ConfigError: a folder has no usable reference photos, or a zone is none.
        """
        options = parts.options
        keep, only = (_people(Path(folder), parts) if folder else None for folder in (options.keep, options.only))
        return cls(options, keep, only, Zones.parse(options.ignore) if options.ignore else None)

    @property
    def kept(self) -> tuple[KeptFace, ...]:
        """Faces that are kept without being compared."""
        return tuple(KeptFace(detection, MARKED) for detection in self.marked)

    def for_file(self, name: str) -> "Selection":
        """The same for the file of that name, a path with slashes."""
        return replace(self, name=name)

    def marking(self, detections: Sequence[Detection]) -> "Selection":
        """The same, and these faces are kept."""
        return replace(self, marked=tuple(detections))

    def area(self, size_hw: tuple[int, int]) -> NDArray[np.bool_] | None:
        """(H, W), where faces are left as they are; None for nowhere.

        Raises:
            DataError: a mask is of another size.
        """
        return None if self.zones is None else self.zones.area(size_hw, self.name)

    @property
    def asks_who(self) -> bool:
        """Whether it depends on who people are."""
        return self.keep is not None or self.only is not None

    def split(
        self, image: Image, detections: Sequence[Detection], before: Sequence[KeptFace] = ()
    ) -> tuple[list[Detection], list[KeptFace]]:
        """Faces of a picture (H, W, 3) that are to be edited, and those that are left as they are.

        Args:
            image: the picture as it was.
            detections: faces in it.
            before: faces that are kept already; a further detection of one is neither edited nor reported again.
        """
        known = [face.detection for face in before]
        faces = [d for d in detections if not is_among(d, known)]
        reasons = self.reasons(image, faces)
        kept = [KeptFace(d, why) for d, why in zip(faces, reasons, strict=True) if why]
        return [d for d, why in zip(faces, reasons, strict=True) if not why], kept

    def reasons(self, image: Image, detections: Sequence[Detection]) -> list[str]:
        """Why each face is left as it is, or nothing."""
        area = self.area((image.shape[0], image.shape[1]))
        reasons = ["it lies in a zone to be ignored" if area is not None and holds(area, d) else "" for d in detections]
        if self.asks_who:
            asked = [i for i, d in enumerate(detections) if not reasons[i] and d.label == "face" and is_clear(d, self.options)]
            crops = [realigned(image, detections[i]) for i in asked]
            for i, why in zip(asked, self._of_people(crops), strict=True):
                reasons[i] = why
        return reasons

    def _of_people(self, crops: Sequence[Image]) -> list[str]:
        """Why faces of one picture are left as they are by who they are."""
        if not crops:
            return []
        reasons, stacked = [""] * len(crops), np.stack(crops)
        if self.keep is not None:
            near = self.keep.nearness(stacked)
            for person, face in best_pairs(near):
                reasons[face] = kept_as(self.keep.names[person], near[face, person])
        if self.only is not None:
            apart = self.only.nearness(stacked).min(axis=1)
            for i in np.flatnonzero(apart > LOOSE):
                reasons[i] = reasons[i] or f"it is none of the people who alone are to go (nearness {apart[i]:.2f})"
        return reasons

    def of_track(self, crops: Sequence[Image]) -> str:
        """Why a video's track is left as it is by who it is, from clear sightings that are spread over it; nothing on any doubt."""
        if not self.asks_who or len(crops) < _LEAST_VIEWS:
            return ""
        stacked = np.stack(crops)
        if self.keep is not None:
            near = self.keep.nearness(stacked)
            person = int(np.median(near, axis=0).argmin())
            # One view may be poor; one that is like a stranger's may be somebody else's, whom the track has come to follow.
            if np.median(near[:, person]) < STRICT and (near[:, person] < SINGLE).all():
                return kept_as(self.keep.names[person], float(np.median(near[:, person])))
        if self.only is not None and (apart := self.only.nearness(stacked).min()) > LOOSE:
            return f"it is none of the people who alone are to go (nearness {apart:.2f})"
        return ""


def kept_as(name: str, nearness: float) -> str:
    """How a report says that a person is kept."""
    return f"kept as {name} (nearness {nearness:.2f} < {STRICT:.2f})"


def best_pairs(near: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Person and face of every pair that is near enough: in one picture, each person is one face, and each face one person.

    Args:
        near: (N, P) nearness of N faces to P people.
    """
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(near, axis=None, kind="stable"):
        face, person = (int(i) for i in np.unravel_index(flat, near.shape))
        if near[face, person] >= STRICT:
            break
        if all(person != p and face != f for p, f in pairs):
            pairs.append((person, face))
    return pairs


def _people(folder: Path, parts: HasParts) -> KnownPeople:
    crops, first = known_people.read(folder, parts.detector, parts.options, realigned), parts.bank_embedder
    return KnownPeople.of(crops, [first, *(e for e in parts.embedders if e.name != first.name)])
