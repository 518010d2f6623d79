"""Runs a data set with an engine that needs no models: `python drive.py INPUT OUT [WORKERS] [ENGINE] [--resume]`.

A script of its own, so that worker processes can import what it defines, and so that it can be killed.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from deid.core.options import Options
from deid.core.types import Detection, Distance, FaceResult, Image, ImageResult, Verification
from deid.dataset.run import Plan, run


class FastEngine:
    """Inverts pictures and marks them with their seed; every picture has one face, or the ones that are given.

    A picture whose first pixel is pure green kills its worker; one that is pure blue does so once.

    Args:
        once: the file that remembers it.
        slow_s: how long a picture takes.
        boxes: whether a table's boxes are all, see `Options`.
    """

    def __init__(self, once: str = "", slow_s: float = 0.0, boxes: str = "also") -> None:
        self.options = Options(method="solid", boxes=boxes)
        self._once, self._slow_s = Path(once), slow_s
        self.detector = self

    def detect(self, image: Image) -> list[Detection]:
        return [Detection(np.array([1.0, 1.0, 9.0, 9.0]))]

    def process(self, image: Image, detections: list[Detection] | None = None, seed: int | None = None) -> ImageResult:
        assert seed is not None
        self._meet_trap(image)
        time.sleep(self._slow_s)
        out = 255 - image
        out[-1, -1] = seed % 251
        boxes = detections or [Detection(np.array([1.0, 1.0, 9.0, 9.0]))]
        check = Verification((Distance("fake", 0.5, 0.4),), True, 0.9, 0.5, 0.5, None)
        return ImageResult(out, tuple(FaceResult(box, "solid", "passed", check, {}, 1.0, seed) for box in boxes), seed)

    def _meet_trap(self, image: Image) -> None:
        first = tuple(int(v) for v in image[0, 0])
        if first == (0, 255, 0):
            os.kill(os.getpid(), 9)
        if first == (0, 0, 255) and not self._once.exists():
            self._once.touch()
            os.kill(os.getpid(), 9)


class Unfit:
    """An engine whose models are missing."""

    def __init__(self) -> None:
        raise FileNotFoundError("no such model")


if __name__ == "__main__":
    flags = [a for a in sys.argv[1:] if a.startswith("--")]
    given, out, *rest = [a for a in sys.argv[1:] if not a.startswith("--")]
    workers, engine = (rest + ["1", "local"][len(rest) :])[:2]
    # A cluster's workers don't have this process's environment.
    fast = partial(FastEngine, os.environ.get("ONCE", ""), float(os.environ.get("SLOW", "0")))
    plan = Plan(
        given=given,
        out=Path(out),
        options=Options(method="solid", seed=7),
        workers=int(workers),
        engine=engine,
        address=os.environ.get("CLUSTER"),
        resume="--resume" in flags,
        make_engine=Unfit if "--unfit" in flags else fast,
    )
    totals = run(plan)
    print(totals)
    sys.exit(bool(totals.failed))
