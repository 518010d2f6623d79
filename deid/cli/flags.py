"""Flags of the options, in one table from which every command takes those that it needs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from deid.core.errors import ConfigError
from deid.core.options import BOXES, METHODS, QUALITIES, REACHES, STAND_INS, Options, load

_FACES, _COVERS, _DETECTION, _VIDEOS, _MODELS = "New faces", "Covers", "Detection", "Videos", "Models and seed"
_WHO = "Who and what"
#: Names of `deid.detection.DETECTORS`, which a help text need not import.
DETECTORS = ("centerface", "dlib_hog", "dlib_mmod", "faster_rcnn", "haar", "mtcnn", "mtcnn_fast", "mtcnn_once")


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of the command line.

    Args:
        names: on the command line; the first one is the one to use.
        kind: type of its value.
        effect: what it does, as a sentence.
        panel: under which heading `--help` shows it.
        default: default that `--help` names, where it is not the option's own.
    """

    names: tuple[str, ...]
    kind: Any
    effect: str
    panel: str
    default: str = ""


def _flag(name: str, kind: Any, panel: str, effect: str, default: str = "") -> Flag:
    return Flag(tuple(name.split()), kind, effect, panel, default)


FLAGS: dict[str, Flag] = {
    "method": _flag("--method", str, _FACES, f"Choose what replaces a face: {', '.join(METHODS)}."),
    "quality": _flag("--quality", str, _FACES, f"Choose how much is tried for each face: {', '.join(QUALITIES)}."),
    "reach": _flag("--reach", str, _FACES, f"Choose what is changed: {' or '.join(REACHES)} (also outline, hair, ears and glasses)."),
    "stand_in": _flag(
        "--stand-in", str, _FACES, f"Choose what AttGAN edits: a mix of portraits ({STAND_INS[0]}), or the face itself ({STAND_INS[1]})."
    ),
    "portraits": _flag("--portraits", str, _FACES, "Use your own bank of portraits, made by `deid portraits build`.", "the shipped one"),
    "edit_score": _flag("--edit-score", float, _FACES, "Cover faces that are detected with a lower score than this, in [0, 1]."),
    "margin": _flag("--margin", float, _COVERS, "Extend covers beyond the face's box, on each side by this share of its size."),
    "mask_scale": _flag(
        "--mask-scale",
        float,
        _COVERS,
        "Scale the covered box, in place of --margin: 1.3 is a margin of 0.15.",
        "by --margin",
    ),
    "strength": _flag(
        "--strength",
        float,
        _COVERS,
        "Make a blur or mosaic coarser: --blur-radius times this, --pixelate-cells divided by it.",
        "1.0",
    ),
    "blur_radius": _flag(
        "--blur-radius",
        float,
        _COVERS,
        "Set the width of the blur: a Gaussian's standard deviation, as a share of the face's size.",
    ),
    "pixelate_cells": _flag("--pixelate-cells", int, _COVERS, "Set the number of mosaic cells across a face."),
    "cover_image": _flag("--cover-image", str, _COVERS, "Put this picture over faces (method `image`).", "none"),
    "detector": _flag(
        "--detector", str, _DETECTION, f"Choose {', '.join(DETECTORS)}, `yolo:FILE` or `scrfd:FILE`, or join several by `+`."
    ),
    "threshold": _flag(
        "--threshold", float, _DETECTION, "Ignore detections with a lower score. Faces may stay exposed.", "each detector's own"
    ),
    "min_face": _flag("--min-face", int, _DETECTION, "Search for faces of at least this many pixels."),
    "boxes": _flag(
        "--boxes",
        str,
        _DETECTION,
        f"Search for further faces in pictures with boxes in a table ({BOXES[0]}), or trust the boxes ({BOXES[1]}).",
    ),
    "keep": _flag("--keep", str, _WHO, "Keep the people in the reference photos of this folder. When in doubt, a face is covered.", "none"),
    "only": _flag(
        "--only", str, _WHO, "Edit only the people in the reference photos of this folder, and everyone who may be one of them.", "none"
    ),
    "ignore": _flag(
        "--ignore", list[str], _WHO, "Keep faces in a zone: `x0,y0,x1,y1`, a mask (white), or a folder of masks. Repeatable.", "none"
    ),
    "also": _flag("--also", list[str], _WHO, "Cover licence plates too, with `--also plates` and --plate-model.", "none"),
    "plate_model": _flag("--plate-model", str, _WHO, "Detect licence plates with this YOLO model, an ONNX file.", "none"),
    "detect_every_s": _flag(
        "--detect-every", float, _VIDEOS, "Search the whole frame every so many seconds. What is new is searched at once."
    ),
    "memory": _flag(
        "--max-missed --memory", int, _VIDEOS, "Keep a face of a video covered while at most this many searches in a row miss it."
    ),
    "device": _flag("--device", str, _MODELS, "Run the networks on `cpu`, `cuda`, `cuda:1`, or `auto`: a GPU when there is one."),
    "seed": _flag("--seed", int, _MODELS, "Reproduce an output.", "a fresh one"),
}
_FILES_ALONE = ("keep", "only", "ignore", "also", "plate_model")
#: How a command's own option goes under the heading of videos, without the default that its help names.
VIDEOS: dict[str, Any] = {"rich_help_panel": _VIDEOS, "show_default": False}
#: What `deid run`, `deid live` and `deid dataset` share.
COMMON = tuple(name for name in FLAGS if name not in {"boxes", *_FILES_ALONE})
#: What `deid run` has besides: whom to keep is decided by whole files, and reported.
FILES = (*COMMON, *_FILES_ALONE)
#: What says where faces are searched.
DETECTION = ("detector", "threshold", "min_face", "detect_every_s", "memory", "device", "also", "plate_model")


