"""The file of dlib's face recogniser as arrays, under the names that `DlibResNet` gives them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHIP_SIZE = 150
#: Filters and stride of the residual blocks, from the input upward.
BLOCKS = (
    *[(32, 1)] * 3,
    *[(64, 2), (64, 1), (64, 1), (64, 1)],
    *[(128, 2), (128, 1), (128, 1)],
    *[(256, 2), (256, 1), (256, 1), (256, 2)],
)
#: Width of the input of the last layer, and of the descriptor.
WIDTHS = (256, 128)


class _Reader:
    """Reads the few of dlib's serialised values that a network file has."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def skip_past(self, tag: bytes) -> None:
        found = self._data.find(tag, self._at)
        if found < 0:
            raise ValueError(f"expected layer {tag.decode()} after byte {self._at} of dlib's network file")
        self._at = found + len(tag)

    def integer(self) -> int:
        """dlib's integer: a byte with the length (and the sign in its top bit), then that many bytes, low first."""
        length = self._data[self._at]
        end = self._at + 1 + (length & 0x7F)
        value = int.from_bytes(self._data[self._at + 1 : end], "little")
        self._at = end
        return -value if length & 0x80 else value

    def tensor(self, *sizes: int) -> list[NDArray[np.float32]]:
        """dlib's tensor, version 2, four sizes, then little-endian float32, in parts of so many numbers."""
        version = self.integer()
        if version != 2:
            raise ValueError(f"expected dlib tensor version 2, got {version}")
        count = int(np.prod([self.integer() for _ in range(4)]))
        if count != sum(sizes):
            raise ValueError(f"expected {sum(sizes)} parameters in dlib's network file, got {count}")
        values = np.frombuffer(self._data, "<f4", count, self._at)
        self._at += values.nbytes
        return np.split(values, np.cumsum(sizes)[:-1])


def dlib_arrays(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The arrays of `dlib_face_recognition_resnet_model_v1.dat`, dlib's `affine_` layers folded into the convolutions before them.

    Raises:
        ValueError: the file does not hold that network.
    """
    reader, arrays = _Reader(data), {}
    for name, (n_out, n_in, side) in _convolutions():
        reader.skip_past(b"con_4")
        weight, bias = reader.tensor(n_out * n_in * side * side, n_out)
        reader.skip_past(b"affine_")
        scale, shift = reader.tensor(n_out, n_out)
        arrays[f"{name}.weight"] = weight.reshape(n_out, n_in, side, side) * scale[:, None, None, None]
        arrays[f"{name}.bias"] = bias * scale + shift
    reader.skip_past(b"fc_2")
    reader.integer(), reader.integer()
    (values,) = reader.tensor(WIDTHS[0] * WIDTHS[1])
    return arrays | {"fc.weight": np.ascontiguousarray(values.reshape(WIDTHS).T)}


def _convolutions() -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Name, and filters, channels and side of each convolution, in the order of the file."""
    found, n_in = [("stem.0", (32, 3, 7))], 32
    for i, (n_out, _) in enumerate(BLOCKS):
        found += [(f"blocks.{i}.layers.0", (n_out, n_in, 3)), (f"blocks.{i}.layers.2", (n_out, n_out, 3))]
        n_in = n_out
    yield from found
