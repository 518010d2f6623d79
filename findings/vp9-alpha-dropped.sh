#!/bin/sh
# FFmpeg's own VP9 decoder drops the transparency of WebM videos; libvpx-vp9 gives it.
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


def film() -> bytes:
    """A WebM whose left half is see-through."""
    picture = np.full((48, 64, 4), 200, np.uint8)
    picture[:, :32, 3] = 0
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="yuva420p")))
        container.mux(stream.encode())
    return out.getvalue()


def by_default(data: bytes) -> av.VideoFrame:
    with av.open(io.BytesIO(data)) as container:
        print("the file says alpha_mode =", container.streams.video[0].metadata.get("alpha_mode"))
        return next(container.decode(video=0))


def by_libvpx(data: bytes) -> av.VideoFrame:
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(io.BytesIO(data)) as container:
        for packet in container.demux(video=0):
            for frame in decoder.decode(packet):
                return frame
    raise RuntimeError("no frame")


print("PyAV", av.__version__, "libavcodec", av.library_versions["libavcodec"])
data = film()
plain, whole = by_default(data), by_libvpx(data)
alpha = whole.to_ndarray(format="rgba")[24, [8, 56], 3]
print("default decoder:", plain.format.name)
print("libvpx-vp9:     ", whole.format.name, "alpha left and right:", alpha.tolist())
if plain.format.name != "yuv420p" or whole.format.name != "yuva420p" or alpha[0] > 20 or alpha[1] < 180:
    sys.exit("CHANGED: the default decoder gives the alpha, or libvpx-vp9 does not")
print("REPRODUCED: what the transparency holds is not seen unless libvpx-vp9 is asked for")
PYTHON
