"""The gate, measured on its own with recognisers and detectors that say what they are told."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import pytest

from deid.core.attributes import MALE
from deid.core.options import Options
from deid.core.types import Crops, Detection, Image
from deid.detection.mtcnn import MtcnnDetector
from deid.detection.views import find_again
from deid.imaging.alignment import align
from deid.recognition.attributes import AttributeReader
from deid.recognition.dlib_resnet import DlibResNetEmbedder
from deid.recognition.face_reader import FaceReader
from deid.recognition.linear import GenderReader
from deid.recognition.source_face import SourceFace
from deid.verification.gate import Gate
from deid.verification.ranking import margin
from deid.verification.realism import RealismScorer

BOX = np.array([50.0, 40, 110, 120])
FACE = Detection(BOX)


@dataclass
class _Reader:
    """Attributes and realism of a crop: its top left pixel says male and real, in percent."""

    asked: list[int] = field(default_factory=list)

    def probabilities(self, crops: Crops) -> np.ndarray:
        out = np.zeros((len(crops), 13), np.float32)
        out[:, MALE] = crops[:, 0, 0, 0] / 100
        return out

    def score(self, crops: Crops) -> np.ndarray:
        self.asked.append(len(crops))
        return np.asarray(crops[:, 0, 0, 1] / 100, np.float32)


@dataclass
class _Angle:
    """An embedder on the circle: the top left pixel's third channel is the angle in degrees."""

    name: str = "angle"
    threshold: float = 0.5

    def embed(self, crops: Crops) -> np.ndarray:
        angle = np.deg2rad(crops[:, 0, 0, 2].astype(float))
        return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _crop(male: int = 90, real: int = 90, angle: int = 90) -> Image:
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[0, 0] = (male, real, angle)
    return crop


def _gate(embedders: Sequence[Any] = (_Angle(),), detector: Any = None, **options: Any) -> Gate:
    reader = _Reader()
    return Gate(FaceReader(embedders, reader, reader, GenderReader()), detector, Options(**options))


def _source(gate: Gate, male: int = 90) -> SourceFace:
    return gate.reader.source_of(_crop(male, 90, 0), FACE)


# Name: (male before, crop after, what is said).
MEASURED: dict[str, tuple[int, Image, list[str]]] = {
    "another person": (90, _crop(), []),
    "the same person": (90, _crop(angle=0), ["angle distance 0.000 <= 0.500"]),
    "too near": (90, _crop(angle=28), ["angle distance 0.484 <= 0.500"]),
    "far enough": (90, _crop(angle=30), []),
    "noise": (90, _crop(real=49), ["realism 0.49 < 0.50"]),
    "just real": (90, _crop(real=50), []),
    "a man becomes a woman": (90, _crop(male=10), ["gender not kept: male 0.90 before, 0.10 after"]),
    "a woman becomes a man": (10, _crop(male=90), ["gender not kept: male 0.10 before, 0.90 after"]),
    "a man, less surely": (90, _crop(male=81), []),
    "a man, not surely": (90, _crop(male=79), ["gender not kept: male 0.90 before, 0.79 after"]),
    "a woman, less surely": (10, _crop(male=19), []),
    "in doubt before": (55, _crop(male=56), []),
    "in more doubt": (55, _crop(male=54), ["gender not kept: male 0.55 before, 0.54 after"]),
    "in doubt, and on the other side": (55, _crop(male=2), ["gender not kept: male 0.55 before, 0.02 after"]),
    "all wrong": (90, _crop(10, 10, 0), ["angle distance", "gender not kept", "realism"]),
}


@pytest.mark.parametrize(("male", "crop", "said"), MEASURED.values(), ids=MEASURED.keys())
def test_measure(male: int, crop: Image, said: list[str]) -> None:
    gate = _gate()
    (check,) = gate.measure(_source(gate, male), crop[None])
    assert len(check.reasons) == len(said)
    assert all(expected in reason for expected, reason in zip(said, check.reasons, strict=True))
    assert check.passed == (not said)
    assert check.gender_before == pytest.approx(male / 100)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(90, 31, "realism 0.31 < 0.50"), (40, 31, "realism 0.31 < 0.40, the old face's own score"), (3, 5, "0.05 < 0.06, the score of noise")],
)
def test_least_realism_names_what_it_is(before: int, after: int, said: str) -> None:
    gate = _gate()
    (check,) = gate.measure(gate.reader.source_of(_crop(90, before, 0), FACE), _crop(real=after)[None])
    assert [reason.endswith(said) for reason in check.reasons] == [True]


