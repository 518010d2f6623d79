"""Frames as a player shows them: turned and mirrored by their display matrix, all of one size."""

from typing import Any

import numpy as np

from deid.video.library import pyav

#: FFmpeg's number of a frame's display matrix among its side data.
_DISPLAY_MATRIX = "DISPLAYMATRIX"
#: Decoders that give their side data a name, such as a colour profile's: PyAV 18.1 frees what it wraps of that twice, and the process ends.
_NAMED = {"apng", "exr", "jpegxl", "png", "tiff", "webp"}
#: A display matrix turns by no quarter when the smaller of its diagonals has so large a share of the other: 3 degrees.
_LEAST_OBLIQUE = 0.05


class Upright:
    """Turns and mirrors frames as the first one's display matrix says, to the nearest quarter.

    Args:
        picture: the first frame, as it was decoded.
        codec: FFmpeg's name of what decoded it.
    """

    def __init__(self, picture: Any, codec: str = "") -> None:
        matrix = _rotation(picture) if codec in _NAMED else _matrix(picture)
        steps = _steps(matrix)
        self.oblique = matrix is not None and _is_oblique(matrix)
        self.quarter = bool(steps) and steps[0][0] == "transpose"
        self.plain = not steps
        self._shape = picture.width, picture.height, picture.format.name
        self._graph = _graph(picture, steps) if steps else None

    def __call__(self, picture: Any) -> Any:
        if (picture.width, picture.height, picture.format.name) != self._shape:
            width, height, name = self._shape
            picture = _scaled(picture, width, height, name)
        if self._graph is None:
            return picture
        self._graph.push(picture)
        return self._graph.pull()

    def fits(self, picture: Any) -> bool:
        """Whether a frame has the size of the first one."""
        return (picture.width, picture.height) == self._shape[:2]


def _scaled(picture: Any, width: int, height: int, name: str) -> Any:
    scaled = picture.reformat(width, height, name)
    scaled.pts, scaled.time_base = picture.pts, picture.time_base
    return scaled


def _matrix(picture: Any) -> tuple[float, float, float, float] | None:
    """The numbers (a, b, c, d) of a frame's display matrix; None where it has none."""
    matrix = next((bytes(s) for s in picture.side_data if s.type.name == _DISPLAY_MATRIX), b"")
    if len(matrix) < 36:
        return None
    a, b, _, c, d, *_ = (float(v) for v in np.frombuffer(matrix[:36], np.int32))
    return a, b, c, d


def _rotation(picture: Any) -> tuple[float, float, float, float] | None:
    """The same from the frame's rotation alone, which says nothing of mirrors."""
    angle = np.deg2rad(picture.rotation)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return (cos, -sin, sin, cos) if angle else None


def _is_oblique(matrix: tuple[float, float, float, float]) -> bool:
    """Whether a display matrix turns by something between quarters."""
    a, b, c, d = (abs(v) for v in matrix)
    return min(a + d, b + c) > _LEAST_OBLIQUE * max(a + d, b + c)


def _steps(matrix: tuple[float, float, float, float] | None) -> list[tuple[str, str]]:
    """FFmpeg's filters that bring a frame into the place that its display matrix gives it.

    The matrix takes a point (x, y) of the frame to (a x + c y, b x + d y) on the screen, up to a shift.
    """
    if matrix is None:
        return []
    a, b, c, d = matrix
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    right, down = (c, b) if turned else (a, d)
    steps = [("transpose", "cclock_flip")] if turned else []
    # A flip upside down leaves the rows where they are and counts them backward: a copy has them in order.
    return steps + [("hflip", "")] * (right < 0) + [("vflip", ""), ("copy", "")] * (down < 0)


def _graph(picture: Any, steps: list[tuple[str, str]]) -> Any:
    graph = pyav().filter.Graph()
    nodes = [graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base)]
    nodes += [graph.add(name, argument) if argument else graph.add(name) for name, argument in steps]
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph
