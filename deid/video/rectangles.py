"""Rectangles of whole pixels."""

from collections.abc import Sequence


def merged(boxes: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Boxes of which none touches another: those that do become one."""
    apart: list[tuple[int, int, int, int]] = []
    for box in boxes:
        while met := [b for b in apart if b[0] <= box[2] and box[0] <= b[2] and b[1] <= box[3] and box[1] <= b[3]]:
            apart = [b for b in apart if b not in met]
            sides = list(zip(box, *met, strict=True))
            box = (min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3]))
        apart.append(box)
    return apart
