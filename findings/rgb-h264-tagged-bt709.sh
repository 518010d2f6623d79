#!/bin/sh
# H.264 of RGB planes that is tagged BT.709 is decoded as YUV: its colours are wrong.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
cd "$dir"
venv/bin/python - <<'PYTHON'
import io
import sys

import av
import numpy as np

COLOUR = (220, 40, 90)


def through(tag: int) -> av.VideoFrame:
    """A lossless video of one colour by libx264rgb, and its first frame again."""
    picture = np.full((48, 64, 3), COLOUR, np.uint8)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264rgb", rate=10, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        stream.codec_context.colorspace = tag
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    with av.open(io.BytesIO(out.getvalue())) as container:
        return next(container.decode(video=0))


print("PyAV", av.__version__, "libavcodec", av.library_versions["libavcodec"])
colours = {}
for tag, name in ((0, "RGB"), (1, "BT.709")):
    frame = through(tag)
    colours[tag] = frame.to_ndarray(format="rgb24")[24, 32].tolist()
    print(f"written {list(COLOUR)}, matrix tagged {tag} ({name}): decoded as {frame.format.name}, colour {colours[tag]}")
off = max(abs(a - b) for a, b in zip(colours[1], COLOUR, strict=True))
if colours[0] != list(COLOUR) or off < 30:
    sys.exit("CHANGED: the tag is refused, mended or minded now")
print(f"REPRODUCED: a colour is off by {off} of 255 levels, without an error or a warning")
PYTHON
