#!/bin/sh
# H.264 with B-frames in an AVI: frames come out of the decoder in the order shown, with the times of packets in the order stored.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
cd "$dir"
venv/bin/python - <<'PYTHON'
import sys

import av
import numpy as np

print("PyAV", av.__version__, "with", av.ffmpeg_version_info)


def times(name):
    """Of a video whose frames are brighter and brighter: brightness and time of each, as they are decoded."""
    with av.open(name, "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.options = {"bf": "2", "b_strategy": "0", "preset": "medium"}
        for i in range(20):
            picture = np.full((64, 64, 3), 10 * i + 20, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))
    with av.open(name) as video:
        frames = list(video.decode(video=0))
    return [float(f.to_ndarray(format="rgb24").mean()) for f in frames], [round(float(f.time * 10)) for f in frames]


mp4, avi = times("clip.mp4"), times("clip.avi")
for kind, (light, at) in (("MP4", mp4), ("AVI", avi)):
    print(f"{kind}: brighter from frame to frame: {bool((np.diff(light) > 0).all())}; times in frames: {at}")
ordered = [bool((np.diff(light) > 0).all()) for light, _ in (mp4, avi)]
if not all(ordered) or mp4[1] != sorted(mp4[1]) or avi[1] == sorted(avi[1]):
    sys.exit("CHANGED: frames have other times")
print("REPRODUCED: in the AVI, frames are in order and their times are not")
PYTHON
