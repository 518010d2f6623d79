"""Memory of a detector: figures 4.11 and 4.12 of the thesis, and the gain of tracking backward.

A face counts as exposed in a frame when less than 60 % of the middle of its box lies under the boxes that are covered there. Two
truths: what SCRFD finds at score 0.5 and over, and what MTCNN itself finds before every third of its detections is dropped.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from deid.core.errors import DataError
from deid.core.options import Options
from deid.core.types import Detection, Image
from deid.detection.mtcnn import MtcnnDetector
from deid.imaging import geometry
from deid.video.decode import Reader
from deid.video.find import FaceFinder
from deid.video.memory import DetectionMemory, both_ways
from deid.video.search import Search
from evaluation.datasets import data_folder
from evaluation.detectors import second_detector
from evaluation.metrics.bootstrap import share_interval
from evaluation.results import Curve, Measure, Results, environment, measure
from evaluation.studies.options import StudyOptions

LENGTHS = tuple(range(9))
_CLIPS = ("stage-360p", "street-1080p", "talking")
_LEAST_SCORE = 0.5
#: The filters reach so far beyond the box on each side, as `deid` does by default.
_MARGIN = Options().margin
_MIDDLE, _LEAST_COVERED, _GRID = 0.6, 0.6, 12
_THUMBNAIL = (64, 36)

Found = list[list[Detection]]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip as two detectors see it.

    Args:
        name: of the file.
        thumbnails: one small picture per frame: enough to see a new scene.
        found: MTCNN's faces by frame.
        truth: SCRFD's faces by frame, at score 0.5 and over.
    """

    name: str
    thumbnails: list[Image]
    found: Found
    truth: Found


def memory(options: StudyOptions) -> Results:
    """Faces left exposed against the memory's length, forward only, both ways, and with tracking.

    Raises:
        DataError: the clips are absent.
    """
    clips = [_watch(name, options) for name in _CLIPS]
    measures: list[Measure] = []
    curves: list[Curve] = []
    for truth, dropped in itertools.product(("scrfd", "itself"), (False, True)):
        if truth == "itself" and not dropped:
            continue
        for way, fill in WAYS.items():
            lines = [_line(clips, truth, dropped, way, fill, length, options.seed) for length in LENGTHS]
            measures += [m for pair in lines for m in pair]
            label = f"{way}{', every third dropped' if dropped else ''}"
            curves.append(
                Curve(plot="strength", label=label, recogniser=f"memory, truth: {truth}", x=list(LENGTHS), y=[m.value for m, _ in lines])
            )
    return Results(
        kind="study",
        title="detection memory",
        settings={"clips": list(_CLIPS), "frames": sum(len(c.found) for c in clips), "detector": "mtcnn, min_face 20", "margin": _MARGIN},
        environment=environment(),
        measures=tuple(measures),
        curves=tuple(curves),
    )


def _watch(name: str, options: StudyOptions) -> Clip:
    path = data_folder() / "clips" / f"{name}.mp4"
    if not path.is_file():
        raise DataError(f"expected the clip {path}, got none")
    detector, judge = MtcnnDetector(min_face=20), second_detector()
    clip = Clip(name, [], [], [])
    with Reader(path) as film:
        options.stage(name, film.info.n_frames)
        for frame in film:
            image = frame.rgb()
            clip.thumbnails.append(np.asarray(cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8))
            clip.found.append(detector.detect(image))
            clip.truth.append([d for d in judge.detect(image) if d.score >= _LEAST_SCORE])
            options.tick()
    return clip


def drop_every_third(found: Sequence[Sequence[Detection]]) -> Found:
    """Detections, counted through all frames, without every third."""
    number = itertools.count()
    return [[d for d in frame if next(number) % 3 != 2] for frame in found]


def _forward(clip: Clip, found: Found, length: int) -> Found:
    memory = DetectionMemory(length)
    return [memory.update(frame) for frame in found]


def _both(clip: Clip, found: Found, length: int) -> Found:
    return both_ways(found, length)


def _tracked(clip: Clip, found: Found, length: int) -> Found:
    """The finder that videos go through, fed with these detections in place of its own search of every frame."""
    options = Options(memory=length, track_score=0.6)
    finder: FaceFinder[_Small] = FaceFinder(Search([_Replay(found)]), None, options)
    frames = [f for image in clip.thumbnails for f in finder.push(_Small(image))]
    frames += finder.finish()
    return [[face.detection for face in frame.faces] for frame in frames]


WAYS: dict[str, Callable[[Clip, Found, int], Found]] = {"forward": _forward, "both ways": _both, "tracking": _tracked}


@dataclass(frozen=True, slots=True, eq=False)
class _Small:
    image: Image

    def rgb(self) -> Image:
        return self.image


class _Replay:
    """Gives out what was found before, frame by frame."""

    name = "replay"

    def __init__(self, found: Found) -> None:
        self._found = iter(found)

    def detect(self, image: Image) -> list[Detection]:
        return next(self._found)


def _line(
    clips: Sequence[Clip], truth: str, dropped: bool, way: str, fill: Callable[[Clip, Found, int], Found], length: int, seed: int
) -> tuple[Measure, Measure]:
    """Recall, and the number of faces left exposed, over all clips."""
    hits: list[bool] = []
    runs: list[str] = []
    for clip in clips:
        filled = fill(clip, drop_every_third(clip.found) if dropped else clip.found, length)
        wanted = clip.truth if truth == "scrfd" else clip.found
        for i, (faces, covered) in enumerate(zip(wanted, filled, strict=True)):
            hits += [is_covered(d, covered) for d in faces]
            # Neighbouring frames are not independent: seconds are drawn.
            runs += [f"{clip.name} {i // 25}"] * len(faces)
    section = f"memory {length}"
    name = f"recall, {way}{', every third dropped' if dropped else ''}"
    exposed = hits.count(False)
    recall = measure(section, name, share_interval(hits, runs, seed), better="higher", unit="%", recogniser=f"truth: {truth}")
    left = Measure(
        section=section,
        name=name.replace("recall", "faces left exposed"),
        value=float(exposed),
        n=len(hits),
        better="lower",
        recogniser=f"truth: {truth}",
    )
    return recall, left


def is_covered(face: Detection, covered: Sequence[Detection]) -> bool:
    """Whether enough of the middle of a face lies under boxes with their margin."""
    low, high = np.split(geometry.expand_box(face.box_xyxy, _MIDDLE), 2)
    points = np.stack(np.meshgrid(*np.linspace(low, high, _GRID).T), axis=-1).reshape(-1, 2)
    under = np.zeros(len(points), bool)
    for d in covered:
        box = geometry.expand_box(d.box_xyxy, 1 + 2 * _MARGIN)
        under |= ((points >= box[:2]) & (points <= box[2:])).all(axis=1)
    return bool(under.mean() >= _LEAST_COVERED)
