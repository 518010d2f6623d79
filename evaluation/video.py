"""A film before and after: whether any face shows in any frame, and whether the film is still the same one."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.core.errors import DataError
from deid.core.protocols import Detector, Embedder
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.imaging.alignment import align_matrix, warp
from deid.video.decode import Reader
from deid.video.library import pyav
from deid.video.track import Tracker
from evaluation import criteria, recognisers
from evaluation.compare import Progress
from evaluation.coverage import UNCHANGED_BELOW
from evaluation.detectors import second_detector
from evaluation.folders import Problem
from evaluation.metrics.bootstrap import mean_interval, share_interval
from evaluation.results import Measure, Results, environment, measure

#: A face of the original counts from this score.
LEAST_SCORE = 0.5
#: The middle of a face: so much of its box.
_MIDDLE = 0.6
#: In the dark all changes are small: a change of this share of the face's own contrast hides it too. Untouched frames, encoded
#: anew at the quality that `deid` writes, change by less than 0.2 of it.
_CHANGED_SHARE = 0.3
#: So many crops of a track, spread over it, stand for it where identity is measured, each of at least so many pixels.
_CROPS, _LEAST_CROP = 8, 32.0
#: Same, new: the mean distance within a track may be no larger than before it; jitter no more than so many times as large.
_MOST_JITTER = 1.5
_SAME_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A face of the original in one frame, and what the output shows in its place.

    Args:
        frame: index.
        track: which face of the film it is.
        detection: as the detector finds it in the original.
        exposed: whether it shows.
        change: mean change of the middle in grey levels.
        again: the face that the detector finds in its place in the output, or None.
        colour_before: mean colour of the middle in the original.
        colour_after: the same in the output.
    """

    frame: int
    track: int
    detection: Detection
    exposed: bool
    change: float
    again: Detection | None
    colour_before: NDArray[np.float64]
    colour_after: NDArray[np.float64]


