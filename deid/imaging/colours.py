"""The meaning of a file's colours: a profile of standard tags, or one to convert the pixels from."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms

from deid.imaging import icc
from deid.imaging.modes import GREY_MODES


@dataclass(frozen=True, slots=True)
class Colours:
    """What a file's colours mean: a profile of standard tags, or one to convert the pixels from."""

    profile: bytes | None = None
    convert: bytes | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: PillowImage.Image, file_format: str) -> "Colours":
        given, mode = source.info.get("icc_profile"), source.mode
        if not isinstance(given, bytes) or not given:
            return cls()
        # A profile describes the colour model it came with: none of CMYK's or Lab's fits the RGB that is written.
        model = b"GRAY" if mode in GREY_MODES else b"RGB "
        if icc.model_of(given) != model or mode in {"CMYK", "LAB", "HSV"} or (mode == "YCbCr" and file_format != "JPEG"):
            return cls(notes=("colour profile of another colour model left out",))
        profile = icc.standard(given)
        if profile is not None:
            return cls(profile)
        return cls(convert=given if model == b"RGB " else None, notes=("colour profile of tables left out",))

    def applied(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels (H, W, 3) in sRGB, where their profile is none that can be written."""
        if self.convert is None:
            return rgb
        try:
            given, wanted = ImageCms.ImageCmsProfile(io.BytesIO(self.convert)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(PillowImage.fromarray(rgb), given, wanted)
        except (ImageCms.PyCMSError, OSError):
            return rgb
        return rgb if converted is None else np.array(converted)
