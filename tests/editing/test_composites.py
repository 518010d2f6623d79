"""Composites: parts of four people in one face that no recogniser takes for any of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save
from typer.testing import CliRunner

from deid.__main__ import app
from deid.core.types import Crops, Embeddings
from deid.detection import build_detector
from deid.editing.composites import PEOPLE, _parts, composite, composites, partners
from deid.editing.portraits import SIDE, Portraits
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.linear import PortraitReader

Arrays = dict[str, NDArray[Any]]


class Everybody:
    """Takes all faces for one person."""

    name, threshold = "everybody", 0.5

    def embed(self, crops: Crops) -> Embeddings:
        return np.tile(np.float32([1, 0]), (len(crops), 1))


def small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("soft", [1.5, 4.5])
def test_parts_share_every_pixel_among_all(bank: Portraits, soft: float) -> None:
    parts = np.stack(_parts(bank.points[0], soft))
    np.testing.assert_allclose(parts.sum(axis=0), 1, atol=1e-5)
    assert parts.min() >= -1e-5
    # Each has a place where it alone shows: an eye, the tip of the nose, the mouth, a cheek.
    places = [bank.points[0, 36:42].mean(axis=0), bank.points[0, 30], bank.points[0, 62], (bank.points[0, 3] + bank.points[0, 31]) / 2]
    for part, (x, y) in zip(parts, places, strict=True):
        assert part[round(y), round(x)] > 0.7


def test_partners_are_other_people_of_one_gender(bank: Portraits) -> None:
    numbers = partners(bank, 7, np.random.default_rng(0))
    assert len({i % bank.n_pictures for i in numbers}) == PEOPLE
    assert 7 in numbers
    assert len(set(bank.male[numbers])) == 1


def test_composite_is_a_face_of_nobody_in_it(bank_of: Callable[[Sequence[int]], Arrays]) -> None:
    bank, embedder = Portraits(bank_of(range(60)), PortraitReader()), DlibResNetEmbedder()
    (picture,) = composites(bank, [embedder], 1, np.random.default_rng(3))
    assert picture.shape == (SIDE, SIDE, 3)
    # What is seen in the blurred background is smaller, or faint.
    assert sum(found.size > 150 and found.score > 0.9 for found in build_detector("mtcnn", 40, "cpu").detect(picture)) == 1
    known = embedder.embed(np.stack([small(bank.picture(i)) for i in range(bank.n_pictures)]))
    assert np.linalg.norm(known - embedder.embed(small(picture)[None]), axis=1).min() > 0.9 * embedder.threshold


def test_composite_has_the_eyes_of_the_first_and_the_mouth_of_the_third(bank: Portraits) -> None:
    for part, centre in ((0, slice(36, 48)), (2, slice(48, 68))):
        times = []
        for first in (3, 12, 40, 77, 130):
            numbers = partners(bank, first, np.random.default_rng(1))
            other = partners(bank, first, np.random.default_rng(2))
            changed = [*numbers]
            changed[part] = next(i for i in other if i % bank.n_pictures not in {j % bank.n_pictures for j in numbers})
            made, again = (composite(bank, some).astype(float) for some in (numbers, changed))
            apart = np.abs(again - made).mean(axis=2)
            x, y = np.round(3 * bank.points[numbers].mean(axis=0)[centre].mean(axis=0)).astype(int)
            times.append(apart[y - 12 : y + 12, x - 60 : x + 60].mean() / apart[60:330, 60:330].mean())
        assert np.median(times) > 1.3


def test_nothing_is_made_where_everybody_is_one_person(bank: Portraits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deid.editing.composites._TRIES", 3)
    assert not list(composites(bank, [Everybody()], 1, np.random.default_rng(0)))


def test_command_writes_the_same_portraits_for_a_seed(bank_of: Callable[[Sequence[int]], Arrays], tmp_path: Path) -> None:
    source = tmp_path / "bank.safetensors"
    source.write_bytes(save(bank_of(range(24))))
    for name in ("a", "b"):
        result = CliRunner().invoke(app, ["portraits", "mix", str(source), "-o", str(tmp_path / name), "-n", "1", "--seed", "5"])
        assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "b").iterdir())) == 1
    assert (tmp_path / "a" / "0000.webp").read_bytes() == (tmp_path / "b" / "0000.webp").read_bytes()
    again = CliRunner().invoke(app, ["portraits", "mix", str(source), "-o", str(tmp_path / "a")])
    assert again.exit_code == 2
    assert "exists" in again.output
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no bank")
    assert CliRunner().invoke(app, ["portraits", "mix", str(broken), "-o", str(tmp_path / "c")]).exit_code == 1
