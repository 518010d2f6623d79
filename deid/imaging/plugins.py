"""The formats that Pillow reads here, HEIC among them where `pillow-heif` is installed."""

import importlib.util
from functools import cache

from PIL import Image as PillowImage

#: Formats that Pillow knows by name and opens for nobody.
_STUBS = {"BUFR", "GRIB", "HDF5"}


@cache
def register() -> None:
    """Let Pillow read HEIC where `pillow-heif` is installed, without the pictures that such a file holds besides."""
    if importlib.util.find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def suffixes() -> set[str]:
    """Suffixes of the pictures that can be read, lower case, with the dot."""
    PillowImage.init()
    register()
    # Pillow opens an MPO as the JPEG that it begins with.
    readable = {*PillowImage.OPEN, "MPO"} - _STUBS
    return {suffix for suffix, name in PillowImage.registered_extensions().items() if name in readable}
