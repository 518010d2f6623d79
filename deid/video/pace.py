"""Intervals of a film: given in seconds, used in frames."""

from dataclasses import dataclass

from deid.core.options import Options

#: The rate that is assumed where a source names none, and the highest one that is believed: some containers name their clock's.
USUAL_RATE, _HIGHEST_RATE = 25.0, 60.0
#: Least number of frames for a gap in a track, and for the look-ahead, however slow the film is.
_LEAST_PATIENCE, _LEAST_AHEAD = 3, 4


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
        """From options and the frames per second of a film; an option in frames overrides the one in seconds.

        Args:
            options: `detect_every`, `memory`, `patience` and `look_ahead`, in frames or in seconds.
            rate: frames per second.
            every_frame: search every frame, regardless of the options.
        """
        rate = min(rate, _HIGHEST_RATE)
        every = options.detect_every or max(1, round(options.detect_every_s * rate))
        every = 1 if every_frame else every
        patience, ahead = options.patience, options.look_ahead
        return cls(
            every=every,
            # Searches count, as frames do in the thesis: a short look where a face is expected proves little.
            memory=options.memory * every,
            patience=max(_LEAST_PATIENCE, round(options.patience_s * rate)) if patience is None else patience,
            look_ahead=max(_LEAST_AHEAD, round(options.look_ahead_s * rate)) if ahead is None else ahead,
            rate=rate,
        )

    def frames(self, seconds: float) -> int:
        """How many frames a time takes, at least one."""
        return max(1, round(seconds * self.rate))