@pytest.mark.parametrize(("male", "after"), [(90, 60), (90, 10), (10, 40), (10, 90)])
def test_gender_that_is_accepted_is_not_asked_in_each_frame(male: int, after: int) -> None:
    gate = _gate()
    assert gate.measure(_source(gate, male), _crop(male=after)[None], accepted=True)[0].passed
    assert not gate.measure(_source(gate, male), _crop(male=after)[None])[0].passed


def test_filters_need_neither_realism_nor_gender() -> None:
    gate = _gate(detector=_finder())
    source = _source(gate)
    far, near = (gate.cover(source, np.full((200, 160, 3), _crop(0, 0, blue)[0, 0], np.uint8)) for blue in (90, 0))
    assert far.passed
    assert far.realism is None
    assert not near.passed


def test_every_embedder_must_pass() -> None:
    gate = _gate([_Angle(), _Angle("stricter", 1.5)])
    (check,) = gate.measure(_source(gate), _crop()[None])
    assert [d.embedder for d in check.distances] == ["angle", "stricter"]
    assert check.reasons == ("stricter distance 1.414 <= 1.500",)


def test_embedding_that_is_no_number_never_passes() -> None:
    class _Nan(_Angle):
        def embed(self, crops: Crops) -> np.ndarray:
            return np.full((len(crops), 2), np.nan, np.float32)

    gate = _gate([_Nan()])
    (check,) = gate.measure(_source(gate), _crop()[None])
    assert not check.passed


def test_one_view_that_is_no_number_does_not_pass() -> None:
    class _LastIsNan(_Angle):
        def embed(self, crops: Crops) -> np.ndarray:
            looks.append(len(crops))
            return super().embed(crops) * (np.nan if len(looks) == 3 else 1)

    looks: list[int] = []
    gate = _gate([_LastIsNan()], detector=_finder(BOX))
    assert not gate.judge(_source(gate), np.full((200, 160, 3), 90, np.uint8)).passed
    assert looks == [1, 1, 1], "the source, and a face at its old and at its new landmarks"


def test_no_crops_no_verdicts() -> None:
    gate = _gate()
    assert gate.measure(_source(gate), np.zeros((0, 128, 128, 3), np.uint8)) == []


@dataclass
class _FindsAt:
    """Finds a face in a patch where it lies in the photo, whatever the patch's scale."""

    boxes: list[np.ndarray]
    photo_hw: tuple[int, int]
    patch_origin: np.ndarray
    patch_wh: np.ndarray
    name: str = "fixed"

    def detect(self, image: Image) -> list[Detection]:
        scale = np.tile(np.array(image.shape[1::-1]) / self.patch_wh, 2)
        return [Detection((box - np.tile(self.patch_origin, 2)) * scale) for box in self.boxes]


def _finder(*boxes: np.ndarray) -> _FindsAt:
    # 2.2 times the box about its middle, rounded outward and cut to the photo of 200 x 160.
    low, high = np.array([14, 0]), np.array([146, 168])
    return _FindsAt(list(boxes), (200, 160), low, high - low)


FOUND: dict[str, tuple[list[np.ndarray], float, list[str]]] = {
    "in place": ([BOX], 1.0, []),
    "moved a little": ([BOX + np.array([6, 0, 6, 0])], 54 / 66, []),
    "moved too far": ([BOX + np.array([30, 0, 30, 0])], 30 / 90, ["found again with IoU 0.33 < 0.50"]),
    "nothing": ([], 0.0, ["not found again by the detector"]),
    "elsewhere": ([BOX + np.array([62, 0, 62, 0])], 0.0, ["not found again by the detector"]),
    "the nearest counts": ([BOX + np.array([30, 0, 30, 0]), BOX], 1.0, []),
}


