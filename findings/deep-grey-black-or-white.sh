#!/bin/sh
# 12-bit grey pictures become nearly black in OpenCV and nearly white in Pillow: little is left for a detector to see.
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
from PIL import Image

print("OpenCV", cv2.__version__, "Pillow", PIL.__version__)
# A camera's 12 bits in a 16-bit PNG: all levels from 0 to 4095.
levels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
out = io.BytesIO()
Image.fromarray(levels).save(out, "PNG")
by_opencv = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
by_pillow = np.asarray(Image.open(io.BytesIO(out.getvalue())).convert("L"))
white = float((by_pillow == 255).mean())
print(f"OpenCV, IMREAD_GRAYSCALE: levels {by_opencv.min()} to {by_opencv.max()} of 255")
print(f"Pillow, convert('L'):     {white:.1%} of the pixels are 255")
if by_opencv.max() != 15 or white < 0.9:
    sys.exit("CHANGED: one of them looks at the range that is used now")
print("REPRODUCED: one keeps the upper 8 of 16 bits, the other clips at 255")
PYTHON
