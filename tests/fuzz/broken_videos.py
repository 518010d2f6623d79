"""Broken videos: each is done, done in part and said so, or refused with a reason; no mark is left, and nothing that was told survives.

python tests/fuzz/broken_videos.py --count 200 --seed 0

Every video has its own seed, printed when it goes wrong: `--count 1 --seed N` draws it again.
"""

import io
import signal
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from unittest import mock

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from deid.anonymizer.engine import Anonymizer
from deid.core.errors import VideoError
from deid.core.options import Options
from deid.video import pipeline
from deid.video.search import Search
from tests.fuzz import inputs
from tests.video.conftest import Nowhere, ScriptedDetector, moving, write_video

Random = np.random.Generator
MARKER, MOST_SECONDS = "MARKER_SECRET", 60
#: Suffix, codec and muxer's options of the whole videos.
KINDS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (".mp4", "libx264", {}),
    (".mp4", "libx264", {"movflags": "faststart"}),
    (".mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    (".mov", "mpeg4", {}),
    (".mkv", "libx264", {}),
    (".mkv", "libx264", {"live": "1"}),
    (".webm", "libvpx-vp9", {}),
    (".avi", "mpeg4", {}),
    (".flv", "libx264", {}),
    (".ts", "libx264", {}),
    (".mpg", "mpeg2video", {}),
    (".wmv", "msmpeg4", {}),
)
_WITH_SOUND = {".mp4", ".mov", ".mkv", ".flv", ".ts"}
_N, _SIZE_HW = 24, (64, 96)


@cache
def whole() -> list[tuple[str, bytes]]:
    """Suffix and bytes of each whole video."""
    made = []
    with inputs.scratch() as name:
        for i, (suffix, codec, options) in enumerate(KINDS):
            path = Path(name) / f"{i}{suffix}"
            write_video(
                path,
                moving(_N, _SIZE_HW),
                codec=codec,
                sound=suffix in _WITH_SOUND,
                tags={"title": MARKER, "comment": MARKER},
                options=options,
            )
            made.append((suffix, path.read_bytes()))
    return made


def _at(data: bytes, rng: Random) -> tuple[int, int]:
    begin = int(rng.integers(len(data)))
    return begin, min(len(data), begin + int(rng.integers(1, max(2, len(data) // 4))))


def _flipped(data: bytes, rng: Random) -> bytes:
    raw = np.frombuffer(data, np.uint8).copy()
    raw[rng.integers(0, len(raw), rng.integers(1, 40))] ^= np.uint8(1 << rng.integers(8))
    return raw.tobytes()


def _filled(data: bytes, rng: Random) -> bytes:
    begin, end = _at(data, rng)
    return data[:begin] + bytes([int(rng.choice([0, 255, 65]))]) * (end - begin) + data[end:]


def _less(data: bytes, rng: Random) -> bytes:
    begin, end = _at(data, rng)
    return data[:begin] + data[end:]


def _doubled(data: bytes, rng: Random) -> bytes:
    begin, end = _at(data, rng)
    return data[:end] + data[begin:]


def _spliced(data: bytes, rng: Random) -> bytes:
    other = whole()[int(rng.integers(len(whole())))][1]
    begin, end = _at(other, rng)
    at = int(rng.integers(len(data)))
    return data[:at] + other[begin:end] + data[at:]


CHANGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "cut": lambda data, rng: data[: int(rng.integers(1, len(data)))],
    "beginning lost": lambda data, rng: data[int(rng.integers(1, len(data) // 2)) :],
    "flipped": _flipped,
    "filled": _filled,
    "less": _less,
    "doubled": _doubled,
    "spliced": _spliced,
}
#: Changes after which a frame less must be told, and containers that announce no end: a cut between two of their packets cannot be seen.
_LOSES, _ENDLESS = {"cut", "beginning lost", "less", "filled"}, {".ts", ".mpg"}


def draw(seed: int) -> tuple[str, str, bytes]:
    """Suffix, what is wrong, and bytes of a broken video."""
    rng = np.random.default_rng(seed)
    suffix, data = whole()[int(rng.integers(len(whole())))]
    name = str(rng.choice(list(CHANGES)))
    return suffix, name, CHANGES[name](data, rng)


def wrong_with(seed: int) -> str:
    """What went wrong with the video of a seed, or nothing."""
    suffix, change, data = draw(seed)
    with inputs.scratch() as name:
        source, target = Path(name) / f"holiday{suffix}", Path(name) / "out" / f"holiday{suffix}"
        target.parent.mkdir()
        source.write_bytes(data)
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(MOST_SECONDS)
        try:
            why = _tried(source, target, change in _LOSES and suffix not in _ENDLESS)
        except Exception:
            why = traceback.format_exc()
        finally:
            signal.alarm(0)
    return f"{change} {suffix}: {why}" if why else ""


def _tried(source: Path, target: Path, loses: bool) -> str:
    engine = Anonymizer(Options(method="solid", solid_rgb=(0, 0, 0), detect_every=1, seed=1))
    marks = ScriptedDetector()
    search, nowhere = mock.Mock(return_value=Search([marks])), mock.Mock(return_value=Nowhere())
    with mock.patch.multiple(pipeline, build_search=search, FaceRefiner=nowhere):
        try:
            result = pipeline.anonymize_video(source, target, engine)
        except VideoError as error:
            left = [p.name for p in target.parent.iterdir()]
            return f"refused, and left {left}" if left else "" if len(str(error)) > 20 else "refused without a reason"
    if loses and result.n_frames < _N and not result.problem:
        return f"{_N - result.n_frames} frames are lost in silence"
    return _wrong_output(target, result.n_frames)


def _wrong_output(target: Path, n_frames: int) -> str:
    data = target.read_bytes()
    if MARKER.encode() in data:
        return "what was told survives"
    with av.open(io.BytesIO(data)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if len(shown) != n_frames:
        return f"expected {n_frames} frames, got {len(shown)}"
    marked = [i for i, image in enumerate(shown) if (image.min(axis=2) > 200).sum() > 20]
    return f"a mark is left in frames {marked}" if marked else ""


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {MOST_SECONDS} s")


if __name__ == "__main__":
    sys.exit(inputs.main(__doc__, "videos", wrong_with))
