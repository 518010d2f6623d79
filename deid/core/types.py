"""Values that travel through the package, frozen and validated once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

#: (H, W, 3) uint8, RGB.
Image: TypeAlias = NDArray[np.uint8]
#: (N, 128, 128, 3) uint8, RGB, upright aligned faces.
Crops: TypeAlias = NDArray[np.uint8]
#: (N, D) float32 rows of length one.
Embeddings: TypeAlias = NDArray[np.float32]


_Array = TypeVar("_Array", bound=NDArray[Any])
_Made = TypeVar("_Made")


class Steady(Protocol):
    """Remembers what belongs to one face of a video, so that its new face does not flicker; see `deid.core.temporal`."""

    def held(self, name: str, make: Callable[[], _Made], keyframes: int = 1) -> _Made:
        """What was made of this name in a keyframe; it is made anew after so many more."""
        ...

    def once(self, name: str, make: Callable[[], _Made]) -> _Made:
        """What was made of this name at first."""
        ...

    def __call__(self, name: str, field: _Array, large: float) -> _Array:
        """A field, smoothed over the frames so far; a mean change of ``large`` is followed at once."""
        ...


def check_image(image: object) -> Image:
    """The image itself if it is an (H, W, 3) uint8 array with at least one pixel.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"expected an (H, W, 3) uint8 RGB array, got {got}")
    if image.size == 0:
        raise ValueError(f"expected an image with at least one pixel, got shape {image.shape}")
    return image


