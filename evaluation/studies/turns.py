"""Exposed faces in turned photos, with the default detector and with its two parts on the upright photo only."""

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as PillowImage

from deid.core.options import Options
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection import EnsembleDetector, build_detector
from deid.detection.views import turn, turned_by
from deid.imaging.geometry import box_iou
from evaluation import datasets
from evaluation.datasets import data_folder
from evaluation.detectors import both_detectors
from evaluation.results import Measure, Results, environment
from evaluation.studies.memory import is_covered
from evaluation.studies.options import StudyOptions

TURNS = (0, 90, 180, 270, 135, 45, -45, 60, -60)
#: Size to which photos are shrunk, the step through CMU-MIT's photos, and the most of them.
_LONGEST, _EVERY, _PHOTOS = 640, 10, 20
#: A face is known when SCRFD is so sure of it, MTCNN finds it too, and it is so large.
_LEAST_SCORE, _LEAST_IOU, _LEAST_SIZE = 0.5, 0.4, 15


@dataclass(frozen=True, slots=True, eq=False)
class KnownPhoto:
    """An upright photo and the faces that two other detectors agree on."""

    name: str
    image: Image
    faces: list[Detection]


def photos() -> list[KnownPhoto]:
    """20 photos: those of the data folder, and some of CMU-MIT."""
    judges = both_detectors()
    return [KnownPhoto(name, image, known(image, judges)) for name, image in _images()]


def _images() -> Iterator[tuple[str, Image]]:
    own = sorted((data_folder() / "photos").iterdir())
    for path in own:
        yield path.name, shrunk(np.asarray(PillowImage.open(io.BytesIO(path.read_bytes())).convert("RGB")))
    group = [(name, image) for i, (name, image, _) in enumerate(datasets.cmu_mit()) if i % _EVERY == _EVERY // 2]
    for name, image in group[: _PHOTOS - len(own)]:
        yield name, shrunk(image)


def shrunk(image: Image) -> Image:
    """A photo with its longer side no longer than the study wants."""
    factor = _LONGEST / max(image.shape[:2])
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) if factor < 1 else image


def known(image: Image, judges: tuple[Detector, Detector]) -> list[Detection]:
    """Faces that MTCNN and SCRFD both detect, with SCRFD's boxes."""
    first, second = (judge.detect(image) for judge in judges)
    boxes = np.array([d.box_xyxy for d in first]).reshape(-1, 4)
    sure = [d for d in second if d.score >= _LEAST_SCORE and d.size >= _LEAST_SIZE]
    return [d for d in sure if (box_iou(boxes, d.box_xyxy) >= _LEAST_IOU).any()]


def turns(options: StudyOptions) -> Results:
    """Exposed faces at each turn."""
    chosen = photos()
    name, smallest = Options().detector, Options().min_face
    upright = EnsembleDetector([build_detector(part, smallest) for part in name.split("+")])
    detectors = {f"{name}, upright alone": upright, name: build_detector(name, smallest)}
    lines: list[Measure] = []
    for degrees in TURNS:
        options.stage(f"{degrees} degrees", len(chosen))
        turned = [_turned(photo, degrees) for photo in chosen]
        exposed, seconds = dict.fromkeys(detectors, 0), dict.fromkeys(detectors, 0.0)
        for photo in turned:
            for key, detector in detectors.items():
                start = time.process_time()
                found = detector.detect(photo.image)
                seconds[key] += time.process_time() - start
                exposed[key] += sum(not is_covered(face, found) for face in photo.faces)
            options.tick()
        lines += _lines(degrees, exposed, seconds, turned)
    return Results(
        kind="study",
        title="turns: known faces that are exposed in turned photos",
        settings={"photos": len(chosen), "faces": sum(len(p.faces) for p in chosen), "longer side": _LONGEST, "smallest face": smallest},
        environment=environment(),
        measures=tuple(lines),
    )


def _turned(photo: KnownPhoto, degrees: int) -> KnownPhoto:
    """A photo as an editor turns it, with black corners."""
    matrix = turn(photo.image, degrees)[1]
    image = np.asarray(PillowImage.fromarray(photo.image).rotate(degrees, PillowImage.Resampling.BICUBIC, expand=True))
    return KnownPhoto(photo.name, image, [turned_by(face, matrix) for face in photo.faces])


def _lines(degrees: int, exposed: dict[str, int], seconds: dict[str, float], turned: Sequence[KnownPhoto]) -> list[Measure]:
    n = sum(len(photo.faces) for photo in turned)
    section = f"{degrees} degrees"
    lines = []
    for key, count in exposed.items():
        each = seconds[key] / len(turned)
        lines.append(Measure(section=section, name="faces exposed", value=float(count), n=n, better="lower", recogniser=key))
        lines.append(Measure(section=section, name="time a photo", value=each, n=len(turned), better="lower", unit="s", recogniser=key))
    return lines
