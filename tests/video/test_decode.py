"""Videos in: exact times, upright, and what cannot be read is told."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deid.core.errors import DependencyError, VideoReadError
from deid.video.decode import Reader
from tests.video.conftest import moving, write_video


def test_frames_come_with_their_times(video: Path) -> None:
    with Reader(video) as read:
        frames = list(read)
        assert [f.index for f in frames] == list(range(20))
        assert [f.pts * read.info.time_base for f in frames] == [Fraction(i, 25) for i in range(20)]
    assert (read.info.size_hw, read.info.rate, read.info.n_frames, read.info.audio) == ((48, 64), 25, 20, True)
    assert read.problem == ""


def test_variable_rate_keeps_every_time(tmp_path: Path) -> None:
    pts = [0, 7, 8, 30, 31, 32, 90]
    path = write_video(tmp_path / "vfr.mkv", moving(7), pts=pts, time_base=Fraction(1, 1000))
    with Reader(path) as read:
        assert [round(f.pts * read.info.time_base * 1000) for f in read] == pts


def test_pixels_are_those_of_the_video(tmp_path: Path) -> None:
    images = moving(3)
    for full in (False, True):
        path = write_video(tmp_path / f"{full}.mp4", images, pixel_format="yuv444p", full_range=full)
        with Reader(path) as read:
            for frame, image in zip(read, images, strict=True):
                assert np.abs(frame.rgb().astype(int) - image).mean() < 2.5


@pytest.mark.parametrize(("start", "end", "expected"), [(0.2, None, 15), (0.0, 0.4, 10), (0.2, 0.4, 5), (0.39, 0.41, 1)])
def test_span(start: float, end: float | None, expected: int, video: Path) -> None:
    with Reader(video, start, end) as read:
        frames = list(read)
    assert len(frames) == expected
    assert frames[0].pts == 0 or start == 0.39
    assert read.problem == ""


def test_span_without_a_frame_is_an_error(video: Path) -> None:
    with pytest.raises(VideoReadError, match="at least one frame of video in the span"):
        Reader(video, 100.0)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        part.rate = 16_000
        container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    with pytest.raises(VideoReadError, match="expected a video stream, got none"):
        Reader(path)


@pytest.mark.parametrize("data", [b"", b"no film at all" * 100], ids=["empty", "text"])
def test_what_is_no_video_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoReadError, match=r"cannot read .*a\.mp4"):
        Reader(path)


def test_header_without_frames_is_told(tmp_path: Path, video: Path) -> None:
    path = tmp_path / "none.mp4"
    with av.open(str(path), "w") as container, av.open(str(video)) as source:
        container.add_stream_from_template(source.streams.video[0])
        container.start_encoding()
    with pytest.raises(VideoReadError, match="cannot read"):
        Reader(path)


def test_truncated_video_is_read_to_its_last_good_frame(tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8) for i in range(30)]
    whole = write_video(tmp_path / "whole.mp4", noise, options={"movflags": "faststart"})
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) * 2 // 3])
    with Reader(cut) as read:
        n = sum(1 for _ in read)
    assert 5 < n < 30
    assert read.problem


def test_broken_packets_are_left_out_and_told(tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8) for i in range(30)]
    whole = write_video(tmp_path / "whole.mp4", noise, options={"movflags": "faststart"})
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    with Reader(broken) as read:
        n = sum(1 for _ in read)
    assert 0 < n <= 30
    assert read.problem


def test_without_pyav_the_message_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['av'] = None\n"
        "from deid.core.errors import DependencyError\nfrom deid.video.decode import Reader\n"
        "try: Reader('a.mp4')\nexcept DependencyError as e: print(e)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "pip install 'deid-face[video]'" in said
    assert issubclass(DependencyError, Exception)


def test_frames_of_an_avi_that_are_stored_in_another_order_are_shown_in_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving(30))
    with av.open(str(path)) as container:
        assert any(frame.pict_type == 3 for frame in container.decode(video=0)), "expected frames between others"
    with Reader(path) as video:
        found = [(float(frame.pts * video.info.time_base), frame.rgb()) for frame in video]
    assert [time_s - found[0][0] for time_s, _ in found] == pytest.approx([i / 25 for i in range(30)])
    for (_, image), expected in zip(found, moving(30), strict=True):
        assert np.abs(image.astype(int) - expected).mean() < 12
