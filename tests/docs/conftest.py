"""What the commands on the pages take: small photos, a video, data sets and a bank."""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from deid.core.types import Image
from deid.dataset import local
from deid.dataset.crew import Ready
from deid.dataset.records import Record, Task
from deid.dataset.work import Work, Worker

#: Portraits from which a bank is built.
_BANK = range(12)


def _inline(tasks: Iterator[Task], work: Work, workers: int) -> Iterator[Record | Ready]:
    """The work of the processes, done here."""
    worker = Worker(work)
    yield Ready(worker.versions())
    for task in tasks:
        yield worker.do(task)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, astronaut: Image, hopper: Image) -> Path:
    """A folder with every input that the pages name."""
    root = tmp_path_factory.mktemp("inputs")
    small, officer = np.ascontiguousarray(astronaut[:150, 60:210]), np.ascontiguousarray(hopper[20:200, 20:236])
    for name in ("party.jpg", "holiday/beach.jpg", "photos/1.jpg", "originals/Eileen_Collins_0001.png"):
        _save(small, root / name)
    _save(officer, root / "originals/Grace_Hopper_0001.png")
    for name in ("Eileen_Collins_0001.png", "Grace_Hopper_0001.png"):
        _save(np.full_like(small if "Eileen" in name else officer, 90), root / "deidentified" / name)
    _save(np.full((64, 64, 3), (250, 210, 40), np.uint8), root / "smiley.png")
    (root / "photos" / "labels.txt").write_text("1.jpg astronaut\n")
    _save(small, root / "people/1.jpg")
    (root / "people/faces.csv").write_text("path,x0,y0,x1,y1,identity\n1.jpg,38,15,86,75,Eileen\n")
    (root / "examples").symlink_to(Path(__file__).parents[2] / "examples")
    _shard(root / "shards" / "0.tar", small)
    _video(root / "video.mp4", small)
    return root


@pytest.fixture(scope="session")
def portraits(inputs: Path, bank_of: Callable[[Sequence[int]], dict[str, NDArray[Any]]]) -> None:
    """Pictures of people who do not exist, taken from the shipped bank."""
    (inputs / "portraits").mkdir()
    for number in _BANK:
        arrays = bank_of([number])
        with PillowImage.open(io.BytesIO(arrays["images"].tobytes())) as portrait:
            portrait.save(inputs / "portraits" / f"{number}.png")


@pytest.fixture(scope="session")
def saved_dataset(inputs: Path) -> None:
    """A Hugging Face data set of one photo."""
    datasets = pytest.importorskip("datasets", reason="the page needs datasets: pip install 'deid-face[dataset]'")
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    rows = {"image": [str(inputs / "party.jpg")], "caption": ["an astronaut"]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(inputs / "saved_dataset"))


@pytest.fixture
def workplace(inputs: Path, portraits: None, saved_dataset: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with links to the inputs; data sets are done in this process."""
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "run", _inline)
    return tmp_path


def _save(pixels: Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(pixels).save(path)


def _shard(path: Path, pixels: Image) -> None:
    path.parent.mkdir()
    data = io.BytesIO()
    PillowImage.fromarray(pixels).save(data, "JPEG")
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("0.jpg")
        member.size = data.tell()
        tar.addfile(member, io.BytesIO(data.getvalue()))


def _video(path: Path, pixels: Image) -> None:
    av = pytest.importorskip("av", reason="the pages need PyAV: pip install 'deid-face[video]'")
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=Fraction(10))
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
        for packet in [p for _ in range(6) for p in stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24"))] + stream.encode(None):
            video.mux(packet)
