"""All options in one place, readable from TOML. An unknown key is an error."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.core.errors import ConfigError

METHODS = ("attgan", "blur", "pixelate", "solid", "image")
CONSISTENCIES = ("photo", "dataset")
STAND_INS = ("portrait", "none")
REACHES = ("face", "head")
BOXES = ("also", "only")
ALSO = ("plates",)


@dataclass(frozen=True, slots=True)
class Budget:
    """What is spent on one face before it is covered.

    Args:
        proposals: attribute sets that the selector sees for each stand-in.
        generated: new faces in a round, each from a stand-in of its own.
        rounds: at the first strength; each harder way has one.
        farther: further rounds for a face whose new one passes, but is not as far from it as most strangers; the farthest is kept.
    """

    proposals: int
    generated: int
    rounds: int
    farther: int


QUALITIES = {"fast": Budget(8, 1, 3, 0), "balanced": Budget(8, 1, 11, 2), "thorough": Budget(8, 6, 3, 2)}


#: Options with a few values.
_CHOICES: dict[str, tuple[str, ...]] = {
    "method": METHODS,
    "quality": tuple(QUALITIES),
    "consistency": CONSISTENCIES,
    "stand_in": STAND_INS,
    "reach": REACHES,
    "boxes": BOXES,
}
#: Least and greatest value of each number, whole ones for whole numbers.
_RANGES: dict[str, tuple[float, float]] = {
    "min_face": (8, 2000),
    "input_cells": (8, 128),
    "pixelate_cells": (1, 64),
    "max_pixels": (1, 2**40),
    "memory": (0, 250),
    "detect_every": (1, 250),
    "patience": (0, 250),
    "look_ahead": (0, 250),
    "seed": (0, 2**64 - 1),
    "detect_every_s": (0.0, 10.0),
    "patience_s": (0.0, 10.0),
    "look_ahead_s": (0.0, 10.0),
    "edit_score": (0.0, 1.0),
    "min_iou": (0.0, 1.0),
    "min_realism": (0.0, 1.0),
    "track_score": (0.0, 1.0),
    "threshold": (0.0, 1.0),
    "gender_slack": (0.0, 1.0),
    "blur_radius": (0.01, 5.0),
    "min_edit_size": (0.0, 1e6),
    "margin": (0.0, 2.0),
}
_MAY_BE_NONE = {"detect_every", "patience", "look_ahead", "seed", "threshold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How pictures and videos are anonymized.

    Args:
        method: `attgan` replaces a face by a new one; `blur`, `pixelate`, `solid` and `image` cover it.
        detector: a name of `deid.detection.DETECTORS`, `yolo:FILE`, `scrfd:FILE`, or several joined by `+`.
        threshold: ignores detections with a lower score, in [0, 1]; None leaves this to the detectors. Higher values expose faces.
        min_face: size of the smallest face to detect, in pixels.
        embedders: names of `deid.recognition.EMBEDDERS`. A new face must exceed the distance threshold of each, and so must a cover in
            its place. Where the method is a filter, the first counts alone.
        quality: effort for each new face: `fast`, `balanced` or `thorough`, see `QUALITIES`.
        consistency: how long a person keeps a new face. With `photo`, every picture draws new ones. With `dataset`, one engine uses the
            same attribute set for the same person in all pictures, one picture after another.
        boxes: `also` searches a picture with known boxes for further faces; `only` takes the known boxes as complete.
        stand_in: what AttGAN edits: `portrait`, a mix of portraits warped to the face, or `none`, the face itself.
        portraits: path of your own bank, made by `deid portraits build`; None for the shipped one.
        reach: `face` changes the face; `head` also moves the outline of the head, changes the shade of the hair and takes glasses off.
        keep: folder of reference photos. These people stay as they are where no doubt is left that it is them.
        only: folder of reference photos. Everybody else stays as they are where no doubt is left that it is none of them.
        ignore: zones in which faces stay as they are: ``x0,y0,x1,y1`` in pixels or shares of the picture, a mask that is white there, or
            a folder of masks with the names of the inputs.
        also: what else is covered: `plates`.
        plate_model: path of an ONNX detector of licence plates, of YOLO's kind.
        input_cells: with `stand_in` `none`, resolution at which the generator sees the face, as cells of a mosaic across it.
        edit_score: covers a face instead of replacing it when its detection scores less, in [0, 1].
        min_edit_size: covers smaller faces instead of replacing them, in pixels: no recogniser can check them.
        min_iou: least IoU of the boxes before and after, in [0, 1]. A new face with less is refused.
        min_realism: least realism score of a new face, in [0, 1], or the old face's own score where that is less.
        gender_slack: least certainty of the gender after the edit is 1 less this value, or the certainty before where that is less.
        blur_radius: sigma of `blur` as a share of the face's size.
        pixelate_cells: number of cells of `pixelate` across the face's longer side.
        margin: how far the filters reach beyond the box, as a share of its size.
        solid_rgb: colour of `solid`, three numbers from 0 to 255; None for the mean colour of what is covered.
        cover_image: path of the picture that `image` puts over a face.
        seed: makes the output reproducible; None draws a fresh seed for every picture.
        device: torch's name of the device for the networks, or `auto`: a GPU when there is one.
        max_pixels: refuses pictures with more pixels, all frames counted. The default needs about 2 GB of memory.
        detect_every_s: interval of searches of the whole frame in videos, in seconds. In between, known faces are tracked, and new
            regions are searched in every frame.
        detect_every: the same in frames; overrides `detect_every_s`.
        track_score: least score of a detection that starts a track, in [0, 1]. Lower scores only continue one.
        memory: missed searches before a track is dropped. A face stays covered as long before its first detection.
        patience_s: longest gap in a track that is filled, in seconds.
        patience: the same in frames; overrides `patience_s`.
        look_ahead_s: seconds that are read before a frame is written: later detections are covered in it too.
        look_ahead: the same in frames; overrides `look_ahead_s`.

    Raises:
        ConfigError: a value has the wrong type or is out of range.

    Examples:
        >>> Options(method="pixelate", pixelate_cells=6).method
        'pixelate'
    """

    method: str = "attgan"
    detector: str = "mtcnn_once+centerface"
    threshold: float | None = None
    min_face: int = 15
    embedders: tuple[str, ...] = ("dlib_resnet", "mobilenet")
    quality: str = "balanced"
    consistency: str = "photo"
    stand_in: str = "portrait"
    portraits: str | None = None
    reach: str = "face"
    boxes: str = "also"
    keep: str | None = None
    only: str | None = None
    ignore: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    plate_model: str | None = None
    input_cells: int = 40
    edit_score: float = 0.90
    min_edit_size: float = 16.0
    min_iou: float = 0.5
    min_realism: float = 0.5
    gender_slack: float = 0.2
    blur_radius: float = 0.15
    pixelate_cells: int = 8
    margin: float = 0.15
    solid_rgb: tuple[int, int, int] | None = None
    cover_image: str | None = None
    seed: int | None = None
    device: str = "cpu"
    max_pixels: int = 100_000_000
    detect_every_s: float = 0.16
    detect_every: int | None = None
    track_score: float = 0.5
    memory: int = 2
    patience_s: float = 0.48
    patience: int | None = None
    look_ahead_s: float = 0.64
    look_ahead: int | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            _one_of(name, getattr(self, name), choices)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None or name not in _MAY_BE_NONE:
                _between(name, value, low, high, whole=isinstance(low, int))
        self._check_selection()
        self._check_covers()
        self._check_models()

    def _check_covers(self) -> None:
        if self.method == "image" and not self.cover_image:
            raise ConfigError("expected cover_image with method 'image', got none")
        if self.cover_image is not None and (not isinstance(self.cover_image, str) or "\0" in self.cover_image):
            raise ConfigError(f"expected cover_image to be the name of a picture, got {self.cover_image!r}")
        if self.solid_rgb is None:
            return
        if not isinstance(self.solid_rgb, tuple) or len(self.solid_rgb) != 3:
            raise ConfigError(f"expected solid_rgb to be three numbers, got {self.solid_rgb!r}")
        for value in self.solid_rgb:
            _between("solid_rgb", value, 0, 255, whole=True)

    def _check_models(self) -> None:
        for name in ("detector", "device"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"expected {name} to be text, got {getattr(self, name)!r}")
        if self.portraits is not None and (not isinstance(self.portraits, str) or not self.portraits):
            raise ConfigError(f"expected portraits to be the path of a bank, got {self.portraits!r}")
        if not isinstance(self.embedders, tuple) or not all(isinstance(name, str) for name in self.embedders):
            raise ConfigError(f"expected embedders to be a list of names, got {self.embedders!r}")
        if not self.embedders:
            raise ConfigError("expected at least one embedder: without one nothing says that a face is another")

    def _check_selection(self) -> None:
        for name in ("keep", "only", "plate_model"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value or "\0" in value):
                raise ConfigError(f"expected {name} to be a path, got {value!r}")
        for name in ("ignore", "also"):
            value = getattr(self, name)
            if not isinstance(value, tuple) or not all(isinstance(entry, str) and "\0" not in entry for entry in value):
                raise ConfigError(f"expected {name} to be a list of texts, got {value!r}")
        for entry in self.also:
            _one_of("also", entry, ALSO)
        if self.keep and self.only:
            raise ConfigError("expected keep or only, got both")
        if bool(self.also) != bool(self.plate_model):
            raise ConfigError("expected also = ['plates'] and a plate_model together, got one of them")

    @property
    def budget(self) -> Budget:
        """What is spent on one face."""
        return QUALITIES[self.quality]


def _one_of(name: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ConfigError(f"expected {name} to be one of {', '.join(valid)}, got {value!r}")


def _between(name: str, value: float, low: float, high: float, whole: bool = False) -> None:
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ConfigError(f"expected {name} to be a {'whole ' if whole else ''}number in [{low}, {high}], got {value!r}")


def from_mapping(values: Mapping[str, Any]) -> Options:
    """Options from plain values, such as a TOML table.

    Raises:
        ConfigError: a key is unknown or a value is out of range.
    """
    fields = {f.name: f for f in dataclasses.fields(Options)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"unknown option {', '.join(unknown)}; valid are {', '.join(fields)}")
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return Options(**plain)
    except TypeError as error:
        raise ConfigError(f"an option has the wrong type: {error}") from error


def load(path: Path) -> Options:
    """Options from a TOML file.

    Raises:
        ConfigError: it cannot be read, is no TOML, or has an unknown key.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"cannot read options from {path}: it is no regular file")
        return from_mapping(tomllib.loads(path.read_text()))
    except (OSError, ValueError, RecursionError) as error:
        # RecursionError: a file of nothing but brackets.
        raise ConfigError(f"cannot read options from {path}: {error}") from error