#: What is covered: the classes of every file of boxes, in the order of their numbers.
LABELS = ("face", "license_plate")


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face in a picture, from a detector or from the user.

    Convention:
        Boxes are (x0, y0, x1, y1) in float pixels. The origin is the top left corner of the image, and the max edge is exclusive.

    Args:
        box_xyxy: (4,) float64; may reach over the border of the image.
        score: the detector's confidence, in [0, 1].
        landmarks: (5, 2) float64 pixels: the subject's right eye (left in the picture), left eye, nose tip, right and left mouth corner;
            None when the detector has none.
        detector: its name.
        label: what it is: one of `LABELS`.

    Raises:
        ValueError: a shape is wrong, a number is not finite, the box is empty, or there is no such label.

    Examples:
        >>> Detection(np.array([10.0, 20.0, 50.0, 60.0]), score=0.9).size
        40.0
    """

    box_xyxy: NDArray[np.float64]
    score: float = 1.0
    landmarks: NDArray[np.float64] | None = None
    detector: str = "user"
    label: str = "face"

    def __post_init__(self) -> None:
        box = np.asarray(self.box_xyxy, np.float64)
        if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
            raise ValueError(f"expected a finite, non-empty box (x0, y0, x1, y1), got {box.tolist()}")
        object.__setattr__(self, "box_xyxy", box)
        if not 0.0 <= float(self.score) <= 1.0:
            raise ValueError(f"expected a score in [0, 1], got {self.score}")
        object.__setattr__(self, "score", float(self.score))
        if self.landmarks is not None:
            points = np.asarray(self.landmarks, np.float64)
            if points.shape != (5, 2) or not np.isfinite(points).all():
                raise ValueError(f"expected finite landmarks (5, 2), got {points.tolist()}")
            object.__setattr__(self, "landmarks", points)
        if self.label not in LABELS:
            raise ValueError(f"expected a label of {', '.join(LABELS)}, got {self.label!r}")

    @property
    def size(self) -> float:
        """Geometric mean of the box's width and height, in pixels."""
        w, h = self.box_xyxy[2:] - self.box_xyxy[:2]
        return float(np.sqrt(w * h))

    def moved(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> "Detection":
        """The same face in an image that is scaled by ``scale`` (2,) and then shifted by ``shift`` (2,), x first."""
        box = self.box_xyxy * np.tile(scale, 2) + np.tile(shift, 2)
        points = None if self.landmarks is None else self.landmarks * scale + shift
        return Detection(box, self.score, points, self.detector, self.label)


@dataclass(frozen=True, slots=True, eq=False)
class Glasses:
    """The glasses that a face wears.

    Args:
        frame: (n, n) float32 in [0, 1]: rims, bridge and arms.
        lenses: (n, n) float32 in [0, 1]: what lies behind the lenses.
        whole: whether so much of them was found that a new face can wear them.
    """

    frame: NDArray[np.float32]
    lenses: NDArray[np.float32]
    whole: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """An upright crop of a face with the way back.

    Args:
        crop: (128, 128, 3) uint8 RGB.
        matrix: (2, 3) similarity from pixels of the photo to pixels of the crop.
        detection: the face in the photo.
        points: (68, 2) dlib's landmarks in the crop, where they are known already.
        large: (n, n, 3) uint8 RGB, the same crop at about the photo's scale, n a multiple of 128; None where only the small one is known.
        attributes: (13,) probability of each attribute, where they are known already.
        steady: in a video, what keeps this face from flickering (`deid.core.temporal`).
        glasses: the glasses that it wears.
        objects: (n, n) float32 in [0, 1], what stands before it: a hand, a microphone; None for nothing.
        brows: by which share its brows are darker than the skin beside them; None where unknown.
    """

    crop: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    detection: Detection
    points: NDArray[np.float64] | None = None
    large: NDArray[np.uint8] | None = None
    attributes: NDArray[np.float32] | None = None
    steady: Steady | None = None
    glasses: Glasses | None = None
    objects: NDArray[np.float32] | None = None
    brows: float | None = None

    @property
    def wears_glasses(self) -> bool:
        """Whether a new face can wear the glasses that it wears."""
        return self.glasses is not None and self.glasses.whole


@dataclass(frozen=True, slots=True, eq=False)
class StandIn:
    """An identity-free face in a subject's place, at the photo's scale.

    Args:
        face: (n, n, 3) float32 RGB in [0, 255].
        visible: (128, 128) float32 in [0, 1]: where it shows a face, and not the hair, hat or background of a portrait.
        points: (68, 2) its landmarks in pixels of a 128 px crop.
        strain: how unevenly its portraits were stretched: the spread of the logarithm of area. 0.2 is usual, over 0.5 faces are distorted.
    """

    face: NDArray[np.float32]
    visible: NDArray[np.float32]
    points: NDArray[np.float64]
    strain: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class EditedFace:
    """One proposal for a new face.

    Args:
        crop: (128, 128, 3) uint8 RGB.
        method: the method or filter that made it, such as ``attgan`` or ``blur``.
        attributes: (D,) attribute set of the first pass and its stand-in, see `deid.editing.sampler`; None for methods without one.
        strength: the method's own strength, see `deid.core.options`.
        stand_in: the new face at the photo's scale, where the editor makes one; it is then pasted in place of ``crop``.
    """

    crop: NDArray[np.uint8]
    method: str
    attributes: NDArray[np.float32] | None = None
    strength: float = 1.0
    stand_in: StandIn | None = None


@dataclass(frozen=True, slots=True)
class Distance:
    """L2 distance between the unit-norm embeddings of a face before and after, and the threshold it must exceed."""

    embedder: str
    value: float
    threshold: float

    @property
    def passed(self) -> bool:
        return self.value > self.threshold


@dataclass(frozen=True, slots=True)
class Verification:
    """What the gate measured on one edited face, and its verdict.

    Args:
        distances: one per embedder.
        redetected: whether the detector detects the face in place.
        iou: IoU of the boxes before and after, in [0, 1]; 0 when it is not detected.
        gender_before: probability of `Male` before, in [0, 1].
        gender_after: the same after.
        realism: the critic's score of the crop, in [0, 1], where 1 is a photo; None when no face is pasted.
        reasons: each failed check in words; empty when all passed.
    """

    distances: tuple[Distance, ...]
    redetected: bool
    iou: float
    gender_before: float
    gender_after: float
    realism: float | None
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.reasons


Status: TypeAlias = Literal["passed", "fallback"]


@dataclass(frozen=True, slots=True, eq=False)
class FaceResult:
    """The result for one face.

    Args:
        detection: where it was detected.
        method: what replaces it now, such as `attgan`, `blur` or `solid`.
        status: `passed` when the requested method passed the gate, `fallback` when a stronger one took its place.
        verification: the gate's numbers for it.
        attributes: attribute set by name, empty for methods without one.
        strength: the method's own strength.
        seed: what the attribute set was drawn from.
        why: each failed attempt with the gate's reasons, in order.
        portraits: numbers of the bank's portraits in a new face; of N pictures, N + i is the mirror image of i.
        row: (D,) the editor's attribute set with its stand-in: the same face can be made again from it; None for covers.
        glasses: whether the new face may wear the glasses of the photo's.
        objects: whether the new face may be behind what stands before the old one.
    """

    detection: Detection
    method: str
    status: Status
    verification: Verification
    attributes: dict[str, float] = field(default_factory=dict)
    strength: float = 1.0
    seed: int = 0
    why: tuple[str, ...] = ()
    portraits: tuple[int, ...] = ()
    row: NDArray[np.float32] | None = field(default=None, repr=False)
    glasses: bool = field(default=True, repr=False)
    objects: bool = field(default=True, repr=False)

    def to_dict(self, debug: bool = False) -> dict[str, Any]:
        """Plain values for JSON; ``debug`` adds the portraits of a new face."""
        check = self.verification
        return {
            **_place(self.detection),
            "method": self.method,
            "status": self.status,
            "why": list(self.why),
            "strength": self.strength,
            "seed": self.seed,
            "attributes": {k: round(v, 4) for k, v in self.attributes.items()},
            # Not rounded: what lies just over its threshold must still do so in the report.
            "distances": [
                {"embedder": d.embedder, "distance": d.value, "threshold": d.threshold, "passed": d.passed} for d in check.distances
            ],
            "redetected": check.redetected,
            "iou": round(check.iou, 4),
            "gender_before": round(check.gender_before, 4),
            "gender_after": round(check.gender_after, 4),
            "realism": None if check.realism is None else round(check.realism, 4),
            **({"portraits": list(self.portraits)} if debug else {}),
        }


def _place(detection: Detection) -> dict[str, Any]:
    """Where a face is, as plain values."""
    landmarks = detection.landmarks
    return {
        "box_xyxy": [round(float(v), 2) for v in detection.box_xyxy],
        "landmarks": None if landmarks is None else np.round(landmarks, 2).tolist(),
        "score": round(detection.score, 4),
        "detector": detection.detector,
        **({} if detection.label == "face" else {"label": detection.label}),
    }


@dataclass(frozen=True, slots=True, eq=False)
class KeptFace:
    """A face that was left as it is, because somebody asked for it.

    Args:
        detection: where.
        why: in words.
    """

    detection: Detection
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**_place(self.detection), "status": "kept", "why": [self.why]}


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """What became of a picture's faces, without its pixels: a run keeps one for every picture.

    Args:
        size_hw: of the picture, in pixels.
        faces: one per face, largest first.
        seed: what all edits were drawn from. It repeats them: do not publish it.
        kept: faces that stay as they are, because somebody asked for it.
    """

    size_hw: tuple[int, int]
    faces: tuple[FaceResult, ...]
    seed: int
    kept: tuple[KeptFace, ...] = ()

    @property
    def n_edited(self) -> int:
        """Number of faces on which the requested method passed."""
        return sum(face.status == "passed" for face in self.faces)

    def to_dict(self, debug: bool = False) -> dict[str, Any]:
        """Plain values for JSON; ``debug`` as for a face. Faces are numbered from 1 on."""
        faces = [f.to_dict(debug) for f in self.faces] + [kept.to_dict() for kept in self.kept]
        faces = [{"number": number, **face} for number, face in enumerate(faces, 1)]
        return {"size_hw": list(self.size_hw), "seed": self.seed, "faces": faces}


@dataclass(frozen=True, slots=True, eq=False)
class ImageResult:
    """An anonymized picture, and a result for each face.

    Args:
        image: (H, W, 3) uint8 RGB, of the input's size.
        faces: one per face, largest first.
        seed: what all edits were drawn from. It repeats them: do not publish it.
        kept: faces that stay as they are, because somebody asked for it.
    """

    image: Image
    faces: tuple[FaceResult, ...]
    seed: int
    kept: tuple[KeptFace, ...] = ()

    @property
    def n_edited(self) -> int:
        """Number of faces on which the requested method passed."""
        return self.without_image().n_edited

    @property
    def n_fallback(self) -> int:
        """Number of faces with a stronger method than the requested one."""
        return len(self.faces) - self.n_edited

    def without_image(self) -> FrameResult:
        """The same without the pixels."""
        height, width = self.image.shape[:2]
        return FrameResult((height, width), self.faces, self.seed, self.kept)

    def to_dict(self, debug: bool = False) -> dict[str, Any]:
        """Plain values for JSON, without the picture; ``debug`` as for a face. Faces are numbered from 1 on."""
        return self.without_image().to_dict(debug)
