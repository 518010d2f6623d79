"""Selection of pairs of stand-in and attribute set before anything is generated.

A small network looks at a face, at the portraits that would stand in for it, and at the attribute set. It gives the chance that the gate
lets the new face pass and that it lies as far away as a stranger does, and how good it will be. What it sees is how the pair differs: in
pose, light, skin and attributes, which show, and in who it is, which protects; and how well the first portrait, which gives the detail, did
for others. It is trained by `deid.training.selector`, kept as arrays, and computed here without the library that trained it.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import WeightsFormatError
from deid.editing.sampler import MIX

#: Of a 6 x 6 map of light the network receives these waves (down, across): side light, light from above, and curvature.
_WAVES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
_FACE = 7 + len(_WAVES) + 3 + len(ATTRIBUTES)
#: Length of a portrait's record, and of the part of its embedding that identifies it.
N_RECORDS, _KNOWN_BY = 3, 4
#: Number of the network's inputs, and of its outputs: the fields of a `Judgement`.
N_FEATURES, N_ANSWERS = len(ATTRIBUTES) + 1 + _FACE + MIX * (_FACE + 7) + 2 + N_RECORDS, 4


class Likeness(Protocol):
    """What a face and portraits are compared by, see `deid.editing.looks.Looks`: arrays (..., 7), (..., 36), (..., 3), (..., 13) and
    (..., 128)."""

    @property
    def pose(self) -> NDArray[Any]: ...

    @property
    def light(self) -> NDArray[Any]: ...

    @property
    def skin(self) -> NDArray[Any]: ...

    @property
    def attributes(self) -> NDArray[Any]: ...

    @property
    def embedding(self) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Predictions for N pairs of one face, taken as hard to replace as most. Pairs of one face can be compared, pairs of two faces cannot.

    Args:
        passes: (N,) chance that the gate lets the new face pass, in [0, 1].
        far: (N,) chance that it is also as far from the source as strangers are, by dlib.
        good: (N,) chance that it is so by a second recogniser, too.
        utility: (N,) expected utility times fit, see `deid.verification.utility.utility`.
    """

    passes: NDArray[np.float64]
    far: NDArray[np.float64]
    good: NDArray[np.float64]
    utility: NDArray[np.float64]

    @property
    def value(self) -> NDArray[np.float64]:
        """(N,) what a pair is worth before it is tried: its utility times the mean of the chances."""
        return np.maximum(self.utility, 0.0) * (self.passes + self.far + self.good) / 3


