"""The engines of a data set's workers, built in their own processes."""

import cv2

from deid.anonymizer.engine import Anonymizer
from deid.core.options import Options
from deid.models.threads import use_threads


def build_engine(options: Options) -> Anonymizer:
    """An engine with its models loaded, for one of several processes.

    One thread each: as many processes as cores then don't fight, and the outputs don't depend on how many there are.
    """
    use_threads(1)
    cv2.setNumThreads(1)
    engine = Anonymizer(options)
    engine.preload()
    return engine


def build_looker(options: Options) -> Anonymizer:
    """An engine of which only the detector is used."""
    return Anonymizer(options)
