"""The template of an aligned crop: its side, and where the five landmarks lie in it."""

import numpy as np

SIZE = 128
#: Largest crop, as a multiple of the small one: a face with its surroundings over 512 px is edited at 512.
MOST_TIMES = 4
#: Where the five landmarks lie in the crop: the eyes 36 px apart about (64, 56); nose and mouth at the mean of LFW.
TEMPLATE = np.array([[46.0, 56.0], [82.0, 56.0], [64.0, 77.0], [49.0, 96.5], [79.0, 96.5]])
#: Landmarks of a mean face in its detection box, as shares of the box: for boxes that come without landmarks.
BOX_LANDMARKS = np.array([[0.31, 0.40], [0.69, 0.40], [0.50, 0.60], [0.35, 0.79], [0.66, 0.79]])
