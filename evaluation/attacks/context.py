"""Context: identity from hair and background. The face is black in gallery and probe."""

import cv2
import numpy as np

from deid.core.types import Crops, Embeddings
from evaluation.attacks.case import Attack, Case, Search

_THUMBNAIL = 16


def context(case: Case) -> Attack:
    """A ceiling for every method that leaves the surroundings alone; the method takes neither the blame nor the credit."""
    test = case.test
    note = "face in black in gallery and probe: not the method's doing"
    search, control = Search(test.context_before, test.context_after), Search(test.context_before, test.context_before)
    return Attack("context", search, control, judged=False, note=note)


class Surroundings:
    """An embedder that sees colours and their places, and no face: a thumbnail, centred and of unit norm."""

    name = "thumbnail"
    threshold = 0.0

    def embed(self, crops: Crops) -> Embeddings:
        """Crops (N, 128, 128, 3) uint8 RGB to rows (N, 768) float32."""
        small = [cv2.resize(c, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float32) for c in crops]
        rows = np.stack(small) if small else np.zeros((0, 3 * _THUMBNAIL**2), np.float32)
        rows = rows - rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
