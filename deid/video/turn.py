"""Orientation of a video that was recorded sideways without metadata."""

from collections.abc import Sequence

from deid.core.types import Detection
from deid.detection.quarters import TURNS
from deid.video.pace import Pace

#: A detection of this score needs no search at other turns.
SURE = 0.9
#: Only detections of this score speak for a turn, or begin a track at one that the video is not known to have.
CLEAR = 0.8
#: So often another turn is tried: at first while nobody is seen for sure, at last while nobody comes, and while somebody is.
_FIRST_S, _LAST_S, _CHECK_S = 0.2, 0.64, 4.0


class TurnMemory:
    """Remembers the turn of a video, and when to try another one.

    Args:
        pace: of the video.

    Examples:
        >>> memory = TurnMemory(Pace.of(Options(), 25.0))
        >>> memory.due(0, sure=False) in (None, 90, 180, 270)
        True
    """

    def __init__(self, pace: Pace) -> None:
        self.degrees = 0
        self._pace = pace
        self._wait_s = _FIRST_S
        self._tried = 0
        self._next = 0

    def keep(self, pace: Pace) -> None:
        """Go on at another pace."""
        self._pace = pace

    def others(self) -> list[int]:
        """The turns that the video does not have."""
        return [degrees for degrees in TURNS if degrees != self.degrees]

    def due(self, index: int, sure: bool) -> int | None:
        """The turn to try in a frame, each in its turn, or None.

        Args:
            index: of the frame.
            sure: whether there is a confident detection.
        """
        if index - self._tried < self._pace.frames(_CHECK_S if sure else self._wait_s):
            return None
        self._tried = index
        self._wait_s = _FIRST_S if sure else min(2 * self._wait_s, _LAST_S)
        self._next += 1
        return self.others()[self._next % len(self.others())]

    def note(self, degrees: int, found: Sequence[Detection], here: Sequence[Detection]) -> None:
        """Take the turn for the video's own when more is found at it than at that one."""
        if evidence(found) > evidence(here):
            self.degrees = degrees


def evidence(found: Sequence[Detection]) -> float:
    """How much speaks for a turn: the sum of the clear scores."""
    return sum(d.score for d in found if d.score >= CLEAR)
