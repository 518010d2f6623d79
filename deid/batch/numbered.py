"""Pictures of the outputs with each face's box and number, as the report has them. Nothing of the inputs is in them."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from deid.batch import places
from deid.core.errors import ConfigError
from deid.core.types import FaceResult, ImageResult, KeptFace
from deid.imaging import atomic

#: Colour of a box by what became of the face: as requested, covered by fallback, kept on request.
COLOURS = {"passed": (40, 220, 80), "fallback": (255, 190, 0), "kept": (255, 60, 60)}
#: Height of a number and width of a line, as shares of the picture's longer side; and in pixels at least.
_HEIGHT, _WIDTH, _LEAST_HEIGHT, _LEAST_WIDTH = 0.02, 0.003, 12, 2


def folder_of(report: Path) -> Path:
    """Where the pictures of a report go: ``run.faces`` beside ``run.json``."""
    return report.with_name(f"{report.stem}.faces")


def check(folder: Path, inputs: Sequence[Path], out: Path, overwrite: bool) -> None:
    """Refuse a folder that would mix the pictures with others, before anything is loaded.

    Raises:
        ConfigError: it holds inputs or outputs, lies inside an input, or has files that may not be replaced.
    """
    places.check_folder(folder, "the pictures of --debug")
    own = Path(os.path.realpath(folder))
    for path in (*inputs, out):
        if Path(os.path.realpath(path)).is_relative_to(own):
            raise ConfigError(f"cannot write the pictures of --debug to {folder}: {path} is in it")
    for given in inputs:
        if given.is_dir() and own.is_relative_to(os.path.realpath(given)):
            raise ConfigError(f"the pictures of --debug go to {folder}, inside the input {given}; choose a report beside it")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"cannot write the pictures of --debug to {folder}: it has files; pass --overwrite to replace them")


def write(target: Path, frames: Sequence[ImageResult], out: Path, folder: Path) -> None:
    """Write ``NAME.png`` for a picture NAME with faces, and ``NAME.2.png`` and so on for its further frames.

    Args:
        target: the picture's output.
        frames: what was written to it.
        out: the run's output, a folder or a file.
        folder: where the pictures go, with the tree below the output folder.

    Raises:
        ImageWriteError: one cannot be written.
    """
    name = target.relative_to(out) if target != out else Path(out.name)
    for number, frame in enumerate(frames, 1):
        if frame.faces or frame.kept:
            suffix = ".png" if number == 1 else f".{number}.png"
            atomic.write(_png(drawn(frame)), folder / f"{name}{suffix}", overwrite=True)


def drawn(frame: ImageResult) -> PillowImage.Image:
    """A frame of the output with the box and the number of each face."""
    picture = PillowImage.fromarray(frame.image)
    pen, longer = ImageDraw.Draw(picture), max(picture.size)
    font = ImageFont.load_default(max(_LEAST_HEIGHT, round(_HEIGHT * longer)))
    width = max(_LEAST_WIDTH, round(_WIDTH * longer))
    faces: list[FaceResult | KeptFace] = [*frame.faces, *frame.kept]
    for number, face in enumerate(faces, 1):
        _draw(pen, face, str(number), font, width)
    return picture


def _draw(pen: ImageDraw.ImageDraw, face: FaceResult | KeptFace, number: str, font: Any, width: int) -> None:
    """A box, and its number above it; inside where there is no room."""
    colour = COLOURS["kept" if isinstance(face, KeptFace) else face.status]
    x0, y0, x1, y1 = (round(float(v)) for v in face.detection.box_xyxy)
    pen.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=width)
    left, _, right, bottom = pen.textbbox((0, 0), number, font=font)
    x, y = max(0, x0), y0 - (bottom + width)
    y = y if y >= 0 else max(0, y0) + width
    pen.rectangle((x, y, x + right - left + 2 * width, y + bottom), fill=(0, 0, 0))
    pen.text((x + width - left, y), number, fill=colour, font=font)


def _png(picture: PillowImage.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()