@pytest.mark.parametrize(("boxes", "iou", "said"), FOUND.values(), ids=FOUND.keys())
def test_judge_asks_the_detector(boxes: list[np.ndarray], iou: float, said: list[str]) -> None:
    image = np.zeros((200, 160, 3), np.uint8)
    image[...] = (90, 90, 90)
    gate = _gate(detector=_finder(*boxes))
    source = _source(gate)
    check = gate.judge(source, image)
    assert check.iou == pytest.approx(iou, abs=0.02)
    assert check.redetected == (iou > 0)
    assert list(check.reasons) == said


def test_a_closer_look_is_taken_only_when_it_is_wanted() -> None:
    """The strictest recogniser comes first; then the others, what is read of the crop, and the detector, which takes longest."""
    gate = _gate([_Angle(), _Angle("mobilenet", 0.6)])  # without a detector
    looks = gate.looks(_source(gate), lambda: np.full((200, 160, 3), (10, 10, 40), np.uint8))
    first, second, third = (next(looks) for _ in range(3))
    assert [[d.embedder for d in check.distances] for check in (first, second, third)] == [["mobilenet"], *[["angle", "mobilenet"]] * 2]
    assert (first.passed, second.passed) == (True, True)
    assert [r.split()[0] for r in third.reasons] == ["gender", "realism"]
    with pytest.raises(AttributeError):
        next(looks)


@pytest.mark.parametrize("found", [[], [BOX], [BOX + np.array([30, 0, 30, 0])]], ids=["nothing", "in place", "beside"])
@pytest.mark.parametrize("colour", [(90, 90, 90), (90, 90, 10), (10, 10, 20)])
def test_a_closer_look_finds_no_face_farther_or_better(found: list[np.ndarray], colour: tuple[int, int, int]) -> None:
    image = np.full((200, 160, 3), colour, np.uint8)
    # At its right edge the photo shows the face itself.
    image[:, 100:, 2] = 0
    gate = _gate([_Angle(), _Angle("mobilenet", 0.6)], detector=_finder(*found))
    looks = list(gate.looks(_source(gate), lambda: image))
    margins = [margin(check) for check in looks]
    assert margins == sorted(margins, reverse=True)
    assert [check.passed for check in looks] == sorted((check.passed for check in looks), reverse=True)
    last = gate.judge(_source(gate), image)
    assert (last.reasons, last.distances, last.iou) == (looks[-1].reasons, looks[-1].distances, looks[-1].iou)
    assert len(last.distances) == 2


def test_what_fails_is_measured_in_full_when_it_is_judged() -> None:
    gate = _gate(detector=_finder())
    check = gate.judge(_source(gate), np.full((200, 160, 3), (10, 10, 0), np.uint8))
    assert [r.split()[0] for r in check.reasons] == ["angle", "gender", "realism", "not"]


def test_a_covered_face_need_not_be_found() -> None:
    gate = _gate(detector=_finder())
    assert gate.cover(_source(gate), np.full((200, 160, 3), 90, np.uint8)).passed


def test_the_smaller_distance_counts() -> None:
    """An attacker aligns the face as it is found: an edit that only holds in our own crop does not pass."""
    image = np.full((200, 160, 3), 90, np.uint8)
    matrix = align(image, FACE).matrix
    left = np.linalg.solve(matrix[:, :2], -matrix[:, 2])[0]
    gate = _gate(detector=_finder(BOX + np.array([10, 0, 10, 0])))
    source = _source(gate)
    # The photo has the angle of the source from the left edge of the crop on in which the face is found.
    for start, passed in ((160, True), (round(left + 5), False)):
        image[:, start:, 2] = 0
        check = gate.judge(source, image)
        assert check.passed == passed
    assert check.distances[0].value == pytest.approx(0)
    assert check.reasons == ("angle distance 0.000 <= 0.500",)


def test_judge_measures_what_is_in_the_photo() -> None:
    """Not the proposal: a paste that went wrong is seen."""
    gate = _gate(detector=_finder(BOX))
    source = _source(gate)
    check = gate.judge(source, np.full((200, 160, 3), _crop(10, 10, 0)[0, 0], np.uint8))
    assert [r.split()[0] for r in check.reasons] == ["angle", "gender", "realism"]
    assert check.gender_after == pytest.approx(0.1)
    assert check.realism == pytest.approx(0.1)


