"""Two numbers beside each other, of which one is less."""

import math

#: Numbers that differ less than this many digits show are written out.
_MOST_DIGITS = 6


def below(value: float, limit: float, digits: int = 2, unit: str = "") -> str:
    """A value that is less than a limit, beside it, with as many digits as show that it is less.

    Args:
        value: it is rounded down.
        limit: it is rounded.
        digits: so many at least.
        unit: stands after both.

    Examples:
        >>> below(0.3162, 0.5)
        '0.31 < 0.50'
        >>> below(0.3797, 0.38)
        '0.37 < 0.38'
        >>> below(0.48312, 0.48487)
        '0.483 < 0.485'
    """
    for n in range(digits, _MOST_DIGITS + 1):
        # Rounded first: a network's 0.49 is a little less than that.
        shown, least = math.floor(round(float(value) * 10**n, 3)) / 10**n, round(limit, n)
        if shown < least:
            return f"{shown:.{n}f}{unit} < {least:.{n}f}{unit}"
    return f"{value}{unit} < {limit}{unit}"
