"""The kinds of videos that went wrong: cover art, several streams, mirrors, joined and interlaced videos, transparency, RGB."""

import itertools
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from deid.core.types import Image
from deid.video import upright
from deid.video.decode import Clock, Reader
from deid.video.encode import Writer
from tests.video.conftest import moving, times, write_video


def _copy(source: Path, target: Path, edit: bool = False) -> tuple[str, ...]:
    """The video anew, with every frame edited or none; what was said of it."""
    with Reader(source) as video, Writer(target, video.info, source if video.info.audio else None) as writer:
        for frame in video:
            touched = np.zeros(video.info.size_hw, bool)
            touched[:8, :8] = True
            writer.put(frame, *((frame.rgb(), touched) if edit else ()))
        assert video.problem == ""
        return (*video.notes(), *writer.notes)


def _frames(path: Path) -> list[Image]:
    with Reader(path) as video:
        return [f.rgb() for f in video]


def _add(container: Any, images: Sequence[Image], codec: str, pixel_format: str = "yuv420p") -> list[Any]:
    """A stream of these images; its packets."""
    stream = container.add_stream(codec, rate=25)
    stream.height, stream.width = images[0].shape[:2]
    stream.pix_fmt = pixel_format
    packets = []
    for i, image in enumerate(images):
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture.pts, picture.time_base = i, Fraction(1, 25)
        packets += stream.encode(picture)
    return packets + list(stream.encode(None))


@pytest.mark.parametrize("default", ["cover", "film", "both"])
def test_cover_art_is_not_the_video(default: str, tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as out:
        cover = _add(out, [np.full((96, 128, 3), 200, np.uint8)], "mjpeg", "yuvj420p")
        video = _add(out, moving(12), "libx264")
        for stream, name in zip(out.streams, ("cover", "film"), strict=True):
            stream.disposition = int(default in (name, "both"))
        for packet in [*cover, *video]:
            out.mux(packet)
    said = _copy(source, tmp_path / "b.mkv")
    assert [f.shape for f in _frames(tmp_path / "b.mkv")] == [(48, 64, 3)] * 12
    assert said == ("left out stream 0: cover art (mjpeg, 128 x 96)",)


def test_one_picture_alone_is_a_video_of_one_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", moving(1), codec="mjpeg", pixel_format="yuvj420p")
    assert len(_frames(source)) == 1


def test_left_out_streams_are_named_and_sound_keeps_its_language(video: Path, tmp_path: Path) -> None:
    source, text = tmp_path / "a.mkv", tmp_path / "a.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:00,500\nAda\n")
    with av.open(str(source), "w") as out, av.open(str(video)) as first, av.open(str(video)) as second, av.open(str(text)) as words:
        streams = [first.streams.video[0], second.streams.video[0], first.streams.audio[0], second.streams.audio[0], words.streams[0]]
        copies = [out.add_stream_from_template(s) for s in streams]
        for stream, name in zip(copies[2:4], ("deu", "eng"), strict=True):
            stream.metadata["language"] = name
            stream.metadata["title"] = "Ada speaks"
        copies[2].disposition, copies[3].disposition = 0, 1
        for stream, copy in zip(streams, copies, strict=True):
            container = stream.container
            container.seek(0)
            for packet in container.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    out.mux(packet)
    said = _copy(source, tmp_path / "b.mkv")
    assert said == ("left out stream 1: video (h264, 64 x 48)", "left out stream 4: subtitle (srt)")
    with av.open(str(tmp_path / "b.mkv")) as after:
        assert [(s.type, s.metadata.get("language"), int(s.disposition) & 1) for s in after.streams] == [
            ("video", None, 1),
            ("audio", "deu", 0),
            ("audio", "eng", 1),
        ]
        assert not any("Ada" in v for s in after.streams for v in s.metadata.values())


def test_dropped_sound_is_named(video: Path) -> None:
    with Reader(video) as read:
        assert read.notes() == ()


