"""A video before and after: exposed faces in any frame, and changes of the file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.check.states import CHANGED_SHARE, UNCHANGED_BELOW
from deid.check.videos import LEAST_SCORE, Sighting, VideoFacts, Watched, facts, longest_run, shown, watch
from deid.core.errors import DataError
from deid.core.protocols import Detector, Embedder
from deid.core.types import Detection, Image
from evaluation import criteria, recognisers
from evaluation.compare import Progress
from evaluation.detectors import second_detector
from evaluation.metrics.bootstrap import mean_interval, share_interval
from evaluation.results import Measure, Results, environment, measure

#: Same, new: the mean distance within a track may be no larger than before it; jitter no more than so many times as large.
_MOST_JITTER = 1.5


def video(
    original: Path,
    output: Path,
    detector: Detector | None = None,
    embedders: Sequence[Embedder] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Results:
    """Measure a video against its original, frame by frame, whatever tool made it.

    Args:
        original: the video before.
        output: the video after.
        detector: detector for the original; SCRFD where available, else dlib's HOG detector.
        embedders: recognisers; all available ones when None.
        seed: of the intervals.
        progress: called after every frame.

    Raises:
        VideoReadError: one of them is no video.
        DataError: they differ in size.
    """
    detector, progress = detector or second_detector(), progress or Progress()
    before, after = facts(original), facts(output)
    if before.size_hw != after.size_hw:
        raise DataError(f"expected {output} to be {shown(before.size_hw)} like its original, got {shown(after.size_hw)}")
    progress.stage("frames", before.n_frames)
    film = watch(original, output, detector, progress.tick)
    embedders = recognisers.load() if embedders is None else list(embedders)
    measures = [
        *_coverage(film.sightings, seed),
        *_utility(film.sightings, detector.name, seed),
        *(m for e in embedders for m in _identity(film.crops, e, seed)),
        *_flicker(film.sightings, seed),
        *_container(before, after, film),
    ]
    settings = {
        "original": original.name,
        "output": output.name,
        "detector": detector.name,
        "least score": LEAST_SCORE,
        "unchanged below, grey levels": UNCHANGED_BELOW,
        "unchanged below, share of the face's contrast": CHANGED_SHARE,
        "facts before": _plain(before),
        "facts after": _plain(after),
    }
    return Results(
        kind="video",
        title=original.name,
        settings=settings,
        environment=environment(),
        measures=tuple(measures),
        problems=tuple(film.problems),
        faces=tuple(_row(s) for s in film.sightings),
    )


def _plain(of: VideoFacts) -> dict[str, Any]:
    return {name: str(getattr(of, name)) for name in VideoFacts.__slots__}


def _row(s: Sighting) -> dict[str, Any]:
    return {
        "frame": s.frame,
        "track": s.track,
        "box_xyxy": s.detection.box_xyxy.round(1).tolist(),
        "score": round(s.detection.score, 3),
        "exposed": s.exposed,
        "change": round(s.change, 2),
        "found again": s.again is not None,
    }


def _coverage(sightings: Sequence[Sighting], seed: int) -> list[Measure]:
    exposed, tracks = [s.exposed for s in sightings], [str(s.track) for s in sightings]
    share = share_interval(exposed, tracks, seed)
    note = f"{sum(exposed)} of {len(exposed)} sightings of {len(set(tracks))} tracks"
    by_track: dict[int, list[int]] = {}
    for s in sightings:
        if s.exposed:
            by_track.setdefault(s.track, []).append(s.frame)
    run = max((longest_run(frames) for frames in by_track.values()), default=0)
    covered = share_interval([not e for e in exposed], tracks, seed)
    return [
        measure("coverage", "exposed", share, criteria.at_most(share.value, 0.0, "none"), better="lower", unit="%", control=1.0, note=note),
        _plain_measure("coverage", "longest exposed run", run, criteria.at_most(run, 0, "none"), better="lower", unit="frames"),
        measure("coverage", "faces under an edit or cover", covered, better="higher", unit="%", control=0.0),
    ]


def _plain_measure(section: str, name: str, value: float, verdict: criteria.Verdict, **more: Any) -> Measure:
    return Measure(section=section, name=name, value=value, limit=verdict.limit, passed=verdict.passed, **more)


def _utility(sightings: Sequence[Sighting], detector: str, seed: int) -> list[Measure]:
    share = share_interval([s.again is not None for s in sightings], [str(s.track) for s in sightings], seed)
    more: dict[str, Any] = {"better": "higher", "unit": "%", "recogniser": detector, "control": 1.0, "note": "found again in the output"}
    return [measure("utility", "recall", share, **more)]


def _identity(crops: dict[int, list[tuple[Image, Image, Image]]], embedder: Embedder, seed: int) -> list[Measure]:
    """How far the frames of a track lie apart, before and after, and how far the output lies from the original."""
    within_before, within_after, moved, names = [], [], [], []
    for track, pairs in crops.items():
        if len(pairs) < 2:
            continue
        before, after = (embedder.embed(np.stack([crops[k] for crops in pairs])) for k in (0, 1))
        within_before.append(_spread(before))
        within_after.append(_spread(after))
        moved.append(float(np.linalg.norm(before - after, axis=1).mean()))
        names.append(str(track))
    values = [mean_interval(v, names, seed) for v in (within_before, within_after, moved)]
    limit = criteria.at_most(values[1].value, values[0].value, "no larger than before")
    return [
        measure("identity", "distance within a track", values[1], limit, better="lower", recogniser=embedder.name, control=values[0].value),
        measure(
            "identity",
            "distance before to after",
            values[2],
            better="higher",
            recogniser=embedder.name,
            control=0.0,
            note=f"taken for one person under {embedder.threshold:g}",
        ),
    ]


def _spread(rows: NDArray[np.float32]) -> float:
    """Mean distance of all pairs of rows (N, D)."""
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    return float(distances[np.triu_indices(len(rows), 1)].mean())


def _flicker(sightings: Sequence[Sighting], seed: int) -> list[Measure]:
    """Jitter: how far a frame lies from the middle between its two neighbours."""
    by_track: dict[int, dict[int, Sighting]] = {}
    for s in sightings:
        by_track.setdefault(s.track, {})[s.frame] = s
    triples = [(track[i - 1], track[i], track[i + 1]) for track in by_track.values() for i in track if i - 1 in track and i + 1 in track]
    found = [t for t in triples if all(_has_marks(s.detection) and _has_marks(s.again) for s in t)]
    marks = [
        (
            _jitter([s.detection.landmarks for s in t]) / t[1].detection.size,
            _jitter([s.again.landmarks if s.again else None for s in t]) / t[1].detection.size,
            str(t[1].track),
        )
        for t in found
    ]
    colours = [(_jitter([s.colour_before for s in t]), _jitter([s.colour_after for s in t]), str(t[1].track)) for t in triples]
    return [
        *_jitter_lines("landmark jitter", marks, "%", seed, "of the face's size; frames in which the face is found again"),
        *_jitter_lines("colour jitter", colours, "", seed, "grey levels of the middle of the face"),
    ]


def _has_marks(detection: Detection | None) -> bool:
    return detection is not None and detection.landmarks is not None


def _jitter(points: Sequence[Any]) -> float:
    a, b, c = (np.asarray(p, np.float64) for p in points)
    return float(np.linalg.norm(np.atleast_2d(b - (a + c) / 2), axis=-1).mean())


def _jitter_lines(name: str, rows: Sequence[tuple[float, float, str]], unit: str, seed: int, note: str) -> list[Measure]:
    names = [r[2] for r in rows]
    before, after = (mean_interval([r[k] for r in rows], names, seed) for k in (0, 1))
    ratio = after.value / before.value if rows and before.value > 0 else math.nan
    limit = criteria.at_most(ratio, _MOST_JITTER, f"at most {_MOST_JITTER:g} times the original's")
    said = f"{ratio:.2f} times the original's; {note}"
    return [measure("flicker", name, after, limit, better="lower", unit=unit, control=before.value, note=said)]


def _container(before: VideoFacts, after: VideoFacts, film: Watched) -> list[Measure]:
    """Whether the file is as it was but for the faces: 1 for yes, 0 for no."""
    checks = {
        "same number of frames": (film.n_frames[0] == film.n_frames[1], f"{film.n_frames[0]} and {film.n_frames[1]}"),
        "same times": (film.same_times, "of every frame, to the millisecond"),
        "same duration": (abs(before.duration_s - after.duration_s) < 0.5 / float(before.rate or 25), f"{after.duration_s:.3f} s"),
        "same rate": (before.rate == after.rate, f"{float(before.rate):.3f} and {float(after.rate):.3f} frames/s"),
        "same sound, bit for bit": (before.audio == after.audio, f"{len(before.audio)} and {len(after.audio)} streams"),
        "no other streams": (after.streams == 0, f"{before.streams} before"),
        "no metadata": (not after.tags, ", ".join(after.tags)),
    }
    return [
        _plain_measure("container", name, float(good), criteria.at_least(float(good), 1, "yes"), better="higher", note=note)
        for name, (good, note) in checks.items()
    ]
