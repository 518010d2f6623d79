"""Engines that share parts, so that tests load a model once."""

from typing import Any

from deid.anonymizer.models import Models
from deid.core.options import Options


def shared_with(models: Models, options: Options, *names: str, **parts: Any) -> Models:
    """Models of other options that share the parts of these names."""
    other = Models(options, **parts)
    # Lazy parts that were built already; they do not count as a caller's own.
    other.__dict__.update({name: getattr(models, name) for name in names})
    return other
