"""The user's cache of weights, and the hash by which its files are known."""

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """Where fetched weights lie: `$DEID_CACHE`, or `deid` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("DEID_CACHE") or Path(base).expanduser() / "deid")


def sha256_of(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()
