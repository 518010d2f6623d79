"""Limits that an output must keep to pass."""

from dataclasses import dataclass

from deid.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for an output. Untouched copies fail the defaults, and solid covers pass them.

    Args:
        exposed: largest share of faces that are as they were, or, in photos, that are still recognised.
        recognised: largest share of faces that some recogniser still matches to the same person.
        recall: least share of the faces before that a detector still detects; 0 for no limit.
        metadata: whether metadata may be left.

    Raises:
        ConfigError: a share is not in [0, 1].
    """

    exposed: float = 0.0
    recognised: float = 0.0
    recall: float = 0.0
    metadata: bool = False

    def __post_init__(self) -> None:
        for name in ("exposed", "recognised", "recall"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"expected the limit {name} to be a share in [0, 1], got {value}")