@dataclass(frozen=True, slots=True, eq=False)
class Mlp:
    """A network of fully connected layers with ReLU between them, as scikit-learn computes it.

    Args:
        weights: one (inputs, outputs) for each layer.
        biases: one (outputs,) for each layer.
    """

    weights: Sequence[NDArray[np.float32]]
    biases: Sequence[NDArray[np.float32]]

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows (N, inputs) to what the last layer gives, (N, outputs)."""
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            rows = rows @ weight + bias
            rows = np.maximum(rows, 0.0) if layer < len(self.weights) else rows
        return rows


class Records:
    """Records of portraits from the selector's training; portraits of another bank have none.

    Args:
        who: (K, 4) the first numbers of each portrait's embedding.
        worth: (K, N_RECORDS) by how much new faces whose detail it gave were better than others of the same people.
    """

    def __init__(self, who: NDArray[np.float32], worth: NDArray[np.float32]) -> None:
        self.who, self.worth = who, worth
        self._known = dict(zip(map(bytes, np.asarray(who, np.float32)), worth, strict=True))

    @classmethod
    def none(cls) -> "Records":
        """Records of no portrait."""
        return cls(np.zeros((0, _KNOWN_BY), np.float32), np.zeros((0, N_RECORDS), np.float32))

    @staticmethod
    def keys(embedding: NDArray[Any]) -> NDArray[np.float32]:
        """Keys (N, 4) of portraits with embeddings (N, 128)."""
        return np.ascontiguousarray(embedding[:, :_KNOWN_BY], np.float32)

    def of(self, embedding: NDArray[Any]) -> NDArray[np.float32]:
        """(N, N_RECORDS) of portraits with embeddings (N, 128)."""
        unknown = np.zeros(N_RECORDS, np.float32)
        return np.stack([self._known.get(bytes(key), unknown) for key in self.keys(embedding)])


def features(face: Likeness, bank: Likeness, rows: NDArray[np.float32], records: Records) -> NDArray[np.float64]:
    """Input of the network.

    Args:
        face: who is to get a new face.
        bank: portraits, of which ``rows`` has the numbers.
        rows: (N, SET_SIZE), see `deid.editing.sampler`.
        records: of the portraits.

    Returns:
        (N, N_FEATURES): the set, the shares, the face, how far each portrait and their mix are from it, and the record.
    """
    numbers, shares = np.split(rows[:, len(ATTRIBUTES) :], 2, axis=1)
    looks = np.concatenate([face.pose, _waves(face.light), face.skin, face.attributes])
    parts = [rows[:, : len(ATTRIBUTES)], shares[:, :1], np.broadcast_to(looks, (len(rows), len(looks)))]
    portraits = numbers.astype(np.intp).T
    parts += [_apart(face, bank, i) for i in portraits]
    mixed = sum((shares[:, k, None] * bank.embedding[i] for k, i in enumerate(portraits)), np.zeros((len(rows), 1)))
    mixed = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
    between = np.linalg.norm(bank.embedding[portraits[0]] - bank.embedding[portraits[-1]], axis=1)
    parts += [np.stack([np.linalg.norm(mixed - face.embedding, axis=1), between], axis=1), records.of(bank.embedding[portraits[0]])]
    return np.concatenate(parts, axis=1, dtype=np.float64)


def _apart(face: Likeness, bank: Likeness, i: NDArray[np.intp]) -> NDArray[np.float64]:
    """(N, _FACE + 7): how far portraits (N,) are from a face, number by number and as a whole."""
    pose, light, skin = bank.pose[i] - face.pose, bank.light[i] - face.light, bank.skin[i] - face.skin
    whole = [np.linalg.norm(x, axis=1) for x in (pose, light, skin, bank.embedding[i] - face.embedding)]
    # Turned further is not turned less; lit brighter is not lit darker.
    signed = [pose[:, :2], skin[:, :1], np.stack(whole, axis=1)]
    alone = [np.abs(x) for x in (pose, _waves(light), skin, bank.attributes[i] - face.attributes)]
    return np.concatenate([*alone, *signed], axis=1)


def _waves(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 5) how strong each of `_WAVES` is in maps of light (..., 36)."""
    side = np.cos(np.pi * np.outer(np.arange(3), np.arange(6) + 0.5) / 6)
    return np.asarray(light @ np.stack([np.outer(side[down], side[across]).ravel() for down, across in _WAVES], axis=1) / 6)


class Selector:
    """The shipped selector.

    Args:
        arrays: of a selector's file; the shipped one is read on first use when None.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._model = None if arrays is None else _Model.of(arrays, "the given arrays")
        self._lock = threading.Lock()

    @property
    def model(self) -> "_Model":
        """The network.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        with self._lock:
            if self._model is None:
                arrays, item = weights.read("selector")
                self._model = _Model.of(arrays, item.file)
            return self._model

    def preload(self) -> None:
        """Read the network now."""
        _ = self.model

    def judge(self, looks: Likeness, bank: Likeness, rows: NDArray[np.float32]) -> Judgement:
        """What to expect of rows (N, SET_SIZE) for a face, with portraits of a bank."""
        return self.model(features(looks, bank, rows, self.model.records))


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """The arrays of a selector's file, in their places."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    network: Mlp
    records: Records

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.float32]], file: str) -> "_Model":
        """Raises WeightsFormatError when an array is missing or does not fit the next."""
        try:
            count = sum(key.startswith("network.") and key.endswith(".weight") for key in arrays)
            network = Mlp(*([arrays[f"network.{i}.{part}"] for i in range(count)] for part in ("weight", "bias")))
            model = cls(arrays["scaler.mean"], arrays["scaler.spread"], network, Records(arrays["records.who"], arrays["records.worth"]))
            model(np.zeros((1, N_FEATURES)))
        except (KeyError, ValueError, IndexError) as error:
            raise WeightsFormatError(f"expected the arrays of a selector in {file}: {error}; run `deid weights verify`") from error
        return model

    def __call__(self, seen: NDArray[np.float64]) -> Judgement:
        """Features (N, N_FEATURES) to what is expected."""
        *chances, worth = self.network((seen - self.mean) / self.spread).T
        passes, far, good = np.clip(chances, 0.0, 1.0)
        return Judgement(passes, far, good, worth)
