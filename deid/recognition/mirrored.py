"""Embeddings that are surer than of a single picture: of faces together with their mirror images, and of several pictures."""

import numpy as np

from deid.core.protocols import Embedder
from deid.core.types import Crops, Embeddings


def rows_of(embedder: Embedder, crops: Crops) -> Embeddings:
    """Aligned crops (N, 128, 128, 3) uint8 RGB to unit-norm rows (N, D) float32."""
    both = embedder.embed(crops) + embedder.embed(np.ascontiguousarray(crops[:, :, ::-1]))
    return np.asarray(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9), np.float32)


def mean_of(rows: Embeddings) -> Embeddings:
    """Embeddings (N, D) of one face's pictures to their mean (1, D), of unit norm."""
    mean = rows.mean(axis=0, keepdims=True)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
