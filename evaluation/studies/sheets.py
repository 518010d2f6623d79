"""Numbered sheets of crops for a reader, in their size and enlarged."""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from deid.core.types import Image

#: Side of a crop as shown, and how many times it is enlarged.
SIDE, ENLARGED = 256, 3
#: A strip at the left of every crop holds its number, and hides nothing of it. An enlarged sheet is 1568 px wide, as much as many
#: viewers show without shrinking it.
_STRIP, _FONT = 16, 11
#: Columns and rows of a sheet as shown and of an enlarged one.
_GRIDS = {"shown": (1, (4, 3)), "enlarged": (ENLARGED, (2, 2))}
_TASK = """Some of these pictures are untouched photographs. In the others the face was replaced by a computer.
Each has its number at its left. Write into answers.csv, for every number, real or new as the answer, and for new what gives it away as
the reason: a few words, the same words for the same fault; several are parted by semicolons.
The folder "shown" has the pictures as they are, "enlarged" has them three times as large: answer for one of the two, then for the other.
"""


def write(crops: Sequence[Image], folder: Path) -> None:
    """Write crops (256, 256, 3) into ``folder/shown`` and ``folder/enlarged``, with a task and a table for the answers."""
    for name, (factor, (across, down)) in _GRIDS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for start in range(0, len(crops), across * down):
            part = crops[start : start + across * down]
            page = sheet([enlarged(crop, factor) for crop in part], start + 1, across)
            PillowImage.fromarray(page).save(folder / name / f"{start + 1:03d}-{start + len(part):03d}.png")
    (folder / "task.txt").write_text(_TASK)
    with (folder / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("number", "answer", "reason"), *((n, "", "") for n in range(1, len(crops) + 1))])


def enlarged(crop: Image, factor: int) -> Image:
    """A crop enlarged by a factor, every kind of crop by the same smooth interpolation."""
    size = (crop.shape[1] * factor, crop.shape[0] * factor)
    return crop if factor == 1 else np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def sheet(crops: Sequence[Image], first: int, across: int) -> Image:
    """Crops (S, S, 3) in rows, each with its number at its left, counted from ``first``."""
    side = len(crops[0])
    down = -(-len(crops) // across)
    page = PillowImage.new("RGB", (across * (side + _STRIP), down * side), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_FONT)
    for i, crop in enumerate(crops):
        x, y = (i % across) * (side + _STRIP), (i // across) * side
        pen.text((x + 2, y + 4), str(first + i), fill="black", font=font)
        page.paste(PillowImage.fromarray(crop), (x + _STRIP, y))
    return np.asarray(page)