@dataclass(slots=True, eq=False)
class _Film:
    """All that is gathered while two films run side by side."""

    sightings: list[Sighting] = field(default_factory=list)
    crops: dict[int, list[tuple[Image, Image]]] = field(default_factory=dict)
    n_frames: tuple[int, int] = (0, 0)
    same_times: bool = True
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a player shows of a file.

    Args:
        size_hw: of the frames, upright.
        n_frames: in the header; 0 when it does not say.
        duration_s: of the video stream.
        rate: mean frames per second.
        audio: codec and sha256 of the packets of every sound stream, in order.
        streams: number of streams of other kinds.
        tags: metadata of the container, but for what its format demands.
    """

    size_hw: tuple[int, int]
    n_frames: int
    duration_s: float
    rate: Fraction
    audio: tuple[str, ...]
    streams: int
    tags: tuple[str, ...]


def facts(path: Path) -> VideoFacts:
    """Facts of a file, as FFmpeg's demuxer tells them.

    Raises:
        VideoReadError: it is no film.
    """
    with Reader(path) as film:
        size_hw = film.info.size_hw
    with pyav().open(f"file:{path}") as container:
        stream = container.streams.video[0]
        ticks = stream.duration * stream.time_base if stream.duration else Fraction(container.duration or 0, 1_000_000)
        known = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
        return VideoFacts(
            size_hw=size_hw,
            n_frames=stream.frames,
            duration_s=float(ticks),
            rate=Fraction(stream.average_rate or 0),
            audio=tuple(f"{s.codec_context.name} {_sound_hash(path, i)}" for i, s in enumerate(container.streams.audio)),
            streams=len(container.streams) - len(container.streams.audio) - 1,
            tags=tuple(sorted(k for k in container.metadata if k.lower() not in known)),
        )


def _sound_hash(path: Path, number: int) -> str:
    digest = hashlib.sha256()
    with pyav().open(f"file:{path}") as container:
        for packet in container.demux(container.streams.audio[number]):
            digest.update(bytes(packet))
    return digest.hexdigest()


def video(
    original: Path,
    output: Path,
    detector: Detector | None = None,
    embedders: Sequence[Embedder] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Results:
    """Measure a film against its original, frame by frame, whatever tool made it.

    Args:
        original: the film before.
        output: the film after.
        detector: says where the faces of the original are; SCRFD when it is at hand, else dlib's HOG detector.
        embedders: measure identity; all that are at hand when None.
        seed: of the intervals.
        progress: told of every frame.

    Raises:
        VideoReadError: one of them is no film.
        DataError: they differ in size.
    """
    detector, progress = detector or second_detector(), progress or Progress()
    before, after = facts(original), facts(output)
    if before.size_hw != after.size_hw:
        raise DataError(f"expected {output} to be {_size(before)} like its original, got {_size(after)}")
    progress.stage("frames", before.n_frames)
    film = _watch(original, output, detector, progress)
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
        "unchanged below, share of the face's contrast": _CHANGED_SHARE,
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


def _size(of: VideoFacts) -> str:
    return f"{of.size_hw[1]} x {of.size_hw[0]}"


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


def _watch(original: Path, output: Path, detector: Detector, progress: Progress) -> _Film:
    """Both films side by side."""
    film, tracker, index = _Film(), Tracker(LEAST_SCORE, patience=5), -1
    for index, (time_before, image, time_after, shown) in enumerate(_pairs(original, output, film)):
        film.same_times &= abs(time_before - time_after) < Fraction(1, 1000)
        found = [d for d in detector.detect(image) if d.score >= LEAST_SCORE]
        again = detector.detect(shown)
        tracker.predict(index)
        tracker.update(index, found)
        for d in found:
            # Every find is sure enough to begin a track, and has one.
            (track,) = (t.number for t in tracker.tracks if t.seen.get(index) is d)
            film.sightings.append(_sighting(index, track, d, image, shown, again))
            if d.size >= _LEAST_CROP and d.landmarks is not None:
                matrix = align_matrix(d.landmarks)
                film.crops.setdefault(track, []).append((warp(image, matrix), warp(shown, matrix)))
        for t in tracker.tracks:
            for old in [i for i in t.seen if i < index]:
                del t.seen[old]
        for crops in film.crops.values():
            if len(crops) >= 2 * _CROPS:
                # Every other one: they stay spread over the track, and few.
                del crops[1::2]
        progress.tick()
    return film


def _pairs(original: Path, output: Path, film: _Film) -> Iterator[tuple[Fraction, Image, Fraction, Image]]:
    with Reader(original) as first, Reader(output) as second:
        frames, outputs, n = iter(first), iter(second), 0
        for frame in frames:
            other = next(outputs, None)
            if other is None:
                left = 1 + sum(1 for _ in frames)
                film.n_frames = (n + left, n)
                film.problems.append(Problem(output.name, "short", f"{left} frames of the original have no output and were not measured"))
                return
            n += 1
            yield frame.pts * first.info.time_base, frame.rgb(), other.pts * second.info.time_base, other.rgb()
        film.n_frames = (n, n + sum(1 for _ in outputs))
        film.problems += [Problem(p.name, "unreadable", r.problem) for p, r in ((original, first), (output, second)) if r.problem]


def _sighting(index: int, track: int, d: Detection, image: Image, shown: Image, again: Sequence[Detection]) -> Sighting:
    part = geometry.box_to_slices(geometry.expand_box(d.box_xyxy, _MIDDLE), image.shape[:2])
    before, after = image[part].astype(np.float64), shown[part].astype(np.float64)
    overlap = geometry.box_iou(d.box_xyxy, np.array([a.box_xyxy for a in again]))[0] if again else np.zeros(1)
    best = int(overlap.argmax())
    return Sighting(
        frame=index,
        track=track,
        detection=d,
        exposed=is_exposed(before, after),
        change=float(np.abs(before - after).mean()) if before.size else 0.0,
        again=again[best] if overlap[best] >= _SAME_IOU else None,
        colour_before=before.reshape(-1, 3).mean(axis=0) if before.size else np.zeros(3),
        colour_after=after.reshape(-1, 3).mean(axis=0) if after.size else np.zeros(3),
    )


def is_exposed(before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    """Whether a face shows in the output.

    Definition: one of the four halves of the middle of its box (left, right, top, bottom) is as it was: it changed by less than
    `UNCHANGED_BELOW` grey levels on average, and by less than `_CHANGED_SHARE` of its own contrast (its mean deviation from its
    mean colour). A cover over half of a face does not count. An encoder that itself changes an untouched face by more hides it
    from this measure: judge films of good quality.

    Args:
        before: (H, W, 3) the middle of the box in the original.
        after: the same in the output.
    """
    h, w = before.shape[:2]
    if not before.size:
        return False
    halves: list[Any] = [np.s_[: -(-h // 2)], np.s_[h // 2 :], np.s_[:, : -(-w // 2)], np.s_[:, w // 2 :]]
    return any(_unchanged(before[half], after[half]) for half in halves)


def _unchanged(before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    change = float(np.abs(before - after).mean())
    contrast = float(np.abs(before - before.mean(axis=(0, 1))).mean())
    return change < UNCHANGED_BELOW and change < _CHANGED_SHARE * contrast


def longest_run(frames: Sequence[int]) -> int:
    """The most consecutive numbers among some."""
    longest, run, last = 0, 0, None
    for frame in sorted(set(frames)):
        run = run + 1 if last is not None and frame == last + 1 else 1
        longest, last = max(longest, run), frame
    return longest


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


def _identity(crops: dict[int, list[tuple[Image, Image]]], embedder: Embedder, seed: int) -> list[Measure]:
    """How far the frames of a track lie apart, before and after, and how far the output lies from the original."""
    within_before, within_after, moved, names = [], [], [], []
    for track, pairs in crops.items():
        if len(pairs) < 2:
            continue
        before, after = (embedder.embed(np.stack(side)) for side in zip(*pairs, strict=True))
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


def _container(before: VideoFacts, after: VideoFacts, film: _Film) -> list[Measure]:
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