@pytest.fixture(scope="module")
def real_gate(embedder: DlibResNetEmbedder) -> Gate:
    return Gate(FaceReader([embedder], AttributeReader(), RealismScorer(), GenderReader()), MtcnnDetector(min_face=40), Options())


def test_the_face_itself_is_caught(real_gate: Gate, hopper: Image, officer: Detection) -> None:
    crop = align(hopper, officer).crop
    source = real_gate.reader.source_of(crop, officer)
    check = real_gate.judge(source, hopper)
    assert check.redetected
    assert check.iou > 0.7
    assert check.distances[0].value < 0.05
    assert [r for r in check.reasons if "distance" in r]


def test_the_face_in_another_light_is_caught(real_gate: Gate, hopper: Image, officer: Detection) -> None:
    crop = align(hopper, officer).crop
    dim = np.clip(crop * 0.8 + 10, 0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(crop, (0, 0), 1.0)
    source = real_gate.reader.source_of(crop, officer)
    for check in real_gate.measure(source, np.stack([dim, np.asarray(soft), crop[:, ::-1]])):
        assert [r for r in check.reasons if "distance" in r]


@pytest.mark.parametrize("bias", [-9.0, 9.0])
def test_dlibs_embedding_has_a_word_on_gender(bias: float, embedder: DlibResNetEmbedder, hopper: Image, officer: Detection) -> None:
    reader = GenderReader({"weight": np.zeros(128, np.float32), "bias": np.array([bias], np.float32)})
    gate = Gate(FaceReader([embedder], AttributeReader(), RealismScorer(), reader), MtcnnDetector(min_face=40), Options())
    crop = align(hopper, officer).crop
    source = gate.reader.source_of(crop, officer)
    (check,) = gate.measure(source, crop[None])
    assert source.male == check.gender_before == check.gender_after == pytest.approx(float(bias > 0), abs=1e-3)
    assert replace(gate.reader, embedders=[_Angle()]).source_of(crop, officer).male == pytest.approx(source.attributes[MALE])


@pytest.mark.parametrize(
    ("before", "after", "flipped"),
    [(90, 60, False), (90, 40, True), (10, 5, False), (10, 90, False)],
    ids=["same", "flips", "doubts", "yields"],
)
def test_gender_must_not_flip_for_the_second_reader(before: int, after: int, flipped: bool, embedder: DlibResNetEmbedder) -> None:
    """dlib's embedding says man before and after; the attributes have a say where they said so too."""
    man, reader = GenderReader({"weight": np.zeros(128, np.float32), "bias": np.full(1, 9.0, np.float32)}), _Reader()
    gate = Gate(FaceReader([embedder], reader, reader, man), MtcnnDetector(min_face=40), Options())
    (check,) = gate.measure(_source(gate, before), _crop(after)[None])
    said = [r for r in check.reasons if "gender" in r]
    assert said == ([f"gender not kept for a second reader: male 0.{before} before, 0.{after} after"] if flipped else [])


def test_noise_is_no_face(real_gate: Gate, hopper: Image, officer: Detection) -> None:
    crop = align(hopper, officer).crop
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, crop.shape, dtype=np.uint8)
    noisy = np.clip(crop + rng.normal(0, 60, crop.shape), 0, 255).astype(np.uint8)
    flat = np.full_like(crop, 128)
    photo, *others = RealismScorer().score(np.stack([crop, noise, noisy, flat]))
    assert max(others) < Options().min_realism
    assert photo > max(others[:2])


@pytest.mark.parametrize("box", [[-30, -30, 20, 20], [150, 190, 210, 260], [0, 0, 2, 2], [-900, -900, 900, 900]])
def test_find_again_at_the_border(box: list[float], real_gate: Gate) -> None:
    image = np.full((200, 160, 3), 100, np.uint8)
    assert find_again(real_gate.detector.detect, image, Detection(np.array(box, float))) == (0.0, None)
