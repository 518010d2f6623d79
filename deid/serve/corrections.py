"""Corrections that a person can ask for, checked before anything is done."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from deid.core.errors import DeidError

Action: TypeAlias = Literal["restore", "not_a_face", "keep", "again", "cover", "draw"]
ACTIONS: tuple[str, ...] = get_args(Action)
#: Covers that a person may choose.
COVERS = ("blur", "pixelate", "solid")
#: Strengths of a cover, in units of the option's own.
WEAKEST, STRONGEST = 0.5, 4.0
_KEYS = {"action", "face", "method", "strength", "box_xyxy", "frame"}


class CorrectionError(DeidError):
    """A correction makes no sense: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Correction of one face.

    Args:
        action: `restore` for what the program chose, `not_a_face` and `keep` to leave it as it is, `again` for another new face, `cover`.
        method: of `cover`.
        strength: of `cover`.
        seed: of `again`.
    """

    action: Literal["restore", "not_a_face", "keep", "again", "cover"] = "restore"
    method: str = ""
    strength: float = 1.0
    seed: int | None = None

    @property
    def leaves(self) -> bool:
        """Whether the face is left as it is."""
        return self.action in ("not_a_face", "keep")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        cover = {"method": self.method, "strength": self.strength} if self.action == "cover" else {}
        return {"action": self.action, **cover}


@dataclass(frozen=True, slots=True)
class Correction:
    """One requested correction.

    Args:
        action: see `Decision`; `draw` adds a face that was missed.
        face: number of the face or track; None for `draw`.
        method: of `cover`.
        strength: of `cover`.
        box_xyxy: of `draw`, in pixels of the upright picture.
        frame: of `draw`, in which frame.
    """

    action: Action
    face: int | None = None
    method: str = ""
    strength: float = 1.0
    box_xyxy: tuple[float, float, float, float] | None = None
    frame: int = 0

    @classmethod
    def of(cls, given: object) -> "Correction":
        """From plain values.

        Raises:
            CorrectionError: a key or a value is none that is known.
        """
        if not isinstance(given, Mapping):
            raise CorrectionError(f"expected a correction to be an object, got {type(given).__name__}")
        if unknown := sorted(str(key) for key in set(given) - _KEYS):
            raise CorrectionError(f"unknown key {unknown[0]!r} in a correction; valid are {', '.join(sorted(_KEYS))}")
        action = given.get("action")
        if action not in ACTIONS:
            raise CorrectionError(f"expected action to be one of {', '.join(ACTIONS)}, got {action!r}")
        if action == "draw":
            return cls("draw", box_xyxy=_box(given.get("box_xyxy")), frame=_whole("frame", given.get("frame", 0)))
        face = _whole("face", given.get("face"))
        if action != "cover":
            return cls(action, face)
        method, strength = given.get("method"), given.get("strength", 1.0)
        if method not in COVERS:
            raise CorrectionError(f"expected method to be one of {', '.join(COVERS)}, got {method!r}")
        if not _is_number(strength) or not WEAKEST <= strength <= STRONGEST:
            raise CorrectionError(f"expected strength to be a number in [{WEAKEST}, {STRONGEST}], got {strength!r}")
        return cls("cover", face, str(method), float(strength))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise CorrectionError(f"expected {name} to be a whole number from 0, got {value!r}")
    return value


def _box(value: object) -> tuple[float, float, float, float]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4 or not all(_is_number(v) for v in value):
        raise CorrectionError(f"expected box_xyxy to be four numbers [x0, y0, x1, y1], got {value!r}")
    x0, y0, x1, y1 = (float(v) for v in value)
    if x1 <= x0 or y1 <= y0:
        raise CorrectionError(f"expected a box with x0 < x1 and y0 < y1, got {value!r}")
    return x0, y0, x1, y1


def check(corrections: Sequence[Correction], n_faces: int) -> None:
    """Refuse corrections of faces that are not there.

    Raises:
        CorrectionError: one names such a face.
    """
    for correction in corrections:
        if correction.face is not None and correction.face >= n_faces:
            raise CorrectionError(f"there is no face {correction.face}: the file has {n_faces}")
