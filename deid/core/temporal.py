"""Smoothing over a video's frames: fields of one face change slowly, so that a new face does not flicker."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deid.core.types import Steady

#: Share of a small change that is followed in one frame.
_FOLLOWS = 0.08
_Array = TypeVar("_Array", bound=NDArray[Any])
_Made = TypeVar("_Made")


class FieldSmoother:
    """Remembers the fields of one track.

    Args:
        keyframe: whether the frame that is edited next is one; what is `held` is made anew there, and kept until the next one.
    """

    def __init__(self, keyframe: bool = True) -> None:
        self.keyframe = keyframe
        self._fields: dict[str, NDArray[Any]] = {}
        self._held: dict[str, tuple[Any, int]] = {}
        self._kept: dict[str, Any] = {}
        self._once: dict[str, Any] = {}
        self._frames, self._used = 1, False

    def go_on(self, keyframe: bool) -> None:
        """Go on to the next frame, which is a keyframe or none."""
        self.keyframe = keyframe
        self._frames, self._used = 1 if self._used else self._frames + 1, False

    def held(self, name: str, make: Callable[[], _Made], keyframes: int = 1) -> _Made:
        """What was made of this name in a keyframe; it is made anew after so many more."""
        made, age = self._held.get(name, (None, keyframes))
        age += self.keyframe
        if age >= keyframes:
            made, age = make(), 0
        self._held[name] = made, age
        found: _Made = made
        return found

    def once(self, name: str, make: Callable[[], _Made]) -> _Made:
        """What was made of this name at first."""
        if name not in self._once:
            self._once[name] = make()
        made: _Made = self._once[name]
        return made

    def anew(self) -> "FieldSmoother":
        """For a face that was away: nothing is known of it but what was made once."""
        new = FieldSmoother()
        new._once = self._once
        return new

    def keep(self, name: str, what: object) -> None:
        """Remember something of this name, until something else is kept."""
        self._kept[name] = what

    def kept(self, name: str) -> Any:
        """What was kept last of this name; None for nothing."""
        return self._kept.get(name)

    def __call__(self, name: str, field: _Array, large: float) -> _Array:
        """A field, smoothed over the frames so far.

        Args:
            name: which field.
            field: its value in this frame.
            large: a mean change of this size is no noise, and is followed at once.
        """
        before, self._used = self._fields.get(name), True
        if before is None or before.shape != field.shape:
            smooth: NDArray[Any] = np.asarray(field)
        else:
            change = float(np.abs(field - before).mean())
            follows = 1 - (1 - _FOLLOWS) ** self._frames
            share = follows + (1 - follows) * min(1.0, change / large) ** 2
            smooth = before + share * (field - before)
        self._fields[name] = smooth
        return smooth.astype(field.dtype)  # type: ignore[return-value]


def steadied(steady: Steady | None, name: str, field: _Array, large: float) -> _Array:
    """The field itself where there are no frames, and else as `FieldSmoother` says."""
    return field if steady is None else steady(name, field, large)


def held(steady: Steady | None, name: str, make: Callable[[], _Made], keyframes: int = 1) -> _Made:
    """What is made where there are no frames, and else what was made in a keyframe, anew after so many more."""
    return make() if steady is None else steady.held(name, make, keyframes)


def once(steady: Steady | None, name: str, make: Callable[[], _Made]) -> _Made:
    """What is made where there are no frames, and else what was made at first."""
    return make() if steady is None else steady.once(name, make)
