"""The 68 landmarks are dlib's own, and its file is read once."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deid import weights
from deid.core.errors import WeightsFormatError
from deid.core.types import Detection, Image
from deid.imaging.alignment import align
from deid.landmarks import face_points
from deid.landmarks.dlib_file import landmark_arrays
from deid.landmarks.face_points import FacePoints
from deid.weights.cached_arrays import cached_arrays

_BOX = (18, 27, 107, 117)


def _number(value: int) -> bytes:
    data = abs(value).to_bytes((abs(value).bit_length() + 7) // 8 or 1, "little")
    return bytes([len(data) | (0x80 if value < 0 else 0)]) + data


def _fraction(value: float) -> bytes:
    mantissa, exponent = np.frexp(np.float32(value))
    return _number(int(mantissa * 2**24)) + _number(int(exponent) - 24)


def _vector(values: NDArray[np.float32]) -> bytes:
    return _number(-len(values)) + _number(-1) + b"".join(map(_fraction, values))


def _written(n_levels: int = 2, n_trees: int = 3, n_splits: int = 3) -> tuple[bytes, dict[str, NDArray[np.generic]]]:
    """A small file as dlib writes it, and what is in it."""
    rng = np.random.default_rng(0)
    shape = (n_levels, n_trees)
    held: dict[str, NDArray[np.generic]] = {
        "initial": rng.random((68, 2), np.float32),
        "leaves": rng.standard_normal((*shape, n_splits + 1, 136)).astype(np.float32),
        "anchors": rng.integers(0, 68, (n_levels, 5)),
        "deltas": rng.standard_normal((n_levels, 5, 2)).astype(np.float32),
        "first": rng.integers(0, 5, (*shape, n_splits)),
        "second": rng.integers(0, 5, (*shape, n_splits)),
        "threshold": rng.standard_normal((*shape, n_splits)).astype(np.float32),
    }
    # Zeros and powers of two are short numbers.
    held["leaves"][0, 0, 0, :3] = [0.0, 1.0, -256.0]
    data = _number(1) + _vector(held["initial"].ravel()) + _number(n_levels)
    for level in range(n_levels):
        data += _number(n_trees)
        for tree in range(n_trees):
            data += _number(n_splits)
            for at in range(n_splits):
                data += _number(int(held["first"][level, tree, at])) + _number(int(held["second"][level, tree, at]))
                data += _fraction(float(held["threshold"][level, tree, at]))
            data += _number(n_splits + 1) + b"".join(_vector(leaf) for leaf in held["leaves"][level, tree])
    data += _number(n_levels) + b"".join(_number(5) + b"".join(_number(int(a)) for a in row) for row in held["anchors"])
    data += _number(n_levels) + b"".join(_number(5) + b"".join(_fraction(float(v)) for v in row.ravel()) for row in held["deltas"])
    return data, held


def test_a_file_is_read_as_it_was_written() -> None:
    data, held = _written()
    found = landmark_arrays(data)
    assert found.keys() == held.keys()
    for name, array in held.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def _other_number_of_trees(data: bytes) -> bytes:
    end = len(_number(1) + _vector(_written()[1]["initial"].ravel()) + _number(2))
    return data[:end] + _number(4) + data[end + 2 :]


@pytest.mark.parametrize(
    "damage", [lambda data: b"no leaves" * 100, lambda data: data[: len(data) // 3], _other_number_of_trees], ids=["other", "cut", "trees"]
)
def test_another_file_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(WeightsFormatError, match="dlib's file of landmarks"):
        landmark_arrays(damage(_written()[0]))


def test_points_are_dlibs_own(astronaut: Image, woman: Detection, hopper: Image, officer: Detection) -> None:
    dlib = pytest.importorskip("dlib")
    oracle = dlib.shape_predictor(str(weights.dlib_model_file("shape_predictor_68_face_landmarks.dat")))
    crops = [align(astronaut, woman).crop, align(hopper, officer).crop, np.full((128, 128, 3), 127, np.uint8)]
    # Half a face beyond the edge: pixels outside count as black.
    crops.append(np.ascontiguousarray(np.roll(crops[0], 60, axis=1)))
    for crop in crops:
        expected = np.array([(p.x, p.y) for p in oracle(np.ascontiguousarray(crop), dlib.rectangle(*_BOX)).parts()], float)
        np.testing.assert_array_equal(FacePoints().points(crop), expected)


def test_arrays_are_made_once_and_again_when_they_are_altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEID_CACHE", str(tmp_path / "cache"))
    made: list[int] = []

    def make() -> dict[str, NDArray[np.generic]]:
        made.append(1)
        return {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3, dtype=np.int64)}

    for _ in range(3):
        found = cached_arrays("some", make)
        np.testing.assert_array_equal(found["a"], np.arange(6).reshape(2, 3))
        np.testing.assert_array_equal(found["b"], np.arange(3))
    assert len(made) == 1
    path = tmp_path / "cache" / "some.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    np.testing.assert_array_equal(cached_arrays("some", make)["b"], np.arange(3))
    assert len(made) == 2


def test_a_cache_that_cannot_be_written_costs_no_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DEID_CACHE", str(tmp_path / "file" / "cache"))
    found = cached_arrays("some", lambda: {"a": np.ones(2, np.float32)})
    np.testing.assert_array_equal(found["a"], [1, 1])


def test_a_missing_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEID_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "dlib_model_file", lambda name: tmp_path / "none.dat")
    face_points._forest.cache_clear()
    with pytest.raises(OSError, match=r"none\.dat"):
        FacePoints().preload()
    face_points._forest.cache_clear()
