#!/bin/sh
# The orientation in EXIF is applied to some formats and not to others: boxes fit one library's picture and not the other's.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==4.12.0.88 pillow==13.0.0 numpy==2.2.6
cd "$dir"
venv/bin/python - <<'PYTHON'
import io
import sys

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps

LYING = Image.Exif()
LYING[0x0112] = 6


def sizes(kind: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of a 60 x 40 photo with orientation 6, as OpenCV reads it, and upright by Pillow."""
    out = io.BytesIO()
    Image.new("RGB", (60, 40), (200, 90, 60)).save(out, kind, exif=LYING)
    read = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    return (read.shape[1], read.shape[0]), ImageOps.exif_transpose(Image.open(io.BytesIO(out.getvalue()))).size


print("OpenCV", cv2.__version__, "Pillow", PIL.__version__)
turned = {}
for kind in ("JPEG", "PNG", "TIFF", "WEBP", "AVIF"):
    by_opencv, upright = sizes(kind)
    turned[kind] = by_opencv == upright
    print(f"{kind:5} OpenCV reads {by_opencv}, upright is {upright}: {'turned' if turned[kind] else 'NOT turned'}")
if turned != {"JPEG": True, "PNG": True, "TIFF": True, "WEBP": False, "AVIF": False}:
    sys.exit("CHANGED: OpenCV turns other formats now (5.0.0 turns WebP)")
print("REPRODUCED: IMREAD_COLOR turns JPEG, PNG and TIFF, and leaves WebP and AVIF lying")
PYTHON
