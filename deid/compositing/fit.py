"""How well a new face fits the photo, and what keeps it from fitting better."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a new face fits the photo.

    Args:
        shown: in [0, 1], how much of the face that must be new the portraits show, and not their hair, hat or background.
        rough: how much the seam would show: 0 not at all, 1 halves the fit.
        unstrained: in [0, 1], 0 where the portraits are bent so far that they look distorted.
    """

    shown: float = 1.0
    rough: float = 0.0
    unstrained: float = 1.0

    @property
    def value(self) -> float:
        """All three together, in [0, 1]: 1 where the new face shows wherever it must, and meets the photo in the same slope."""
        return self.shown / (1 + self.rough) * self.unstrained

    @property
    def worst(self) -> str:
        """What lowers it most, in words."""
        causes = {
            "hair or a hat hides too much of the portrait": self.shown,
            "its border would show": 1 / (1 + self.rough),
            "the portrait is bent too far": self.unstrained,
        }
        return min(causes, key=causes.__getitem__)


#: Of what nothing says that it does not fit.
FITS = Fit()
