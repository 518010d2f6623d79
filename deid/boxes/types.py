"""Boxes of whole files: pictures and videos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deid.core.errors import DataError
from deid.core.types import Detection
from deid.imaging import geometry

STATES = ("seen", "filled", "remembered")
#: A box of which less lies inside the picture is of another one.
_LEAST_INSIDE = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A face, or what else is covered, in one frame.

    Args:
        detection: where.
        track: which face of the video it is; None in pictures.
        state: one of `STATES`, as in `deid.video.find.TrackedFace`.
        keep: whether a person marked it to be kept.

    Raises:
        ValueError: there is no such state, or the track is negative.
    """

    detection: Detection
    track: int | None = None
    state: str = "seen"
    keep: bool = False

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"expected a state of {', '.join(STATES)}, got {self.state!r}")
        if self.track is not None and self.track < 0:
            raise ValueError(f"expected a track of 0 or more, got {self.track}")

    @property
    def label(self) -> str:
        """What it is of: a name of `deid.core.types.LABELS`."""
        return self.detection.label


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A frame in which a track is seen well, from which its new face is chosen.

    Args:
        frame: index of that frame.
        detection: the face in it.
    """

    frame: int
    detection: Detection


@dataclass(frozen=True, slots=True, eq=False)
class BoxedFrame:
    """The boxes of one frame.

    Args:
        boxes: in any order.
        time_s: when a video's frame is shown; None in pictures, and in formats without times.
        views: by track that is introduced in this frame; None in formats that hold none.
    """

    boxes: tuple[Box, ...] = ()
    time_s: float | None = None
    views: dict[int, tuple[View, ...]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BoxedFile:
    """The boxes of one file.

    Args:
        name: path within the input folder, with slashes.
        size_wh: of its frames in pixels; None where boxes are shares of the frame.
        frames: by index.
        video: whether it is a video, as far as its boxes say.
    """

    name: str
    size_wh: tuple[int, int] | None
    frames: tuple[BoxedFrame, ...]
    video: bool = False

    @property
    def n_boxes(self) -> int:
        return sum(len(frame.boxes) for frame in self.frames)

    @property
    def n_tracks(self) -> int:
        return len({box.track for frame in self.frames for box in frame.boxes})

    def sized(self, size_wh: tuple[int, int]) -> "BoxedFile":
        """The same in pixels, checked against the size of the file that it is used for.

        Raises:
            DataError: the boxes are of a picture of another size, or one lies outside it.
        """
        if self.size_wh is not None and self.size_wh != size_wh:
            raise DataError(f"the boxes of {self.name} are of {_shown(self.size_wh)}, the file has {_shown(size_wh)}")
        file = self if self.size_wh is not None else _scaled(self, size_wh)
        if file.video:
            # Somebody who walks out of a video is followed for some frames more.
            return file
        for number, frame in enumerate(file.frames):
            for box in frame.boxes:
                inside = geometry.box_area(geometry.clip_box(box.detection.box_xyxy, size_wh[::-1]))[0]
                if inside <= _LEAST_INSIDE:
                    at = f" of frame {number}" if len(file.frames) > 1 else ""
                    shown = ", ".join(f"{v:g}" for v in box.detection.box_xyxy)
                    raise DataError(f"the box [{shown}]{at} of {self.name} lies beyond the picture of {_shown(size_wh)}")
        return file


def _scaled(file: BoxedFile, size_wh: tuple[int, int]) -> BoxedFile:
    """Shares of the frame in pixels."""
    scale, none = np.array(size_wh, np.float64), np.zeros(2)
    frames = [replace(f, boxes=tuple(replace(b, detection=b.detection.moved(scale, none)) for b in f.boxes)) for f in file.frames]
    return replace(file, size_wh=size_wh, frames=tuple(frames))


def _shown(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]} x {size_wh[1]} pixels"


def frame_name(name: str, index: int, n_frames: int, video: bool) -> str:
    """What a frame is called in formats that know pictures alone: a video's and an animation's have a number."""
    return f"{name}/frame_{index:06d}" if video or n_frames > 1 else name


def joined(name: str) -> tuple[str, int | None]:
    """The file of a frame's name, and its index; None for a picture of one frame."""
    file, _, frame = name.rpartition("/")
    number = frame.removeprefix("frame_").split(".")[0]
    if file and frame.startswith("frame_") and number.isdigit():
        return file, int(number)
    return name, None


def of_frames(rows: Sequence[tuple[str, tuple[int, int] | None, BoxedFrame]]) -> list[BoxedFile]:
    """Files of the frames that a format lists, by name; a frame that is not listed has no box.

    Args:
        rows: name of each frame, its size, and its boxes.

    Raises:
        DataError: a name comes twice, or the frames of one file differ in size.
    """
    files: dict[str, dict[int, BoxedFrame]] = {}
    sizes: dict[str, tuple[int, int] | None] = {}
    for row, size, frame in rows:
        name, index = joined(row)
        own = files.setdefault(name, {})
        if (index or 0) in own:
            raise DataError(f"{row} is listed twice")
        if sizes.setdefault(name, size) != size:
            raise DataError(f"the frames of {name} differ in size")
        own[index or 0] = frame
    return [_file(name, sizes[name], own) for name, own in files.items()]


def _file(name: str, size_wh: tuple[int, int] | None, frames: dict[int, BoxedFrame]) -> BoxedFile:
    video = any(box.track is not None for frame in frames.values() for box in frame.boxes)
    return BoxedFile(name, size_wh, tuple(frames.get(i, BoxedFrame()) for i in range(max(frames) + 1)), video)
