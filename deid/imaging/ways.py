"""Cheapest ways through a table of costs, by dynamic programming. Seams are such ways, and so are lines."""

import numpy as np
from numpy.typing import NDArray


def cheapest_way(cost: NDArray[np.floating], sideways: float = 0.0) -> NDArray[np.int64]:
    """The cheapest way (A,) through costs (A, S). From each row to the next it goes straight, or one place aside for ``sideways``."""
    sums, back = cheapest_sums(cost, sideways)
    return way_to(back, len(cost) - 1, int(sums[-1].argmin()))


def cheapest_sums(cost: NDArray[np.floating], sideways: float = 0.0) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """What the cheapest way to each place costs (A, S), and from where in the row before it comes (A, S). As for `cheapest_way`."""
    n, size = cost.shape
    back, sums = np.zeros((n, size), np.int64), np.empty_like(cost)
    index = np.arange(size)
    total = np.full(size + 2, np.inf, cost.dtype)
    total[1:-1] = sums[0] = cost[0]
    ways = np.empty((3, size), cost.dtype)
    for i in range(1, n):
        ways[0], ways[1], ways[2] = total[:-2] + sideways, total[1:-1], total[2:] + sideways
        best = ways.argmin(axis=0)
        back[i] = index + best - 1
        total[1:-1] = sums[i] = ways[best, index] + cost[i]
    return sums, back


def way_to(back: NDArray[np.int64], row: int, place: int) -> NDArray[np.int64]:
    """The way (row + 1,) to a place in a row. ``back`` is that of `cheapest_sums`."""
    way = [place]
    for i in range(row, 0, -1):
        way.append(int(back[i, way[-1]]))
    return np.array(way[::-1])
