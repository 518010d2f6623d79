"""Properties of a face read by linear regression: gender, age, brows and origin from embeddings, which the gate computes anyway, and smiles
from landmarks.

The attribute classifier misreads one woman in twelve, and a person who is misread before the edit comes back with the other gender
after it: the two passes move `Male` away from the wrong side. The embedding is more reliable. The others choose portraits.
"""

import threading
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.core.types import Embeddings

#: What UTKFace calls the origins of its faces; its "other" is none of them.
ORIGINS = ("White", "Black", "Asian", "Indian")
#: Jaw, nostrils, eyes and mouth; their middle is that of the eyes, and the unit is the distance of the eyes, 36 pixels of a crop.
_POINTS = [*range(3, 14), *range(31, 68)]
_EYES, _UNIT = slice(36, 48), 36.0
#: How many numbers are read of a face.
N_FEATURES = 2 * len(_POINTS)


class LinearReader:
    """The probability that a face has one property.

    Args:
        arrays: `weight` (128,) and `bias` (1,), or of `shapes`; the shipped ones of `file` are read on first use when None.
    """

    #: Its entry in the weights' manifest, the recogniser whose embeddings it reads, and the arrays in the file.
    file: str
    embedder = "dlib_resnet"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"weight": (128,), "bias": (1,)}

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._arrays = arrays
        self._lock = threading.Lock()

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float32]]:
        """Weight and bias, and what else belongs to it.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        with self._lock:
            if self._arrays is None:
                self._arrays = weights.read_arrays(self.file, self.shapes)
            return self._arrays

    def preload(self) -> None:
        """Read the arrays now."""
        _ = self.arrays

    def probability(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128), or other rows that the weights are for, to probabilities (N,)."""
        return _logistic(self._value(embeddings))

    def _value(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """What the weights make of rows (N, D), (N,)."""
        return np.asarray(np.asarray(rows, np.float64) @ self.arrays["weight"] + self.arrays["bias"])


def _logistic(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits))