def _parameter(name: str) -> inspect.Parameter:
    flag, own = FLAGS[name], getattr(Options(), name, None)
    default = flag.default or ("none" if own is None or own == () else str(own))
    option = typer.Option(*flag.names, help=f"{flag.effect} Default: {default}.", rich_help_panel=flag.panel, show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[flag.kind | None, option])


_CONFIG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[Path | None, typer.Option("--config", help="Read options from TOML; flags take precedence. Default: none.")],
)


def with_flags(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of these options and `--config`; it gets their values as one dict, ``given``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
        flags = [_parameter(name) for name in names]

        def called(**values: Any) -> None:
            given = {p.name: values.pop(p.name) for p in (*flags, _CONFIG)}
            command(**values, given=given)

        called.__doc__, called.__name__ = command.__doc__, command.__name__
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        called.__signature__ = inspect.Signature([*keyword, *flags, _CONFIG])  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in (*keyword, *flags, _CONFIG)}
        return called

    return decorate


def options_from(given: Mapping[str, Any], usual: Options | None = None) -> Options:
    """Options of the file that ``config`` names, or the usual ones, with the flags in place of theirs.

    Raises:
        ConfigError: an option has no such value, or two flags contradict each other.
    """
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v is not None}
    file, scale, strength = (values.pop(name, None) for name in ("config", "mask_scale", "strength"))
    options = load(file) if file else usual or Options()
    if scale is not None:
        if "margin" in values:
            raise ConfigError("expected --margin or --mask-scale, got both")
        if scale < 1:
            raise ConfigError(f"expected --mask-scale to be at least 1, got {scale}")
        values["margin"] = (scale - 1) / 2
    options = replace(options, **values)
    if strength is not None:
        if not 0 < strength < float("inf"):
            raise ConfigError(f"expected --strength to be a positive number, got {strength}")
        cells = max(1, round(options.pixelate_cells / strength))
        options = replace(options, blur_radius=options.blur_radius * strength, pixelate_cells=cells)
    for name in (options.cover_image, options.portraits):
        if name and Path(name).exists() and not Path(name).is_file():
            raise ConfigError(f"cannot read {name}: it is no regular file")
    return options
