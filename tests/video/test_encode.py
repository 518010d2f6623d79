"""Videos out: the same times, sizes, samples and sound, and a name only when all is there."""

import resource
import signal
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deid.core.errors import VideoWriteError
from deid.core.types import Image
from deid.video import encode
from deid.video.decode import Reader
from deid.video.depth import not_kept
from deid.video.encode import Writer
from tests.video.conftest import moving, packets, times, write_video


def _copy(source: Path, target: Path, sound: bool = False, edit: bool = False) -> Path:
    with Reader(source) as video, Writer(target, video.info, source if sound else None) as writer:
        for frame in video:
            if not edit:
                writer.put(frame)
                continue
            touched = np.zeros(video.info.size_hw, bool)
            touched[4:20, 10:31] = True
            image = frame.rgb()
            image[touched] = (255, 0, 0)
            writer.put(frame, image, touched)
    return target


def _frames(path: Path) -> list[Image]:
    with Reader(path) as video:
        return [f.rgb() for f in video]


def test_times_are_kept(video: Path, tmp_path: Path) -> None:
    assert times(_copy(video, tmp_path / "b.mp4")) == times(video)


def test_variable_rate_is_kept(tmp_path: Path) -> None:
    pts = [0, 7, 8, 30, 31, 32, 90]
    source = write_video(tmp_path / "vfr.mkv", moving(7), pts=pts, time_base=Fraction(1, 1000))
    for suffix in (".mkv", ".mp4"):
        assert times(_copy(source, tmp_path / f"b{suffix}")) == times(source)


def test_last_frame_lasts_as_long_as_before(video: Path, tmp_path: Path) -> None:
    with av.open(str(video)) as before, av.open(str(_copy(video, tmp_path / "b.mp4"))) as after:
        a, b = before.streams.video[0], after.streams.video[0]
        assert a.duration * a.time_base == b.duration * b.time_base
        assert a.average_rate == b.average_rate


@pytest.mark.parametrize("gaps", [(40, 90, 17, 300), (300, 17, 40), (20, 21)])
def test_a_video_of_variable_rate_ends_when_it_ended(gaps: tuple[int, ...], tmp_path: Path) -> None:
    """MP4 holds durations in the order of decoding, in which the frame that is shown last is not the last one."""
    pts = np.cumsum([0, *(gaps[i % len(gaps)] for i in range(19))]).tolist()
    source = write_video(tmp_path / "vfr.mp4", moving(20), pts=pts, time_base=Fraction(1, 1000))
    with av.open(str(source)) as before, av.open(str(_copy(source, tmp_path / "b.mp4"))) as after:
        a, b = before.streams.video[0], after.streams.video[0]
        assert a.codec_context.has_b_frames
        assert a.duration * a.time_base == b.duration * b.time_base


def test_sound_is_copied_bit_for_bit_or_dropped(video: Path, tmp_path: Path) -> None:
    assert packets(video, "audio")
    assert packets(_copy(video, tmp_path / "b.mp4", sound=True), "audio") == packets(video, "audio")
    assert packets(_copy(video, tmp_path / "c.mp4"), "audio") == []


def test_sound_that_the_container_does_not_take_is_an_error(tmp_path: Path, video: Path) -> None:
    with pytest.raises(VideoWriteError, match="--audio drop"):
        _copy(video, tmp_path / "b.webm", sound=True)
    assert list(tmp_path.iterdir()) == []


def test_metadata_is_dropped(video: Path, tmp_path: Path) -> None:
    with av.open(str(video)) as before, av.open(str(_copy(video, tmp_path / "b.mp4", sound=True))) as after:
        assert before.metadata["title"] == "Secret"
        assert not {"title", "artist", "encoder", "creation_time"} & set(after.metadata)


