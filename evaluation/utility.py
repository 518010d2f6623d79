"""Utility of the output: detection, expression, gender, and changes outside faces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.faces import Face, PhotoResult
from evaluation.metrics.bootstrap import mean_interval, share_interval
from evaluation.privacy import groups_of
from evaluation.results import Measure, measure

#: Landmarks that moved by less than this share of the eyes' distance count as in place (300-W's failure limit).
_IN_PLACE = 0.10


def detection_lines(photos: Sequence[PhotoResult], seed: int) -> list[Measure]:
    """Recall, precision, overlap and landmarks of each detector, its own faces of the untouched photos being the truth."""
    lines: list[Measure] = []
    for k, name in enumerate([t.detector for t in photos[0].tallies] if photos else []):
        tallies = [p.tallies[k] for p in photos]
        before, owner = _flat([t.iou_before for t in tallies], photos)
        after, owner_after = _flat([t.iou_after for t in tallies], photos)
        error, _ = _flat([t.error for t in tallies], photos)
        common: dict[str, Any] = {"recogniser": name, "better": "higher", "unit": "%", "control": 1.0}
        lines += [
            measure(
                "utility", "recall", share_interval(before > 0, owner, seed), note="faces before that are found after, IoU >= 0.5", **common
            ),
            measure(
                "utility", "precision", share_interval(after > 0, owner_after, seed), note="faces after that were there before", **common
            ),
            measure("utility", "IoU, missed faces as 0", mean_interval(before, owner, seed), **common),
            measure(
                "utility",
                "IoU change of found faces",
                mean_interval(before[before > 0] - 1, _some(owner, before > 0), seed),
                **(common | {"control": 0.0}),
            ),
        ]
        if not np.isnan(error).all():
            lines += _landmark_lines(name, error, owner, seed)
    return lines


def _landmark_lines(detector: str, error: NDArray[np.float64], owner: list[str], seed: int) -> list[Measure]:
    found = np.isfinite(error)
    note = f"within {_IN_PLACE:g} of the eyes' distance; missed faces count as lost"
    in_place = measure(
        "utility",
        "landmarks in place",
        share_interval(error < _IN_PLACE, owner, seed),
        recogniser=detector,
        better="higher",
        unit="%",
        control=1.0,
        note=note,
    )
    mean = mean_interval(error[found], _some(owner, found), seed)
    return [
        in_place,
        measure("utility", "landmark error of found faces", mean, recogniser=detector, better="lower", unit="IOD", control=0.0),
    ]


def _flat(values: Sequence[NDArray[np.float64]], photos: Sequence[PhotoResult]) -> tuple[NDArray[np.float64], list[str]]:
    owner = [p.identity for p, v in zip(photos, values, strict=True) for _ in v]
    return np.concatenate([*values, np.zeros(0)]), owner


def _some(names: list[str], mask: NDArray[np.bool_]) -> list[str]:
    return [name for name, keep in zip(names, mask, strict=True) if keep]


def expression_lines(faces: Sequence[Face], seed: int) -> list[Measure]:
    """Whether either detector finds each face after, by group; head pose and mouth of those that are found."""
    people = [f.identity for f in faces]
    found = np.array([f.found_after for f in faces], bool)
    lines = []
    for group, mask in groups_of(faces).items():
        share = share_interval(found[mask], _some(people, mask), seed)
        lines.append(measure("utility", "found by either detector", share, better="higher", unit="%", group=group, control=1.0))
    for name, unit, values in (
        ("head pose change", "deg", np.array([f.pose_change_deg for f in faces])),
        ("mouth opening change", "eye widths", np.array([f.mouth_change for f in faces])),
    ):
        known = np.isfinite(values)
        note = f"of the {int(known.sum())} faces that are found after, of {len(faces)}"
        lines.append(
            measure(
                "utility", name, mean_interval(values[known], _some(people, known), seed), better="lower", unit=unit, control=0.0, note=note
            )
        )
    return lines


def gender_lines(faces: Sequence[Face], male_before: NDArray[np.float64], male_after: NDArray[np.float64], seed: int) -> list[Measure]:
    """Share of faces that the attribute classifier gives the same gender before and after; missed faces disagree."""
    found = np.array([f.found_after for f in faces], bool)
    agree = ((male_before > 0.5) == (male_after > 0.5)) & found
    lines = []
    for group, mask in groups_of(faces).items():
        share = share_interval(agree[mask], _some([f.identity for f in faces], mask), seed)
        note = "faces that no detector finds after count as not agreed"
        lines.append(measure("utility", "gender agreement", share, better="higher", unit="%", group=group, control=1.0, note=note))
    return lines


def outside_lines(photos: Sequence[PhotoResult], seed: int) -> list[Measure]:
    """Change outside the faces, apart for files that keep pixels: there it must be 0."""
    lines = []
    for lossless, kind in ((True, "lossless files"), (False, "lossy files")):
        some = [p for p in photos if p.lossless == lossless and np.isfinite(p.outside_change)]
        if not some:
            continue
        owner = [p.identity for p in some]
        mean = mean_interval([p.outside_change for p in some], owner, seed)
        share = mean_interval([p.outside_changed for p in some], owner, seed)
        note = "must be 0" if lossless else "compression alone changes pixels"
        lines.append(measure("utility", f"change outside faces, {kind}", mean, better="lower", unit="levels", control=0.0, note=note))
        lines.append(measure("utility", f"pixels changed outside faces, {kind}", share, better="lower", unit="%", control=0.0, note=note))
    return lines
