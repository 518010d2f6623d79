"""What the study of speed works on: a photo, two videos and a small data set, made from the data or from the demo's photos."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from deid.cli.demo import demo_photos
from deid.core.types import Image
from deid.imaging import codec
from deid.video.decode import Reader
from deid.video.library import pyav
from evaluation import datasets
from evaluation.datasets import data_folder

PHOTO_SIZE = (1280, 720)
#: Frames of the video of a street, and of the one with two faces; photos of the data set.
STREET_FRAMES, FACES_FRAMES, PHOTOS = 24, 60, 20
#: The second face of that video is so many frames ahead of the first one.
_AHEAD = 18


def two_faces(folder: Path) -> tuple[Path, str]:
    """A photo of two people as JPEG, and what it is: one of the data, or the demo's two photos side by side."""
    known = data_folder() / "photos" / "two_people.jpg"
    if known.is_file():
        image, shown = codec.read(known).frames[0].rgb, known.name
    else:
        image, shown = _side_by_side([codec.read(path).frames[0].rgb for path in demo_photos().values()]), "the demo's photos"
    path = folder / "photo.jpg"
    PillowImage.fromarray(np.asarray(cv2.resize(image, PHOTO_SIZE, interpolation=cv2.INTER_AREA), np.uint8)).save(path, quality=92)
    return path, shown


def _side_by_side(images: Sequence[Image]) -> Image:
    size = (PHOTO_SIZE[0] // len(images), PHOTO_SIZE[1])
    return np.concatenate([np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for image in images], axis=1)


def street(folder: Path) -> Path | None:
    """A video of a crowd in 1080p; None without the data."""
    known = data_folder() / "clips" / "street-1080p.mp4"
    return _film(folder / "street.mp4", _frames(known, STREET_FRAMES)) if known.is_file() else None


def talking(folder: Path) -> Path | None:
    """A video of 1024 x 512 pixels with two faces that talk; None without the data."""
    known = data_folder() / "clips" / "talking.mp4"
    if not known.is_file():
        return None
    frames = list(_frames(known, FACES_FRAMES + _AHEAD))
    pairs = (np.concatenate([a, b[:, ::-1]], axis=1) for a, b in zip(frames, frames[_AHEAD:], strict=False))
    return _film(folder / "talking.mp4", pairs)


def photos(folder: Path) -> Path | None:
    """A folder of photos of different people; None without the data."""
    if not (data_folder() / "lfw-deepfunneled.tar").is_file():
        return None
    datasets.export(datasets.people(datasets.lfw(), PHOTOS, 1), folder / "photos")
    return folder / "photos"


def _frames(path: Path, n: int) -> Iterator[Image]:
    with Reader(path) as film:
        yield from (frame.rgb() for frame in islice(film, n))


def _film(path: Path, frames: Iterator[Image]) -> Path:
    """Frames as a video of 25 a second."""
    av = pyav()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "16"})
        for i, image in enumerate(frames):
            if i == 0:
                stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))
    return path
