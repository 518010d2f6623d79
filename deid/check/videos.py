"""A video before and after, frame by frame: which faces are exposed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid.check.faces import covered
from deid.check.folders import Problem
from deid.check.judges import Judges
from deid.check.recognition import WORKING_FMR, Embedded
from deid.check.report import Counts, FileFindings
from deid.check.states import is_unchanged
from deid.check.turn import upright
from deid.core.errors import DataError
from deid.core.protocols import Detector
from deid.core.types import Detection, Image
from deid.imaging import geometry
from deid.imaging.alignment import align, warp
from deid.video.decode import Reader
from deid.video.library import pyav
from deid.video.track import Tracker

#: A face of the original counts from this score.
LEAST_SCORE = 0.5
#: The middle of a face: so much of its box.
_MIDDLE = 0.6
#: In the dark all changes are small: a change of this share of the face's own contrast hides it too. Untouched frames, encoded
#: anew at the quality that `deid` writes, change by less than 0.2 of it.
CHANGED_SHARE = 0.3
#: Number of crops that represent a track for identity, spread over it, and their least size in pixels.
_CROPS, _LEAST_CROP = 8, 32.0
_SAME_IOU = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A face of the original in one frame, and what the output shows in its place.

    Args:
        frame: index.
        track: which face of the video it is.
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
class Watched:
    """All that is gathered while two videos run side by side.

    Args:
        sightings: every face of the original in every frame.
        crops: by track and spread over it, aligned crops before, after, and before with the face in black.
        n_frames: of the two videos.
        same_times: whether every frame is shown at the same time in both.
        problems: what could not be compared.
    """

    sightings: list[Sighting] = field(default_factory=list)
    crops: dict[int, list[tuple[Image, Image, Image]]] = field(default_factory=dict)
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
    """Facts of a file, from FFmpeg's demuxer.

    Raises:
        VideoReadError: it is no video.
    """
    with Reader(path) as video:
        size_hw = video.info.size_hw
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


def watch(original: Path, output: Path, detector: Detector, tick: Callable[[], None] = lambda: None) -> Watched:
    """Look at two videos of one size side by side; ``tick`` is called after each frame.

    Raises:
        VideoReadError: one of them is no video.
    """
    video, tracker, index = Watched(), Tracker(LEAST_SCORE, patience=5), -1
    for index, (time_before, image, time_after, shown) in enumerate(_pairs(original, output, video)):
        video.same_times &= abs(time_before - time_after) < Fraction(1, 1000)
        found = [d for d in detector.detect(image) if d.score >= LEAST_SCORE]
        again = detector.detect(shown)
        tracker.predict(index)
        tracker.update(index, found)
        for d in found:
            # Every detection is sure enough to begin a track, and has one.
            (track,) = (t.number for t in tracker.tracks if t.seen.get(index) is d)
            video.sightings.append(_sighting(index, track, d, image, shown, again))
            if d.size >= _LEAST_CROP and d.landmarks is not None:
                face = align(image, d)
                video.crops.setdefault(track, []).append((face.crop, warp(shown, face.matrix), covered(face)))
        for t in tracker.tracks:
            for old in [i for i in t.seen if i < index]:
                del t.seen[old]
        for crops in video.crops.values():
            if len(crops) >= 2 * _CROPS:
                # Every other one: they stay spread over the track, and few.
                del crops[1::2]
        tick()
    return video


def _pairs(original: Path, output: Path, video: Watched) -> Iterator[tuple[Fraction, Image, Fraction, Image]]:
    with Reader(original) as first, Reader(output) as second:
        frames, outputs, n = iter(first), iter(second), 0
        for frame in frames:
            other = next(outputs, None)
            if other is None:
                left = 1 + sum(1 for _ in frames)
                video.n_frames = (n + left, n)
                video.problems.append(Problem(output.name, "short", f"{left} frames of the original have no output and were not measured"))
                return
            n += 1
            yield frame.pts * first.info.time_base, frame.rgb(), other.pts * second.info.time_base, other.rgb()
        video.n_frames = (n, n + sum(1 for _ in outputs))
        video.problems += [Problem(p.name, "unreadable", r.problem) for p, r in ((original, first), (output, second)) if r.problem]


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

    Definition: one of the four halves of the middle of its box (left, right, top, bottom) is as it was. That half changed by less than
    `UNCHANGED_BELOW` grey levels on average, and by less than `_CHANGED_SHARE` of its own contrast. Contrast is the mean deviation from
    the mean colour. A cover over half of a face does not count. An encoder that itself changes an untouched face by more hides it
    from this measure: judge videos of good quality.

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
    return is_unchanged(change, contrast)


def longest_run(frames: Sequence[int]) -> int:
    """The most consecutive numbers among some."""
    longest, run, last = 0, 0, None
    for frame in sorted(set(frames)):
        run = run + 1 if last is not None and frame == last + 1 else 1
        longest, last = max(longest, run), frame
    return longest


def findings(name: str, original: Path, output: Path, judges: Judges) -> tuple[FileFindings, list[Problem]]:
    """What a video shows after any tool, and what of it could not be compared.

    Raises:
        VideoReadError: one of them is no video.
        DataError: they differ in size.
    """
    before, after = facts(original), facts(output)
    if before.size_hw != after.size_hw:
        raise DataError(f"expected {output} to be {shown(before.size_hw)} like its original, got {shown(after.size_hw)}")
    video = watch(original, output, upright(original, before.n_frames, judges.detectors[-1]))
    problems = list(video.problems)
    if video.n_frames[1] > video.n_frames[0]:
        problems.append(Problem(name, "frames", f"{video.n_frames[1] - video.n_frames[0]} further frames in the output, not looked at"))
    counts, tracks = _counts(video, judges), _tracks(video)
    metadata = tuple(f"tag {tag}" for tag in after.tags) + ((f"{after.streams} further streams",) if after.streams else ())
    return FileFindings(name, True, counts, metadata, tracks), problems


def shown(size_hw: tuple[int, int]) -> str:
    """A size in words, width first."""
    return f"{size_hw[1]} x {size_hw[0]}"


def _counts(video: Watched, judges: Judges) -> Counts:
    """Faces in frames; those that recognisers look at are few of each track, spread over it."""
    pairs = [crops for own in video.crops.values() for crops in own]
    recognised = np.zeros(len(pairs), bool)
    for embedder in judges.embedders if pairs else ():
        before, after, covered_rows = (embedder.embed(np.stack([crops[k] for crops in pairs])) for k in range(3))
        own = Embedded(embedder.name, before, after, covered_rows, {WORKING_FMR: 1 - embedder.threshold**2 / 2}, "the recogniser's own")
        recognised |= own.recognised
    exposed = sum(s.exposed for s in video.sightings)
    found = sum(s.again is not None for s in video.sightings)
    return Counts(len(video.sightings), exposed, exposed, len(pairs), int(recognised.sum()), found)


def _tracks(video: Watched) -> tuple[dict[str, Any], ...]:
    """By track: its frames, and those in which it shows."""
    rows = []
    for number in sorted({s.track for s in video.sightings}):
        own = [s for s in video.sightings if s.track == number]
        exposed = [s.frame for s in own if s.exposed]
        rows.append(
            {
                "track": number,
                "frames": [own[0].frame, own[-1].frame],
                "seen": len(own),
                "exposed": exposed,
                "longest_exposed_run": longest_run(exposed),
            }
        )
    return tuple(rows)
