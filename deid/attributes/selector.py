"""Chooses attribute sets for a face before anything is generated.

Two small networks look at a set and at the face that it is for: one gives the chance that the gate lets the edit pass and that
it lies as far away as a stranger does, the other how good the edit will be. They are trained by `deid.training.selector`, kept as
arrays, and computed here without the library that trained them. A set that suits one face may fail on the next: who the face is
goes in as its embedding, turned into the generator's own identity codes, so that a set can be held against it number by number.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deid import weights
from deid.exceptions import WeightsFormatError
from deid.models.attgan import ATTRIBUTES, N_CODES

_SET_SIZE = len(ATTRIBUTES) + N_CODES


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What is expected of N sets for one face.

    Args:
        passes: (N,) chance that the gate lets the edit pass, in [0, 1].
        far: (N,) chance that it is also as far from the source as strangers are, by dlib.
        good: (N,) chance that it is so by a second recogniser, too.
        utility: (N,) expected utility, see `deid.verify.utility`.
    """

    passes: NDArray[np.float64]
    far: NDArray[np.float64]
    good: NDArray[np.float64]
    utility: NDArray[np.float64]

    @property
    def value(self) -> NDArray[np.float64]:
        """(N,) what a set is worth before it is tried: its utility, should it pass."""
        return self.passes * np.maximum(self.utility, 0.0)


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


@dataclass(frozen=True, slots=True, eq=False)
class FaceCode:
    """What the selector is told of a face: from dlib's embedding to a few numbers.

    Args:
        mean: (128,) embedding of the average person.
        axes: (128, K) the directions in which people differ most, scaled to spread 1.
        place: (128, 2 N_CODES) to where the face lies among the identity codes, once for each recogniser of the training: a code
            that points there leaves the new face near the old one.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    place: NDArray[np.float32]

    def features(self, attributes: NDArray[np.float32], embedding: NDArray[np.float32], sets: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the networks look at.

        Args:
            attributes: (..., 13) probability of each attribute in the face.
            embedding: (..., 128) dlib's.
            sets: (..., 13 + N_CODES) as `sample_sets` gives them; the other two repeat for each of them.

        Returns:
            (..., F): the set, the face, and the set held against the face.
        """
        offset = np.asarray(embedding - self.mean, np.float64)
        codes = sets[..., len(ATTRIBUTES) :]
        near = (offset @ self.place).reshape(*offset.shape[:-1], 2, N_CODES) * codes[..., None, :]
        face = np.concatenate([attributes, offset @ self.axes], axis=-1)
        alike = [near.reshape(*near.shape[:-2], -1), near.sum(axis=-1)]
        return np.concatenate([sets, np.broadcast_to(face, (*sets.shape[:-1], face.shape[-1])), *alike], axis=-1, dtype=np.float64)


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
        """The networks.

        Raises:
            WeightsError: the file is missing, altered, or holds something else.
        """
        with self._lock:
            if self._model is None:
                tensors, item = weights.read("selector")
                self._model = _Model.of({name: tensor.numpy() for name, tensor in tensors.items()}, item.file)
            return self._model

    def judge(self, attributes: NDArray[np.float32], embedding: NDArray[np.float32], sets: NDArray[np.float32]) -> Judgement:
        """What to expect of sets (N, 13 + N_CODES) for a face with attributes (13,) and dlib's embedding (128,)."""
        return self.model(self.model.code.features(attributes, embedding, sets))

    def choose(
        self, attributes: NDArray[np.float32], embedding: NDArray[np.float32], sets: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The best of each of ``n`` groups of sets (N, 13 + N_CODES), (n, 13 + N_CODES), with what to expect of each (n,).

        Groups keep the new faces different: the best of all sets for one face are much the same, and so would be what comes
        out of two runs.
        """
        value = self.judge(attributes, embedding, sets).value
        best = [group[value[group].argmax()] for group in np.array_split(np.arange(len(sets)), n)]
        return sets[best], value[best]


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """The arrays of a selector's file, in their places."""

    code: FaceCode
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    chance: Mlp
    worth: Mlp

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.float32]], file: str) -> "_Model":
        """Raises WeightsFormatError when an array is missing or does not fit the next."""
        try:
            code = FaceCode(arrays["code.mean"], arrays["code.axes"], arrays["code.place"])
            networks = (_layers(arrays, name) for name in ("chance", "utility"))
            model = cls(code, arrays["scaler.mean"], arrays["scaler.spread"], *networks)
            model(code.features(np.zeros(len(ATTRIBUTES), np.float32), code.mean, np.zeros((1, _SET_SIZE), np.float32)))
        except (KeyError, ValueError, IndexError) as error:
            raise WeightsFormatError(f"expected the arrays of a selector in {file}: {error}; run `deid weights verify`") from error
        return model

    def __call__(self, features: NDArray[np.float64]) -> Judgement:
        """Features (N, F) to what is expected."""
        rows = (features - self.mean) / self.spread
        passes, far, good = (0.5 + 0.5 * np.tanh(0.5 * self.chance(rows))).T
        return Judgement(passes, far, good, self.worth(rows)[:, 0])


def _layers(arrays: Mapping[str, NDArray[np.float32]], name: str) -> Mlp:
    """The layers of one network: `name.0.weight`, `name.0.bias`, `name.1.weight`, ..."""
    count = sum(key.startswith(f"{name}.") and key.endswith(".weight") for key in arrays)
    return Mlp([arrays[f"{name}.{i}.weight"] for i in range(count)], [arrays[f"{name}.{i}.bias"] for i in range(count)])
