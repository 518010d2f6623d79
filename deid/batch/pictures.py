"""A picture of one or more frames without its people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deid.anonymizer import known
from deid.core.types import Detection, ImageResult
from deid.imaging.codec import Picture

if TYPE_CHECKING:
    # Torch takes seconds to import; who plans a run needs none of it.
    from deid.anonymizer.engine import Anonymizer


def anonymize(
    picture: Picture, engine: "Anonymizer", seed: int | None, detections: Sequence[Detection] | None = None
) -> tuple[Picture, tuple[ImageResult, ...]]:
    """A picture without its people, and one result per frame.

    Args:
        picture: from `deid.imaging.codec`.
        engine: anonymizes the frames.
        seed: None for a fresh one. All frames of an animation share it.
        detections: faces that are known already, in every frame; the engine's option ``boxes`` says whether there may be others.
    """
    first = known.process(engine, picture.frames[0].rgb, detections, seed)
    frames = (first, *(known.process(engine, f.rgb, detections, first.seed) for f in picture.frames[1:]))
    return picture.with_frames([f.image for f in frames]), frames


def seed_of(seed: int | None, index: int) -> int | None:
    """The seed of the file with that place in the order, from the run's one; None stays None."""
    return None if seed is None else int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
