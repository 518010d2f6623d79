"""dlib's face recogniser, batched and several times faster than dlib's own path.

The weights are read from the file in the `face_recognition_models` package; no converted copy is made.
"""

import numpy as np

from deid.models.dlib_file import CHIP_SIZE
from deid.recognition.warped import WarpedEmbedder

#: From pixels of an aligned crop to pixels of dlib's 150 px chip: least squares over the LFW photos of both alignments.
CROP_TO_CHIP = np.array([[1.509, 0.0, -21.3], [0.0, 1.509, -39.2]])


class DlibResNetEmbedder(WarpedEmbedder):
    """dlib's 128-d descriptor, scaled to unit norm."""

    name, threshold = "dlib_resnet", 0.384
    matrix, side, width = CROP_TO_CHIP, CHIP_SIZE, 128
