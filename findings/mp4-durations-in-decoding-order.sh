#!/bin/sh
# MP4 of variable frame rate with B-frames: a frame's duration is the step to the next time of decoding, not the time that it is shown.
# The last frame ends before or after the video, and the spans of frames overlap and leave holes.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
cd "$dir"
venv/bin/python - <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags

print("PyAV", av.__version__, "with", av.ffmpeg_version_info)
MS = Fraction(1, 1000)
#: Milliseconds that each of 20 frames is shown.
SHOWN = [40, 90, 17, 300] * 4 + [40, 90, 17, 40]
TIMES = np.cumsum([0, *SHOWN[:-1]]).tolist()


def write(name, options):
    """A video by x264, whose encoder is told the time and the duration of each frame."""
    with av.open(name, "w") as out:
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.time_base = MS
        stream.codec_context.flags |= Flags.frame_duration
        for i, (at, shown) in enumerate(zip(TIMES, SHOWN, strict=True)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 10 * i + 20, np.uint8), "rgb24")
            frame.pts, frame.duration, frame.time_base = at, shown, MS
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def read(name):
    """(times of frames, their durations, end of the video that the file announces), in milliseconds."""
    with av.open(name) as video:
        frames = list(video.decode(video=0))
        end = round(video.duration / 1000)
    times = [round(frame.pts * frame.time_base / MS) for frame in frames]
    return times, [round(frame.duration * frame.time_base / MS) for frame in frames], end


def steps(name):
    """(durations of packets, steps from one time of decoding to the next) of all packets but the last."""
    with av.open(name) as video:
        packets = [p for p in video.demux(video=0) if p.size]
    return [p.duration for p in packets[:-1]], np.diff([p.dts for p in packets]).tolist()


seen = {}
for name, options in (("b.mp4", {}), ("no-b.mp4", {"bf": "0"}), ("b.mkv", {})):
    write(name, options)
    times, durations, end = seen[name] = read(name)
    frames_at = np.zeros(times[-1] + durations[-1], int)
    for at, duration in zip(times, durations, strict=True):
        frames_at[at : at + duration] += 1
    wrong = sum(a != b for a, b in zip(durations, SHOWN, strict=True))
    print(f"{name:8} end announced: {end} ms; end of the last frame: {len(frames_at)} ms; durations that are wrong: {wrong} of 20;",
          f"without a frame: {(frames_at == 0).sum()} ms; with two or more: {(frames_at > 1).sum()} ms")
print("shown for:", SHOWN)
print("in b.mp4: ", seen["b.mp4"][1])
if any(times != TIMES or end != sum(SHOWN) for times, _, end in seen.values()):
    sys.exit("CHANGED: times of frames, or the end that is announced, are others")
if seen["no-b.mp4"][1] != SHOWN or seen["b.mkv"][1] != SHOWN:
    sys.exit("CHANGED: durations are wrong without B-frames or in MKV, too")
durations, decoding = steps("b.mp4")
if seen["b.mp4"][1][-1] == SHOWN[-1] or durations != decoding:
    sys.exit("CHANGED: the last frame of the MP4 has its own duration")
print("REPRODUCED: in the MP4, durations are steps between times of decoding")
PYTHON
