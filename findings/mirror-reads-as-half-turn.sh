#!/bin/sh
# A video that is only mirrored reads as one that is turned by 180 degrees: PyAV's frame.rotation.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.2.6
cd "$dir"
venv/bin/python - <<'PYTHON'
import io
import struct
import sys

import av
import numpy as np

ONE, W = 1 << 16, 1 << 30
MATRICES = {
    "as it is": (ONE, 0, 0, 0, ONE, 0, 0, 0, W),
    "left and right swapped": (-ONE, 0, 0, 0, ONE, 0, 64 * ONE, 0, W),
    "top and bottom swapped": (ONE, 0, 0, 0, -ONE, 0, 0, 48 * ONE, W),
    "half a turn": (-ONE, 0, 0, 0, -ONE, 0, 64 * ONE, 48 * ONE, W),
}


def film() -> bytes:
    """A short MP4, as PyAV writes it."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def with_matrix(data: bytes, matrix: tuple[int, ...]) -> bytes:
    """The same video with another display matrix in its track header (ISO 14496-12, 8.3.2)."""
    at = data.index(b"tkhd") + 44
    return data[:at] + struct.pack(">9i", *matrix) + data[at + 36 :]


def read(data: bytes) -> tuple[int, list[int]]:
    """What PyAV says: the rotation, and the first two rows of the matrix in the frame's side data."""
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        matrix = [np.frombuffer(item, np.int32).tolist() for item in frame.side_data]
        return frame.rotation, [matrix[0][i] // ONE for i in (0, 1, 3, 4)] if matrix else []


print("PyAV", av.__version__, "libavutil", av.library_versions["libavutil"])
data, seen = film(), {}
for name, matrix in MATRICES.items():
    seen[name] = read(with_matrix(data, matrix))
    print(f"{name:24} rotation {seen[name][0]:5}   side data (a, b, c, d) {seen[name][1]}")
rotations = [seen[name][0] for name in MATRICES]
if rotations != [0, -180, 0, -180] or seen["left and right swapped"][1] != [-1, 0, 0, 1]:
    sys.exit("CHANGED: mirrors are told from turns now, or the side data is another")
print("REPRODUCED: a mirror reads as half a turn, or as nothing; the side data holds the truth")
PYTHON
