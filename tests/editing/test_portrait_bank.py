"""A bank is made of pictures with one usable face each; every other one is named with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from typer.testing import CliRunner

from deid import weights
from deid.cli import portraits as cli_portraits
from deid.core.attributes import ATTRIBUTES
from deid.core.errors import DataError, DeidError, ImageWriteError
from deid.core.types import Crops, Detection, Image
from deid.editing import portrait_bank
from deid.editing.looks import Looks
from deid.editing.portrait_bank import BankBuilder, Portrait, build
from deid.editing.portraits import SIDE, Portraits
from deid.imaging.alignment import align_matrix, landmarks_of, warp
from deid.imaging.geometry import enlarged
from deid.recognition.linear import AgeReader, PortraitReader

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def builder() -> BankBuilder:
    return BankBuilder()


@pytest.fixture(scope="module")
def twice(astronaut: Image) -> Image:
    """The woman with a face of about 115 px."""
    return _enlarged(astronaut)


def _enlarged(photo: Image) -> Image:
    height, width = photo.shape[:2]
    return np.asarray(PillowImage.fromarray(photo).resize((2 * width, 2 * height), PillowImage.Resampling.LANCZOS)).copy()


def _saved(picture: Image, path: Path) -> Path:
    PillowImage.fromarray(picture).save(path)
    return path


def test_picture_with_one_face_is_taken(builder: BankBuilder, twice: Image, woman: Detection, tmp_path: Path) -> None:
    portrait = builder.portrait(_saved(twice, tmp_path / "woman.png"))
    (bank,) = [Portraits(portrait_bank.arrays_of([portrait]), PortraitReader())]
    face = woman.moved(np.full(2, 2.0), np.zeros(2))
    wanted = warp(twice, enlarged(align_matrix(landmarks_of(face)), SIDE / 128), SIDE)
    # Another detector found it, and WebP loses a little.
    assert np.abs(bank.picture(0)[96:-96, 96:-96].astype(int) - wanted[96:-96, 96:-96]).mean() < 12
    # The eyes lie where they are aligned to.
    np.testing.assert_allclose(bank.points[0, 36:42].mean(axis=0), (46, 56), atol=3)
    np.testing.assert_allclose(bank.points[0, 42:48].mean(axis=0), (82, 56), atol=3)
    assert not bank.child[0]
    assert portrait.looks[-1] == pytest.approx(AgeReader().child(portrait.embedding[None], portrait.second[None])[0], abs=1e-4)


def _grey(hopper: Image, astronaut: Image) -> Image:
    return np.full((300, 300, 3), 120, np.uint8)


def _two(hopper: Image, astronaut: Image) -> Image:
    return _enlarged(np.concatenate([hopper, astronaut], axis=1))


def _small(hopper: Image, astronaut: Image) -> Image:
    return astronaut


REFUSED: dict[str, tuple[Callable[[Image, Image], Image], str]] = {
    "no face": (_grey, r"some\.png: expected exactly one face, found 0"),
    "two faces": (_two, r"some\.png: expected exactly one face, found 2"),
    "a face behind glasses": (lambda hopper, astronaut: _enlarged(hopper), r"some\.png: the face wears glasses"),
    "a small face": (_small, r"some\.png: expected a clear face of 100 px or more, got \d+ px"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_other_picture_is_refused_by_name(
    make: Callable[[Image, Image], Image], message: str, builder: BankBuilder, hopper: Image, astronaut: Image, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        builder.portrait(_saved(make(hopper, astronaut), tmp_path / "some.png"))


class _SeesGlasses:
    """An attribute classifier that sees glasses this surely, and nothing else."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def probabilities(self, crops: Crops) -> NDArray[np.float32]:
        out = np.zeros((len(crops), len(ATTRIBUTES)), np.float32)
        out[:, ATTRIBUTES.index("Eyeglasses")] = self._probability
        return out


@pytest.mark.parametrize(("probability", "refused"), [(0.9, True), (0.3, False)])
def test_glasses_are_refused(
    probability: float, refused: bool, builder: BankBuilder, twice: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "_attributes", _SeesGlasses(probability))
    path = _saved(twice, tmp_path / "some.png")
    if not refused:
        assert builder.portrait(path).data
        return
    with pytest.raises(DataError, match=r"some\.png: the face wears glasses"):
        builder.portrait(path)


@pytest.mark.parametrize("content", [b"", b"not a picture"], ids=["empty", "text"])
def test_what_is_no_picture_is_named(content: bytes, builder: BankBuilder, tmp_path: Path) -> None:
    (tmp_path / "some.png").write_bytes(content)
    with pytest.raises(DeidError, match=r"some\.png"):
        builder.portrait(tmp_path / "some.png")