class GenderReader(LinearReader):
    """Distinguishes men from women."""

    file = "gender"

    def male(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """dlib's embeddings (N, 128) to the probability of a man (N,)."""
        return self.probability(embeddings)


#: How long the embeddings of the second recogniser are.
_SECOND = 1024


def _by_both(*what: str, kinds: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays that read dlib's embedding alone, and both recognisers'; with ``kinds`` one column for each kind."""
    widths = (("", 128), ("both.", 128 + _SECOND))
    return {
        f"{by}{name}{part}": (n, *kinds) if part == "weight" else kinds or (1,)
        for by, n in widths
        for name in what
        for part in ("weight", "bias")
    }


class PairReader(LinearReader):
    """Reads the embeddings of two recognisers, who see more than one.

    Where the second embedding is unknown, or is another recogniser's, dlib's is read alone.
    """

    second_embedder, second_width = "mobilenet", _SECOND

    def _read(self, what: str, embeddings: Embeddings, second: Embeddings | None) -> NDArray[np.float64]:
        rows = np.asarray(embeddings, np.float64)
        if second is not None and second.shape[1] == self.second_width:
            what, rows = "both." + what, np.hstack([rows, second])
        return np.asarray(rows @ self.arrays[what + "weight"] + self.arrays[what + "bias"])


class AgeReader(PairReader):
    """Distinguishes children from adults, and estimates ages."""

    file = "age"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = _by_both("", "years.")

    def child(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings by dlib (N, 128) and the second recogniser (N, D) to the probability of a child (N,), of about 12 years at most."""
        return _logistic(self._read("", embeddings, second))

    def years(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings by dlib (N, 128) and the second recogniser (N, D) to ages (N,) in years, by ridge regression."""
        return self._read("years.", embeddings, second)


class BrowReader(LinearReader):
    """Estimates how dark somebody's brows are.

    One photo is uncertain: hair, a frown and shadows hide as much. The embedding tells who it is, and so what other photos show.
    """

    file = "brows"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"weight": (129,), "bias": (1,)}

    def darkness(self, seen: NDArray[np.float64], embeddings: Embeddings) -> NDArray[np.float64]:
        """By which share brows are darker than the skin beside them (N,).

        Args:
            seen: (N,) the same as one photo of each shows it.
            embeddings: (N, 128) of these photos, by dlib.
        """
        return self._value(np.column_stack([embeddings, seen]))


class OriginReader(PairReader):
    """Compares faces by origin, so that a new face suits the head it is put on.

    It is made to choose portraits and for nothing else: a face's probabilities are compared with those of portraits, and neither kept nor
    reported. They tell how a recogniser sees a face, not where its person is from.
    """

    file = "origin"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = _by_both("", kinds=(len(ORIGINS),))

    def origins(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings by dlib (N, 128) and the second recogniser (N, D) to the probability of each of `ORIGINS`, (N, 4)."""
        logits = self._read("", embeddings, second)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def features(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Landmarks (N, 68, 2) in pixels of an aligned crop to what is read, (N, N_FEATURES)."""
    middle = points[:, _EYES].mean(axis=1, keepdims=True)
    return np.asarray(((points - middle) / _UNIT)[:, _POINTS].reshape(len(points), N_FEATURES))


class SmileReader(LinearReader):
    """Distinguishes faces that smile.

    A new face takes the mouth of a portrait: one that smiles does not suit somebody who speaks or frowns, however wide the mouth is.
    """

    file = "smile"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"weight": (N_FEATURES,), "bias": (1,)}

    def smile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Landmarks (N, 68, 2) in pixels of an aligned crop to the probability of a smile (N,)."""
        return self.probability(np.asarray(features(points), np.float32))


class SnapshotReader(LinearReader):
    """Distinguishes untouched photos from new faces.

    Some portraits are posed and flawless, and so are the new faces that are made of them. Those that look like a snapshot themselves
    make new faces that pass for one.
    """

    file = "snapshot"
    embedder = "mobilenet"
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"weight": (_SECOND,), "bias": (1,)}

    def snapshot(self, embeddings: Embeddings) -> NDArray[np.float64]:
        """Embeddings (N, 1024) to logits (N,), positive for untouched photos; 0 where they are another recogniser's."""
        return self._value(embeddings) if embeddings.shape[1] == _SECOND else np.zeros(len(embeddings))


class PortraitReader:
    """Reads what portraits are chosen by.

    Args:
        ages: the shipped reader when None, as the others.
        origins: see `OriginReader`.
        smiles: see `SmileReader`.
        brows: see `BrowReader`.
        snapshots: see `SnapshotReader`.
    """

    def __init__(
        self,
        ages: AgeReader | None = None,
        origins: OriginReader | None = None,
        smiles: SmileReader | None = None,
        brows: BrowReader | None = None,
        snapshots: SnapshotReader | None = None,
    ) -> None:
        first = ages or AgeReader(), origins or OriginReader(), smiles or SmileReader()
        self._readers = *first, brows or BrowReader(), snapshots or SnapshotReader()

    def preload(self) -> None:
        """Read the arrays now.

        Raises:
            WeightsError: a file is missing, altered, or holds something else.
        """
        for reader in self._readers:
            reader.preload()

    def child(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings by dlib (N, 128) and a second recogniser (N, D) to the probability of a child (N,)."""
        return self._readers[0].child(embeddings, second)

    def brows(self, seen: NDArray[np.float64], embeddings: Embeddings) -> NDArray[np.float64]:
        """How dark brows are (N,), from what one photo of each shows (N,) and dlib's embeddings (N, 128); see `BrowReader`."""
        return self._readers[3].darkness(seen, embeddings)

    def years(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings by dlib (N, 128) and a second recogniser (N, D) to ages (N,) in years."""
        return self._readers[0].years(embeddings, second)

    def origins(self, embeddings: Embeddings, second: Embeddings | None = None) -> NDArray[np.float64]:
        """Embeddings by dlib (N, 128) and a second recogniser (N, D) to the probability of each of `ORIGINS`, (N, 4)."""
        return self._readers[1].origins(embeddings, second)

    def smile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Landmarks (N, 68, 2) in pixels of an aligned crop to the probability of a smile (N,)."""
        return self._readers[2].smile(points)

    def snapshot(self, second: Embeddings) -> NDArray[np.float64]:
        """A second recogniser's embeddings (N, D) to logits (N,), positive for what looks like an untouched photo; see `SnapshotReader`."""
        return self._readers[4].snapshot(second)
