"""A second recogniser, of another family than dlib's and trained on other photos: it sees what dlib's misses."""

import numpy as np

from deid.recognition.warped import WarpedEmbedder

#: Side of the network's input, which shows the middle 96 px of an aligned crop. It was trained at 224 px; at 160 it is as sure, at 128 it
#: is not.
INPUT, _SHOWN = 160, 96
_TIMES = INPUT / _SHOWN
_CROP_TO_INPUT = np.array([[_TIMES, 0.0, INPUT / 2 - 64 * _TIMES], [0.0, _TIMES, INPUT / 2 - 72 * _TIMES]])


class MobileNetEmbedder(WarpedEmbedder):
    """The 1024-d descriptor of a MobileNet trained on VGGFace2, scaled to unit norm."""

    name, threshold = "mobilenet", 0.876
    matrix, side, width = _CROP_TO_INPUT, INPUT, 1024
