"""Realism of the output's faces as a set, against the untouched photos."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import crops_of
from evaluation.close import LEAST_PX
from evaluation.faces import Face
from evaluation.features import Features, load_wide
from evaluation.metrics.bootstrap import Interval, share_interval
from evaluation.metrics.realism import fid, kid, paired_kid
from evaluation.results import Measure, measure

_RESAMPLES = 40
#: Fewer faces than this say nothing about a distribution.
_LEAST = 20
#: More faces than this make the close look slow and its interval no narrower than what matters.
_MOST = 500
#: Detail of a new face, as a multiple of what its surroundings ask for, that nobody notices.
_FITS = (0.8, 1.2)
_KID_WIDE = "KID x 1000 at 256 px"


def realism_lines(faces: Sequence[Face], features: Features, seed: int) -> list[Measure]:
    """FID and KID of aligned crops; the control is one half of the untouched faces against the other."""
    if len(faces) < _LEAST:
        note = f"not measured: {len(faces)} faces, {_LEAST} are needed"
        return [Measure(section="realism", name=name, value=float("nan"), n=len(faces), note=note) for name in ("FID", "KID x 1000")]
    before, after = features.compute(crops_of(faces, "before")), features.compute(crops_of(faces, "after"))
    people = np.array([f.identity for f in faces])
    halves = np.random.default_rng(seed).permutation(len(faces))
    a, b = before[halves[::2]], before[halves[1::2]]
    lines = []
    for name, metric, scale in (("FID", fid, 1.0), ("KID x 1000", kid, 1000.0)):
        low, high = _interval(metric, before, after, people, seed)
        interval = Interval(scale * metric(before, after), scale * low, scale * high, len(faces), len(set(people)))
        note = f"features: {features.name}; control: two halves of the untouched faces"
        lines.append(measure("realism", name, interval, better="lower", control=scale * metric(a, b), note=note))
    return lines


def close_lines(faces: Sequence[Face], seed: int, load: Callable[[], Features] = load_wide) -> list[Measure]:
    """KID at 256 px and detail inside the face, of the faces that are large enough for a close look."""
    looked = [(f, f.close) for f in faces if f.close is not None]
    people = [f.identity for f, _ in looked]
    lines = _detail_lines(np.array([c.detail for _, c in looked], np.float64), people, seed)
    if len(looked) < _LEAST:
        note = f"not measured: {len(looked)} faces of {LEAST_PX:g} px and more, {_LEAST} are needed"
        return [Measure(section="realism", name=_KID_WIDE, value=float("nan"), n=len(looked), note=note), *lines]
    some = np.random.default_rng(seed).permutation(len(looked))[:_MOST]
    features, names = load(), np.array(people)[some]
    before, after = (features.compute(np.stack([getattr(looked[i][1], side) for i in some])) for side in ("before", "after"))
    low, high = _interval(paired_kid, before, after, names, seed)
    interval = Interval(1000 * paired_kid(before, after), 1000 * low, 1000 * high, len(some), len(set(names)))
    note = f"faces of {LEAST_PX:g} px and more; features: {features.name}; only values on the same photos and features compare"
    return [measure("realism", _KID_WIDE, interval, better="lower", control=0.0, note=note), *lines]


def _detail_lines(ratios: NDArray[np.float64], people: Sequence[str], seed: int) -> list[Measure]:
    """How many new faces fit the sharpness of their photo, and the median; a face whose detail cannot be measured does not fit."""
    fits = (ratios >= _FITS[0]) & (ratios <= _FITS[1])
    known = ratios[np.isfinite(ratios)]
    note = f"{_FITS[0]:g} to {_FITS[1]:g} times the detail of the photo's own face, over that of the surroundings; {LEAST_PX:g} px and more"
    share = share_interval(fits, people, seed)
    middle = float(np.median(known)) if len(known) else float("nan")
    said = "1 is the untouched photo; less is softer"
    return [
        measure("realism", "detail inside the face fits", share, better="higher", unit="%", control=1.0, note=note),
        Measure(section="realism", name="detail inside the face, median", value=middle, n=len(known), control=1.0, note=said),
    ]


def _interval(
    metric: object, before: NDArray[np.float64], after: NDArray[np.float64], people: NDArray[np.str_], seed: int
) -> tuple[float, float]:
    """Spread over halves of the people, scaled to all of them.

    Drawing with replacement would put equal faces into a set, which FID and KID read as a difference.
    """
    assert callable(metric)
    rng, names, values = np.random.default_rng(seed), np.unique(people), []
    for _ in range(_RESAMPLES):
        some = np.isin(people, rng.permutation(names)[: max(2, len(names) // 2)])
        values.append(metric(before[some], after[some]))
    centre, spread = metric(before, after), 1.96 * float(np.std(values)) / np.sqrt(2)
    return centre - spread, centre + spread