#: Display matrices as (a, b, c, d), and what they do to an image.
MATRICES = {
    "mirror": ((-1, 0, 0, 1), lambda f: f[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda f: f[::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda f: f[::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda f: np.rot90(f, -1)),
    "counter-clockwise": ((0, -1, 1, 0), lambda f: np.rot90(f, 1)),
    "transposed": ((0, 1, 1, 0), lambda f: f.transpose(1, 0, 2)),
    "anti-transposed": ((0, -1, -1, 0), lambda f: f[::-1, ::-1].transpose(1, 0, 2)),
}


def _with_matrix(source: Path, shown: Path, matrix: tuple[float, ...]) -> Path:
    """A video with another display matrix (a, b, c, d)."""
    a, b, c, d = matrix
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44
    rows = [a, b, 0, c, d, 0, 0, 0]
    data[at : at + 36] = b"".join((round(v * 65536) % 2**32).to_bytes(4, "big") for v in rows) + (1 << 30).to_bytes(4, "big")
    shown.write_bytes(data)
    return shown


@pytest.mark.parametrize(("degrees", "named"), [(0, False), (2, False), (30, True), (45, True), (88.5, False), (120, True), (180, False)])
def test_a_turn_by_less_than_a_quarter_is_named(degrees: float, named: bool, tmp_path: Path) -> None:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    shown = _with_matrix(write_video(tmp_path / "a.mp4", moving(2)), tmp_path / "b.mp4", (cos, sin, -sin, cos))
    with Reader(shown) as read:
        assert any("whole quarters" in note for note in read.notes()) == named


@pytest.mark.parametrize("name", MATRICES)
def test_display_matrix_is_applied(name: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving(2))
    matrix, expected = MATRICES[name]
    shown = _with_matrix(source, tmp_path / "shown.mp4", matrix)
    want = expected(_frames(source)[0]).astype(int)  # type: ignore[no-untyped-call]
    assert np.abs(_frames(shown)[0] - want).mean() < 3
    _copy(shown, tmp_path / "b.mp4", edit=True)
    assert np.abs(_frames(tmp_path / "b.mp4")[0] - want).mean() < 3


@pytest.mark.parametrize("name", ["half a turn", "clockwise", "counter-clockwise"])
def test_the_rotation_alone_says_the_same_of_turns(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upright, "_NAMED", {"h264"})
    test_display_matrix_is_applied(name, tmp_path)


def test_a_picture_with_a_named_profile_harms_no_memory(tmp_path: Path) -> None:
    """PyAV frees the name of such a frame's side data twice when it is looked at: a process of its own would die of it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PillowImage.new("RGB", (64, 48), (90, 120, 90)).save(tmp_path / "a.png", icc_profile=profile)
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    script = (
        "import gc, sys\nfrom deid.video.decode import Reader\n"
        "for _ in range(30):\n"
        "    with Reader(sys.argv[1]) as film:\n        frames = [frame.rgb() for frame in film]\n"
        "    rest = [{'a': [i], 'b': (i, i)} for i in range(20000)]\n    del film, rest\n    gc.collect()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.mp4")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _joined(tmp_path: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    parts = [write_video(tmp_path / f"{i}.ts", moving(16, size), sound=True).read_bytes() for i, size in enumerate(sizes)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(parts))
    return joined


@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
def test_joined_recordings_follow_one_another(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"b{suffix}"
    said = _copy(_joined(tmp_path, [(48, 64), (48, 64)]), target)
    shown = times(target)
    assert len(shown) == 32
    assert {round(float(b - a), 3) for a, b in itertools.pairwise(shown)} == {0.04}
    assert said == ("its time stamps begin again 1 times: the parts follow one another",)


def test_a_new_size_in_mid_video_is_scaled_and_said(tmp_path: Path) -> None:
    source = _joined(tmp_path, [(48, 64), (96, 128)])
    said = _copy(source, tmp_path / "b.mp4", edit=True)
    assert {f.shape for f in _frames(tmp_path / "b.mp4")} == {(48, 64, 3)}
    assert any("size changes" in line for line in said)


def test_interlaced_video_stays_marked(tmp_path: Path) -> None:
    for order in ("tff", "bff"):
        source, target = tmp_path / f"{order}.mkv", tmp_path / f"{order}-out.mp4"
        with av.open(str(source), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"x264-params": f"{order}=1"})
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for i, image in enumerate(moving(4)):
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = i, Fraction(1, 25)
                out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
        assert _copy(source, target, edit=True) == ()
        with av.open(str(source)) as before, av.open(str(target)) as after:
            assert {f.interlaced_frame for f in after.decode(video=0)} == {True}
            assert after.streams.video[0].codec_context.field_order == before.streams.video[0].codec_context.field_order
        said = _copy(source, tmp_path / f"{order}.webm")
        assert any("interlaced" in line for line in said)


def _transparent(path: Path, alphas: Sequence[np.ndarray]) -> Path:
    """A VP9 video with transparency."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=25, options={"crf": "10", "b": "0", "auto-alt-ref": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuva420p"
        for i, (image, alpha) in enumerate(zip(moving(len(alphas)), alphas, strict=True)):
            rgba = np.dstack([image, alpha])
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgba), format="rgba").reformat(format="yuva420p")
            picture.pts, picture.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def _alphas(path: Path) -> list[np.ndarray]:
    with Reader(path) as video:
        return [f.picture.to_ndarray(format="rgba")[..., 3] for f in video]


def test_transparency_is_kept_or_named(tmp_path: Path) -> None:
    half = np.full((48, 64), 255, np.uint8)
    half[:, 32:] = 0
    source = _transparent(tmp_path / "a.webm", [half] * 4)
    assert _copy(source, tmp_path / "b.webm") == ()
    for alpha in _alphas(tmp_path / "b.webm"):
        assert np.abs(alpha.astype(int) - half).mean() < 8
    assert _copy(source, tmp_path / "c.mp4") == ("left out its transparency: it is opaque",)


def test_a_picture_in_the_transparency_does_not_come_along(tmp_path: Path, hopper: Image) -> None:
    face = hopper[60:108, 90:154, 0]
    said = _copy(_transparent(tmp_path / "a.webm", [face] * 2), tmp_path / "b.webm")
    assert any("opaque" in line for line in said)
    assert min(alpha.min() for alpha in _alphas(tmp_path / "b.webm")) > 250


@pytest.mark.parametrize(("codec", "pixel_format"), [("ffv1", "bgr0"), ("libx264rgb", "rgb24"), ("png", "rgb24"), ("qtrle", "rgb24")])
@pytest.mark.parametrize("edit", [False, True])
def test_rgb_keeps_its_colours(codec: str, pixel_format: str, edit: bool, tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32], image[24:, 32:] = (250, 10, 10), (10, 240, 10), (10, 10, 250), (240, 240, 10)
    source = write_video(tmp_path / ("a.mkv" if codec == "ffv1" else "a.mov"), [image] * 2, codec=codec, pixel_format=pixel_format)
    _copy(source, tmp_path / "b.mp4", edit=edit)
    assert np.abs(_frames(tmp_path / "b.mp4")[0].astype(int) - image).mean() < 4
    with av.open(str(tmp_path / "b.mp4")) as after:
        context = after.streams.video[0].codec_context
        assert (context.pix_fmt, context.colorspace, context.color_range) == ("yuv444p", 1, 1)


def test_variable_rate_keeps_its_duration(tmp_path: Path) -> None:
    pts = [0, 7, 8, 30, 31, 32, 90]
    source = write_video(tmp_path / "a.mp4", moving(7), pts=pts, time_base=Fraction(1, 1000))
    _copy(source, tmp_path / "b.mp4")
    with av.open(str(source)) as before, av.open(str(tmp_path / "b.mp4")) as after:
        a, b = before.streams.video[0], after.streams.video[0]
        assert a.frames == b.frames
        # The source's own duration counts from the first frame that is decoded, which is shown later than others.
        ends = [max((frame.pts + frame.duration) * stream.time_base for frame in stream.container.decode(stream)) for stream in (a, b)]
        assert float(ends[1] - ends[0]) == pytest.approx(0, abs=0.001)
        assert float(b.duration * b.time_base) == pytest.approx(float(ends[0]), abs=0.001)


@pytest.mark.parametrize("suffix", [".wmv", ".avi", ".flv", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"])
def test_a_whole_video_has_no_problem(suffix: str, video: Path, tmp_path: Path) -> None:
    with Reader(video) as read, Writer(tmp_path / f"a{suffix}", read.info) as writer:
        for frame in read:
            writer.put(frame)
    with Reader(tmp_path / f"a{suffix}") as read:
        assert sum(1 for _ in read) >= 19
        assert read.problem == ""


def test_clock_goes_on() -> None:
    clock = Clock(10)
    assert [clock.time(t) for t in (100, 110, 120, 115, 130, 0, 10, None, 30)] == [100, 110, 120, 115, 130, 140, 150, 160, 170]
    assert clock.n_restarts == 1


def test_the_files_that_went_wrong(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder.parent / "cases" / "films"
    if not folder.is_dir():
        pytest.skip("the cases are not in ../shared/cases")
    n_frames = {"cover-first.mp4": 16, "cover-first.mkv": 20, "joined.ts": 32, "sound.wmv": 20, "mirrored.mp4": 16, "interlaced.mp4": 12}
    for name, n in n_frames.items():
        target = tmp_path / name
        _copy(folder / name, target)
        assert len(_frames(target)) == n, name
