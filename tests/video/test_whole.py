"""What a file's structure says is missing is told, and a whole file is never called partial."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deid.core.errors import VideoReadError
from deid.video.decode import Reader
from tests.video.conftest import moving, write_video

#: Suffix, codec, and options of the muxer.
KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp4": (".mp4", "libx264", {}),
    "mp4 that begins with its index": (".mp4", "libx264", {"movflags": "faststart"}),
    "mp4 in parts": (".mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "mov": (".mov", "libx264", {}),
    "mkv": (".mkv", "libx264", {}),
    "mkv of a live recording": (".mkv", "libx264", {"live": "1"}),
    "webm": (".webm", "libvpx-vp9", {}),
    "avi": (".avi", "mpeg4", {}),
    "flv": (".flv", "libx264", {}),
    "ts": (".ts", "libx264", {}),
    "mpg": (".mpg", "mpeg2video", {}),
    "wmv": (".wmv", "msmpeg4", {}),
}
N = 40


def _without(data: bytes, begin: float, end: float, fill: bool = False) -> bytes:
    a, b = round(len(data) * begin), round(len(data) * end)
    return data[:a] + bytes(b - a if fill else 0) + data[b:]


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "cut in the middle": lambda data: data[: len(data) // 2 - 3],
    "without its end": lambda data: data[: round(0.95 * len(data)) - 3],
    "without its middle": lambda data: _without(data, 0.45, 0.64),
    "zeros in its middle": lambda data: _without(data, 0.45, 0.64, fill=True),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    frames = moving(N, (96, 128))
    return {
        kind: write_video(folder / f"{i}{suffix}", frames, codec=codec, options=options)
        for i, (kind, (suffix, codec, options)) in enumerate(KINDS.items())
    }


def _read(path: Path) -> tuple[int, str]:
    """Number of frames, and what is said to be missing."""
    try:
        with Reader(path) as video:
            return sum(1 for _ in video), video.problem
    except VideoReadError as error:
        return 0, str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_whole(kind: str, videos: dict[str, Path]) -> None:
    assert _read(videos[kind]) == (N, "")


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_is_told(kind: str, cut: str, videos: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / videos[kind].name
    broken.write_bytes(CUTS[cut](videos[kind].read_bytes()))
    n_frames, problem = _read(broken)
    assert problem or n_frames == N


def test_junk_after_an_mp4_and_zeros_after_an_mpg_are_no_damage(videos: dict[str, Path], tmp_path: Path) -> None:
    for kind, junk in (("mp4", b"\0\0\0\1SEFT junk"), ("avi", b"\0" * 64), ("mpg", bytes(4096))):
        path = tmp_path / videos[kind].name
        path.write_bytes(videos[kind].read_bytes() + junk)
        assert _read(path) == (N, "")


def test_joined_recordings_are_whole(videos: dict[str, Path], tmp_path: Path) -> None:
    """The packets' counter begins again where the second one does, as if some were lost."""
    path = tmp_path / "joined.ts"
    path.write_bytes(videos["ts"].read_bytes() * 2)
    assert _read(path) == (2 * N, "")


def test_lost_packets_of_a_transport_stream_are_told(videos: dict[str, Path], tmp_path: Path) -> None:
    data = videos["ts"].read_bytes()
    n = len(data) // 188
    path = tmp_path / "lost.ts"
    path.write_bytes(data[: n * 4 // 10 * 188] + data[n * 6 // 10 * 188 :])
    n_frames, problem = _read(path)
    assert n_frames < N
    assert "frames are missing" in problem


def test_span_that_ends_before_the_damage_is_whole(videos: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    path.write_bytes(videos["mkv"].read_bytes()[:-200])
    with Reader(path, 0.0, 0.4) as video:
        assert sum(1 for _ in video) == 10
        assert not video.problem
