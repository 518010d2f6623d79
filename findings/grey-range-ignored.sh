#!/bin/sh
# Grey video: the conversion to RGB takes grey samples for full range, whatever range the video is tagged with. YUV of the same tag is
# stretched: one picture in grey and in YUV has two contrasts.
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
#: Range tags of FFmpeg: 1 is video range (16 to 235), 2 full range (0 to 255).
VIDEO, FULL = 1, 2


def read(pix_fmt, tag):
    """(darkest, lightest) RGB of a lossless video whose samples are 16 and 235, tagged with this range."""
    with av.open("clip.mkv", "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pix_fmt
        stream.codec_context.color_range = tag
        frame = av.VideoFrame(64, 64, pix_fmt)
        for plane in frame.planes:
            plane.update(np.full((plane.height, plane.line_size), 128, np.uint8))
        luma = np.full((64, frame.planes[0].line_size), 16, np.uint8)
        luma[:, 32:] = 235
        frame.planes[0].update(luma)
        frame.color_range = tag
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open("clip.mkv") as video:
        (frame,) = video.decode(video=0)
        rgb = frame.to_ndarray(format="rgb24")
    return int(rgb[:, :32].mean().round()), int(rgb[:, 40:].mean().round())


found = {(fmt, tag): read(fmt, tag) for fmt in ("gray", "yuv420p") for tag in (VIDEO, FULL)}
for (fmt, tag), (dark, light) in found.items():
    print(f"{fmt}, tagged {'video' if tag == VIDEO else 'full'} range: samples 16 and 235 are shown as {dark} and {light}")
if found["yuv420p", VIDEO][0] > 2 or found["yuv420p", VIDEO][1] < 253:
    sys.exit("CHANGED: YUV of video range is not stretched")
if found["gray", VIDEO] != found["gray", FULL]:
    sys.exit("CHANGED: grey follows its tag")
print("REPRODUCED: the tag of a grey video is ignored")
PYTHON