def test_aligned_picture_is_kept_byte_for_byte(
    builder: BankBuilder, bank_of: Callable[..., Arrays], bank: Portraits, tmp_path: Path
) -> None:
    """Warped and packed once more it would only get softer."""
    data = bank_of([3])["images"].tobytes()
    (tmp_path / "three.webp").write_bytes(data)
    portrait = builder.portrait(tmp_path / "three.webp")
    assert portrait.data == data
    assert np.linalg.norm(portrait.points - bank.points[3], axis=1).max() < 2
    kept = Portraits(portrait_bank.arrays_of([portrait]), PortraitReader())
    assert kept.male[0] == bank.male[3]
    np.testing.assert_allclose(kept.light[0], bank.light[3], atol=0.1)


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch, bank: Portraits, bank_of: Callable[..., Arrays]) -> None:
    """A builder that takes a picture called `0.webp` for portrait 0 of the shipped bank, and refuses what has no number."""

    class _Told:
        def portrait(self, path: Path) -> Portrait:
            if not path.stem.isdigit():
                raise DataError(f"{path}: expected exactly one face, found 2")
            number = int(path.stem)
            arrays = bank_of([number])
            assert isinstance(bank, Portraits)
            points, looks, brows, second = (arrays[name][0] for name in ("points", "looks", "brows", "second"))
            return Portrait(arrays["images"].tobytes(), points.astype(np.float64), looks, float(brows), second)

    monkeypatch.setattr(portrait_bank, "BankBuilder", _Told)


@pytest.mark.usefixtures("no_networks")
def test_bank_comes_back_without_the_pictures_that_were_refused(bank: Portraits, tmp_path: Path) -> None:
    out = tmp_path / "own" / "bank.safetensors"
    refused = dict(build([Path("7.webp"), Path("couple.png"), Path("2.webp")], out))
    assert refused == {Path("7.webp"): "", Path("couple.png"): "couple.png: expected exactly one face, found 2", Path("2.webp"): ""}
    back = Portraits(weights.read_bank(out), PortraitReader())
    assert back.n_pictures == 2
    for i, number in enumerate((7, 2)):
        np.testing.assert_array_equal(back.picture(i), bank.picture(number))
        np.testing.assert_allclose(back.points[i], bank.points[number], atol=1e-4)
        np.testing.assert_array_equal(back.embedding[i], bank.embedding[number])
    assert [p.name for p in out.parent.iterdir()] == ["bank.safetensors"]


@pytest.mark.usefixtures("no_networks")
def test_a_picture_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """Two people in one photo would get the same face."""
    out = tmp_path / "bank.safetensors"
    said = dict(build([Path("7.webp"), Path("07.webp"), Path("2.webp")], out))
    assert said == {Path("7.webp"): "", Path("07.webp"): "07.webp: the same picture as 7.webp", Path("2.webp"): ""}
    assert Portraits(weights.read_bank(out), PortraitReader()).n_pictures == 2


def test_no_portrait_of_the_shipped_bank_is_there_twice(bank: Portraits) -> None:
    who = bank.embedding[: bank.n_pictures]
    distances = np.linalg.norm(who[:, None] - who[None], axis=2) + np.eye(len(who))
    assert distances.min() > 0.15


@pytest.mark.usefixtures("no_networks")
def test_nothing_is_written_without_a_usable_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exactly one usable face, got none"):
        list(build([Path("couple.png")], tmp_path / "bank.safetensors"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_networks")
def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(ImageWriteError, match=r"cannot write .*bank\.safetensors: Not a directory"):
        list(build([Path("7.webp")], tmp_path / "folder" / "bank.safetensors"))


# Name: (pictures in the folder, exit code, what is said).
FOLDERS: dict[str, tuple[list[str], int, str]] = {
    "all used": (["1.webp", "2.png"], 0, "2 of 2 pictures in"),
    "one left out": (["1.webp", "couple.png"], 3, "couple.png: expected exactly one face, found 2"),
    "none used": (["couple.png"], 1, "expected pictures with exactly one usable face, got none"),
    "no pictures": (["notes.txt"], 1, "got none"),
}


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("names", "code", "said"), FOLDERS.values(), ids=FOLDERS.keys())
def test_command_tells_what_it_left_out(names: list[str], code: int, said: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "bank.safetensors"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"")
    done = CliRunner().invoke(cli_portraits.app, ["build", str(folder), "-o", str(out)])
    assert done.exit_code == code, done.output
    assert said in done.output.replace("\n", "")
    assert out.exists() == (code in {0, 3})


@pytest.mark.usefixtures("no_networks")
def test_command_overwrites_only_when_told(tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "bank.safetensors"
    folder.mkdir()
    (folder / "1.webp").write_bytes(b"")
    out.write_text("mine")
    refused = CliRunner().invoke(cli_portraits.app, ["build", str(folder), "-o", str(out)])
    assert (refused.exit_code, out.read_text()) == (2, "mine")
    assert CliRunner().invoke(cli_portraits.app, ["build", str(folder), "-o", str(out), "--overwrite"]).exit_code == 0
    assert Portraits(weights.read_bank(out), PortraitReader()).n_pictures == 1
    assert CliRunner().invoke(cli_portraits.app, [str(tmp_path / "none"), "-o", str(out)]).exit_code == 2


def test_row_of_looks_is_what_the_bank_reads(builder: BankBuilder, twice: Image, tmp_path: Path) -> None:
    portrait = builder.portrait(_saved(twice, tmp_path / "woman.png"))
    assert portrait.looks.dtype == np.float32
    assert len(portrait.looks) == len(Looks(*(np.zeros(n) for n in (7, 36, 3, 13, 128)), 0.0, 0.0).row())
    assert np.isfinite(portrait.looks).all()
