"""Exposed faces in photos with a weak signal, and covers in photos without faces."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from deid.core.errors import DataError
from deid.core.options import Options
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.detection import EnsembleDetector, build_detector
from deid.imaging.geometry import box_intersection, expand_box
from evaluation.detectors import both_detectors
from evaluation.results import Measure, Results, environment
from evaluation.studies.memory import is_covered
from evaluation.studies.options import StudyOptions
from evaluation.studies.turns import KnownPhoto, photos, shrunk

_MOTION, _QUALITY, _SIGMA = 15, 5, 40.0
#: A surgical mask from the nose's bridge to the chin, as shares of the eyes' distance and of the way from eyes to mouth, from the
#: middle of the eyes.
_MASK = np.array([[0.0, 0.4], [0.9, 0.45], [0.95, 1.1], [0.45, 1.62], [-0.45, 1.62], [-0.95, 1.1], [-0.9, 0.45]])
_MASK_RGB = (150, 190, 215)
#: Pictures of scikit-image and scikit-learn without a face, and how far crops of photos keep from the faces in them.
_FACELESS = (
    *("brick", "cell", "chelsea", "clock_motion", "coffee", "coins", "grass", "gravel", "horse", "hubble_deep_field", "ihc", "logo"),
    *("moon", "motorcycle_left", "page", "retina", "rocket", "text"),
)
_AWAY, _CROP, _CROPS = 1.3, 240, 2


def _motion(photo: KnownPhoto) -> Image:
    kernel = np.full((1, _MOTION), 1 / _MOTION)
    return np.asarray(cv2.filter2D(photo.image, -1, kernel, borderType=cv2.BORDER_REFLECT), np.uint8)


def _jpeg(photo: KnownPhoto) -> Image:
    buffer = io.BytesIO()
    PillowImage.fromarray(photo.image).save(buffer, "JPEG", quality=_QUALITY)
    return np.asarray(PillowImage.open(buffer).convert("RGB"))


def _noise(photo: KnownPhoto) -> Image:
    noise = np.random.default_rng(1).normal(0.0, _SIGMA, photo.image.shape)
    return np.clip(photo.image + noise, 0, 255).astype(np.uint8)


def _masked(photo: KnownPhoto) -> Image:
    image = photo.image.copy()
    for face in photo.faces:
        points = face.landmarks
        if points is not None:
            eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
            outline = eyes + _MASK[:, :1] * (points[1] - points[0]) + _MASK[:, 1:] * (mouth - eyes)
            cv2.fillPoly(image, [np.rint(outline).astype(np.int32)], _MASK_RGB)
    return image


SIGNALS: dict[str, Callable[[KnownPhoto], Image]] = {
    f"motion blur of {_MOTION} px": _motion,
    f"JPEG quality {_QUALITY}": _jpeg,
    f"noise of sigma {_SIGMA:g}": _noise,
    "negative": lambda photo: 255 - photo.image,
    "surgical masks": _masked,
}


def weak_signals(options: StudyOptions) -> Results:
    """Exposed faces for each signal, and false covers."""
    chosen = photos()
    empty = faceless(chosen)
    name, smallest = Options().detector, Options().min_face
    plain = EnsembleDetector([build_detector(part, smallest) for part in name.split("+")])
    detectors: dict[str, Detector] = {f"{name}, one look": plain, name: build_detector(name, smallest)}
    lines: list[Measure] = []
    for signal, spoil in SIGNALS.items():
        options.stage(signal, len(chosen) * len(detectors))
        for key, detector in detectors.items():
            exposed = 0
            for photo in chosen:
                found = detector.detect(spoil(photo))
                exposed += sum(not is_covered(face, found) for face in photo.faces)
                options.tick()
            n = sum(len(photo.faces) for photo in chosen)
            lines.append(Measure(section=signal, name="faces exposed", value=float(exposed), n=n, better="lower", recogniser=key))
    options.stage("no faces", len(empty) * len(detectors))
    for key, detector in detectors.items():
        lines += _false_covers(key, detector, empty, options)
    return Results(
        kind="study",
        title="weak signals: known faces that are exposed, and false covers in pictures without faces",
        settings={"photos": len(chosen), "faces": sum(len(p.faces) for p in chosen), "pictures without faces": len(empty)},
        environment=environment(),
        measures=tuple(lines),
    )


def _false_covers(name: str, detector: Detector, images: Sequence[Image], options: StudyOptions) -> list[Measure]:
    found: list[list[Detection]] = []
    start = time.process_time()
    for image in images:
        found.append(detector.detect(image))
        options.tick()
    seconds = (time.process_time() - start) / len(images)
    rows = (
        ("false covers", float(sum(len(f) for f in found)), ""),
        ("pictures with a false cover", float(sum(bool(f) for f in found)), ""),
        ("time a picture", seconds, "s"),
    )
    return [
        Measure(section="no faces", name=row, value=value, n=len(images), better="lower", unit=unit, recogniser=name)
        for row, value, unit in rows
    ]


def faceless(chosen: Sequence[KnownPhoto]) -> list[Image]:
    """Pictures without faces: samples of other packages, and parts of photos that lie apart from what either detector finds.

    Raises:
        DataError: a package is missing.
    """
    try:
        import skimage.data
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise DataError("expected scikit-image and scikit-learn: pip install 'deid-face[demo,evaluation]'") from error
    folder = Path(skimage.data.__file__).parent
    files = [path for name in _FACELESS for path in folder.glob(f"{name}.*") if path.suffix in {".png", ".jpg"}]
    images = [shrunk(np.asarray(PillowImage.open(path).convert("RGB"))) for path in files]
    images += [shrunk(np.asarray(image)) for image in load_sample_images().images]
    judges = both_detectors()
    for photo in chosen:
        near = np.array([expand_box(d.box_xyxy, _AWAY) for judge in judges for d in judge.detect(photo.image)]).reshape(-1, 4)
        images += _apart(photo.image, near)
    return images


def _apart(image: Image, near: np.ndarray) -> list[Image]:
    """The first square parts of a photo that touch none of the boxes (N, 4)."""
    side = min(_CROP, min(image.shape[:2]))
    corners = [(y, x) for y in range(0, image.shape[0] - side + 1, side) for x in range(0, image.shape[1] - side + 1, side)]
    free = [(y, x) for y, x in corners if not box_intersection(near, np.array([x, y, x + side, y + side], float)).any()]
    return [np.ascontiguousarray(image[y : y + side, x : x + side]) for y, x in free[:_CROPS]]