@pytest.mark.parametrize("size", [(48, 64), (47, 64), (48, 63), (47, 63)], ids=str)
def test_odd_sizes_are_kept(size: tuple[int, int], tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", moving(3, size), codec="ffv1", pixel_format="yuv420p")
    copied = _frames(_copy(source, tmp_path / "b.mp4", edit=True))
    assert [f.shape for f in copied] == [(*size, 3)] * 3
    assert np.abs(copied[0][5:19, 12:30].astype(int) - (255, 0, 0)).mean() < 12


@pytest.mark.parametrize("full", [False, True], ids=["video range", "full range"])
def test_colour_range_is_kept(full: bool, tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(3), full_range=full)
    target = _copy(source, tmp_path / "b.mp4", edit=True)
    with Reader(source) as before, Reader(target) as after:
        assert before.info.colour == after.info.colour
        for a, b in zip(before, after, strict=True):
            assert np.abs(a.rgb()[24:].astype(int) - b.rgb()[24:]).mean() < 1.5


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", moving(3), codec="ffv1", pixel_format="yuv420p10le")
    with av.open(str(_copy(source, tmp_path / "b.mp4", edit=True))) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"


@pytest.mark.parametrize("kind", ["gray", "gray10le", "gray16le"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mpg"])
def test_a_grey_video_stays_grey_and_its_format_is_said(kind: str, suffix: str, tmp_path: Path) -> None:
    """A face in colour makes no colour in it."""
    source = write_video(tmp_path / "a.mkv", moving(3), codec="ffv1", pixel_format=kind)
    with Reader(source) as video, Writer(tmp_path / f"b{suffix}", video.info) as writer:
        for frame in video:
            touched = np.zeros(video.info.size_hw, bool)
            touched[4:20, 10:31] = True
            writer.put(frame, np.where(touched[..., None], np.uint8([255, 0, 0]), frame.rgb()), touched)
        assert any(note.startswith("it is grey: it is written as yuv4") for note in writer.notes)
    for before, after in zip(_frames(source), _frames(tmp_path / f"b{suffix}"), strict=True):
        assert np.ptp(after.astype(int), axis=2).max() <= 6
        assert abs(after[8:16, 14:27].mean() - 76) < 2
        assert _contrast(before, after) == pytest.approx(1, abs=0.05)


def _contrast(before: Image, after: Image) -> float:
    """Of the lower half of a frame: 0.86 and 1.16 when the range is mistaken."""
    return float(np.polyfit(before[24:].ravel(), after[24:].ravel(), 1)[0])


@pytest.mark.parametrize("suffix", [".mpg", ".wmv"])
def test_full_range_becomes_video_range_where_it_cannot_be_said(suffix: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(3), full_range=True)
    for edit in (False, True):
        target = _copy(source, tmp_path / f"{edit}{suffix}", edit=edit)
        for before, after in zip(_frames(source), _frames(target), strict=True):
            assert _contrast(before, after) == pytest.approx(1, abs=0.05)


def test_untouched_samples_are_the_videos_own(tmp_path: Path) -> None:
    """Through a lossless encoder they would be equal; here they differ by no more than in a plain copy."""
    source = write_video(tmp_path / "a.mp4", moving(4))
    plain, edited = _frames(_copy(source, tmp_path / "b.mp4")), _frames(_copy(source, tmp_path / "c.mp4", edit=True))
    original = _frames(source)
    for a, b, c in zip(original, plain, edited, strict=True):
        far = np.s_[30:]
        assert np.abs(a[far].astype(int) - c[far]).mean() <= np.abs(a[far].astype(int) - b[far]).mean() + 1.0
        assert np.abs(a[4:20, 10:31].astype(int) - c[4:20, 10:31]).mean() > 40


def test_rotation_is_applied(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(3))
    turned = tmp_path / "turned.mp4"
    data = bytearray(source.read_bytes())
    # The display matrix of the track header: 90 degrees clockwise.
    at = data.index(b"tkhd") + 4 + 40
    one = (1 << 16).to_bytes(4, "big")
    minus = (2**32 - (1 << 16)).to_bytes(4, "big")
    zero = bytes(4)
    matrix = zero + one + zero + minus + zero + zero + zero + zero + (1 << 30).to_bytes(4, "big")
    assert bytes(data[at : at + 4]) == one
    data[at : at + 36] = matrix
    turned.write_bytes(data)
    with Reader(turned) as video:
        assert video.info.size_hw == (64, 48)
        upright = [f.rgb() for f in video]
    expected = [np.rot90(f, -1) for f in _frames(source)]
    assert np.abs(upright[0].astype(int) - expected[0]).mean() < 3
    copied = _copy(turned, tmp_path / "b.mp4")
    assert np.abs(_frames(copied)[0].astype(int) - expected[0]).mean() < 3
    with av.open(str(copied)) as container:
        assert next(container.decode(video=0)).rotation == 0


def test_existing_file_is_left_alone(video: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(VideoWriteError, match="--overwrite"):
        _copy(video, target)
    assert target.read_bytes() == b"mine"


def test_exception_leaves_nothing(video: Path, tmp_path: Path) -> None:
    def broken() -> None:
        with Reader(video) as read, Writer(tmp_path / "b.mp4", read.info) as writer:
            for frame in read:
                writer.put(frame)
                if frame.index == 10:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 255, (240, 320, 3), dtype=np.uint8) for i in range(8)]
    source = write_video(tmp_path / "a.mp4", noise)
    out = tmp_path / "out"
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals need the main thread")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(VideoWriteError, match=r"cannot write .*b\.mp4"):
            _copy(source, out / "b.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("suffix", [".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm", ".wmv"])
def test_every_container_takes_a_video(suffix: str, video: Path, tmp_path: Path) -> None:
    assert len(_frames(_copy(video, tmp_path / f"b{suffix}"))) >= 19


def test_unknown_suffix_is_told(video: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoWriteError, match=r"expected a suffix of \.avi"):
        _copy(video, tmp_path / "b.xyz")


@pytest.mark.parametrize("share", [0.02, 0.9])
def test_touched_places_hold_all_that_was_touched(share: float) -> None:
    rng = np.random.default_rng(0)
    touched = np.zeros((270, 481), bool)
    for y, x in rng.integers(0, 260, (max(1, round(12 * share)), 2)):
        touched[y : y + round(270 * share), x : x + round(480 * share)] = True
    touched[269, 480] = True
    places, held = encode._places(touched), np.zeros_like(touched)
    for rows, columns in places:
        assert rows.start is None or rows.start % 2 == columns.start % 2 == 0
        assert not held[rows, columns].any()
        held[rows, columns] = True
    assert held[touched].all()
    assert len(places) == 1 if share > 0.5 else not held.all()
    assert encode._places(np.zeros((50, 50), bool)) == []


def test_parts_are_converted_as_the_whole_frame_would_be(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(3, (96, 160)))
    rng = np.random.default_rng(0)
    with Reader(source) as video, Writer(tmp_path / "b.mp4", video.info) as writer:
        for frame in video:
            if not frame.index:
                writer._open(frame)
            edited, touched = frame.rgb().copy(), np.zeros((96, 160), bool)
            edited[21:47, 33:70] = rng.integers(0, 255, (26, 37, 3))
            touched[21:47, 33:70] = True
            parts = writer._picture(frame, edited, touched)
            whole = writer._converted(edited)
            for part, other in zip(parts.planes, whole.planes, strict=True):
                a, b = (encode._samples(p, whole.format) for p in (part, other))
                step = 96 // a.shape[0]
                inside = touched[::step, ::step]
                assert np.array_equal(a[inside], b[inside])
            writer.put(frame, edited, touched)


@pytest.mark.parametrize(
    ("source", "chosen", "notes"),
    [
        ("yuv420p", "yuv420p", []),
        ("yuv420p10le", "yuv420p10le", []),
        ("yuv444p12le", "yuv444p10le", ["12 bits a channel became 10"]),
        ("yuv422p", "yuv420p", ["its colours have half the resolution now"]),
        ("rgb24", "yuv444p", []),
        ("rgb48le", "yuv420p", ["16 bits a channel became 8", "its colours have half the resolution now"]),
        ("gray", "yuv420p", ["it is grey: it is written as yuv420p, in which all colours are grey"]),
        ("pal8", "yuv444p", []),
        ("yuva420p", "yuva420p", []),
    ],
)
def test_bits_and_colours_that_are_lost_are_named(source: str, chosen: str, notes: list[str]) -> None:
    assert not_kept(av.VideoFormat(source), av.VideoFormat(chosen)) == notes
