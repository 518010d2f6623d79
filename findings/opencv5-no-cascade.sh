#!/bin/sh
# OpenCV 5 has no CascadeClassifier: the Haar detector of countless face pipelines is gone, its folder is empty.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
cd "$dir"
for version in 4.12.0.88 5.0.0.93; do
    venv/bin/pip install --quiet --disable-pip-version-check "opencv-python-headless==$version"
    venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import cv2

has, files = hasattr(cv2, "CascadeClassifier"), len(list(Path(cv2.data.haarcascades).glob("haarcascade_frontalface*.xml")))
print(f"OpenCV {cv2.__version__}: CascadeClassifier {has}, frontal face cascades {files}, FaceDetectorYN {hasattr(cv2, 'FaceDetectorYN')}")
old = cv2.__version__.startswith("4.")
if has != old or bool(files) != old:
    sys.exit("CHANGED: version 5 has it again, or version 4 has not")
PYTHON
done
echo "REPRODUCED: pin opencv-python-headless below 5, or move to FaceDetectorYN"
