"""Videos and live cameras."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deid.video.pipeline import anonymize_frames, anonymize_video
    from deid.video.results import Span, VideoResult

__all__ = ["Span", "VideoResult", "anonymize_frames", "anonymize_video"]


def __getattr__(name: str) -> Any:
    # Torch takes seconds to import: it is imported on first use.
    if name not in __all__:
        raise AttributeError(f"module 'deid.video' has no attribute {name!r}")
    from deid.video import pipeline

    return getattr(pipeline, name)
