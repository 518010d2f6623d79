"""Takes the people out of pictures and leaves everything else in.

import deid

picture = deid.anonymize("party.jpg")           # a PIL image
result = deid.Anonymizer(deid.Options(seed=7)).process(array)   # an ImageResult with a FaceResult per face
"""

from typing import TYPE_CHECKING, Any

from deid._version import __version__

if TYPE_CHECKING:
    from deid.anonymizer.engine import Anonymizer
    from deid.api import anonymize
    from deid.core.errors import DeidError
    from deid.core.options import Options
    from deid.core.types import Detection, Distance, FaceResult, ImageResult, Verification

__all__ = [
    "Anonymizer",
    "DeidError",
    "Detection",
    "Distance",
    "FaceResult",
    "ImageResult",
    "Options",
    "Verification",
    "__version__",
    "anonymize",
]

_HOMES = {
    "Anonymizer": "deid.anonymizer.engine",
    "DeidError": "deid.core.errors",
    "Detection": "deid.core.types",
    "Distance": "deid.core.types",
    "FaceResult": "deid.core.types",
    "ImageResult": "deid.core.types",
    "Options": "deid.core.options",
    "Verification": "deid.core.types",
    "anonymize": "deid.api",
}


def __getattr__(name: str) -> Any:
    # Torch takes seconds to import: it is imported on first use.
    if name not in _HOMES:
        raise AttributeError(f"module 'deid' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
