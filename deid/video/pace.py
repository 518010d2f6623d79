"""Intervals of a video: given in seconds, used in frames."""

import itertools
from collections import deque
from dataclasses import dataclass
from statistics import median

from deid.core.options import Options

#: The rate that is assumed where a source names none, and the highest one that is believed: some containers name their clock's.
USUAL_RATE, _HIGHEST_RATE = 25.0, 60.0
#: Least number of frames for a gap in a track, and for the look-ahead, however slow the video is.
_LEAST_PATIENCE, _LEAST_AHEAD = 3, 4
#: A search that misses a face counts as so many seconds of its memory at most: covers that nobody sees anything under grow.
_MEMORY_S = 0.16
#: A camera's rate is the median over so many frames, is believed after so many, and is another one when it differs by this share.
_METERED, _LEAST_METERED, _OTHER_RATE = 32, 8, 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """Numbers of frames.

    Args:
        every: between two searches of the whole frame.
        memory: for which a face stays covered that no search finds.
        patience: after which a face that comes back is the same one.
        look_ahead: that are read before one is written.
        rate: frames per second.
    """

    every: int
    memory: int
    patience: int
    look_ahead: int
    rate: float

    @classmethod
    def of(cls, options: Options, rate: float = USUAL_RATE, every_frame: bool = False) -> "Pace":
        """From options and the frames per second of a video; an option in frames overrides the one in seconds.

        Args:
            options: `detect_every`, `memory`, `patience` and `look_ahead`, in frames or in seconds.
            rate: frames per second.
            every_frame: search every frame, regardless of the options.
        """
        rate = min(rate, _HIGHEST_RATE)
        every = options.detect_every or max(1, round(options.detect_every_s * rate))
        every = 1 if every_frame else every
        patience, ahead = options.patience, options.look_ahead
        # Searches count, as frames do in the thesis: a short look where a face is expected proves little.
        step = every if options.detect_every else min(every, max(1, round(_MEMORY_S * rate)))
        return cls(
            every=every,
            memory=options.memory * step,
            # A face that one detector alone sees comes back with its next turn.
            patience=max(_LEAST_PATIENCE, round(options.patience_s * rate), 2 * every + 1) if patience is None else patience,
            look_ahead=max(_LEAST_AHEAD, round(options.look_ahead_s * rate)) if ahead is None else ahead,
            rate=rate,
        )

    def frames(self, seconds: float) -> int:
        """How many frames a time takes, at least one."""
        return max(1, round(seconds * self.rate))


class Meter:
    """Measures at which rate frames of a source without a known one are handled.

    Example:
        >>> meter = Meter()
        >>> [meter.changed(0.1 * i) for i in range(9)][-1]  # frames taken every tenth of a second
        10.0
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_METERED)
        self._rate = USUAL_RATE

    def changed(self, time_s: float) -> float | None:
        """The new rate in frames a second when a frame at this time shows that it has changed, else None."""
        self._times.append(time_s)
        if len(self._times) <= _LEAST_METERED:
            return None
        times = list(self._times)
        # A lost connection leaves one long gap, which the median ignores.
        step_s = median(b - a for a, b in itertools.pairwise(times))
        rate = round(min(1 / max(step_s, 1e-3), _HIGHEST_RATE), 3)
        if abs(rate - self._rate) <= _OTHER_RATE * self._rate:
            return None
        self._rate = rate
        return rate
