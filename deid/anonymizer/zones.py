"""Zones of a picture in which faces are left as they are: boxes and masks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import ConfigError, DataError
from deid.core.types import Detection
from deid.imaging import codec, geometry
from deid.imaging.frame import luma

_NUMBER = r"\s*-?\d+(?:\.\d+)?\s*"
_BOX = re.compile(rf"{_NUMBER}(?:,{_NUMBER}){{3}}")
#: So much of a face's box must lie in the zones: what reaches out of them may be somebody else.
_LEAST_INSIDE = 0.95


@dataclass(frozen=True, slots=True)
class Zones:
    """Zones in which faces are kept.

    Args:
        boxes: (x0, y0, x1, y1) in pixels, or in shares of the picture where no number is over 1.
        masks: pictures that are white there: a file for all inputs, or a folder with one of the same name for each input.
    """

    boxes: tuple[tuple[float, float, float, float], ...] = ()
    masks: tuple[Path, ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "Zones":
        """Zones of the option `ignore`: boxes as ``x0,y0,x1,y1``, masks as files and folders.

        Raises:
            ConfigError: an entry is neither, or its box is empty.
        """
        boxes, masks = list[tuple[float, float, float, float]](), list[Path]()
        for entry in entries:
            if _BOX.fullmatch(entry):
                x0, y0, x1, y1 = (float(v) for v in entry.split(","))
                if x1 <= x0 or y1 <= y0:
                    raise ConfigError(f"expected a zone x0,y0,x1,y1 with x0 < x1 and y0 < y1, got {entry}")
                boxes.append((x0, y0, x1, y1))
            elif Path(entry).exists():
                masks.append(Path(entry))
            else:
                raise ConfigError(f"expected a zone x0,y0,x1,y1, a mask, or a folder of masks, got {entry}")
        return cls(tuple(boxes), tuple(masks))

    def area(self, size_hw: tuple[int, int], name: str = "") -> NDArray[np.bool_]:
        """(H, W), where faces of the file of that name are left as they are.

        Raises:
            DataError: a mask is of another size, or none.
        """
        area = np.zeros(size_hw, bool)
        for box in self.boxes:
            scale = np.tile(size_hw[::-1], 2) if max(box) <= 1 else np.ones(4)
            # Inward: a pixel that a zone touches at its edge is no part of it.
            x0, y0, x1, y1 = np.concatenate([np.ceil(np.array(box[:2]) * scale[:2]), np.floor(np.array(box[2:]) * scale[2:])]).astype(int)
            area[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        for path in self.masks:
            file = _mask_of(path, name)
            if file is not None:
                area |= _read(file, size_hw)
        return area


def holds(area: NDArray[np.bool_], detection: Detection) -> bool:
    """Whether a face lies in an area (H, W), but for a little of its edge."""
    here = area[geometry.box_to_slices(detection.box_xyxy, area.shape)]
    return bool(here.size and here.mean() >= _LEAST_INSIDE)


def _mask_of(path: Path, name: str) -> Path | None:
    """A mask of all inputs, or the one of an input's name in a folder, whatever its suffix; None where it has none."""
    if not path.is_dir():
        return path
    place = path / name
    own = [p for p in sorted(place.parent.glob("*")) if p.is_file() and p.stem == place.stem] if name else []
    if len(own) > 1:
        raise DataError(f"expected one mask for {name} in {path}, found {', '.join(p.name for p in own)}")
    return own[0] if own else None


def _read(path: Path, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    mask = _white(path)
    if mask.shape != size_hw:
        sizes = [f"{w} x {h}" for h, w in (mask.shape, size_hw)]
        raise DataError(f"the mask {path} is of {sizes[0]} pixels, the picture of {sizes[1]}")
    return mask


@lru_cache(maxsize=8)
def _white(path: Path) -> NDArray[np.bool_]:
    return np.asarray(luma(codec.read(path).frames[0].rgb) >= 128)
