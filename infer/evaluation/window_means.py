"""The mean of a figure of windows over all random draws, and its best, without all the pairs.

A window lasts from a draw's first row to its last; a video of three hours has 29 million. The ends
of the ranges cut them into *cells* of first rows × last rows, in each of which a range lies alike
to every window: around it, inside, across its start or its end, or apart. So its figure only rises
or only falls with either end of the window, and where one range is better than another at all four
corners of a cell it is better in the whole cell: their difference, times its denominators, is
monotonic or linear in either end. Hence the best is at a corner, and one range alone makes the
cell's figures. A cell in which none is the best at all corners is quartered, down to a few rows.

The figures of a cell are smooth, so they are summed by interpolation between Chebyshev points of
either side. They have a pole where a window has no length. In a cell as far from that as it is wide
a Chebyshev series of n terms errs by 5.8^-n (Trefethen, Approximation Theory and Approximation
Practice, chapter 8): at `_POINTS` by 1e-17, which is less than a sum over the pairs rounds.

Legend: E ranges, F rows, A and B first and last rows, R numbers of spare picks, N cells, P points.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebpts1, chebvander

from index.arrays import Bools, Floats, Integers
from index.spans import Spans
from infer.evaluation.window_draws import FEW, Ends

_POINTS = 22
_AT_ONCE = 2**18
"""Figures of corners that are held together."""


class _Corners(NamedTuple):
    """What the corners tell of some cells."""

    best: float
    """The best figure of a window at a corner of any."""
    dark: Bools
    """(N,) whether no window of a cell has a figure above 0."""
    lead: Integers
    """(N,) the range that makes the figures, in cells that are settled."""
    settled: Bools
    """(N,) whether all pairs are windows, and one range makes the figures, which are smooth."""


def mean_and_best(
    overlap: Callable[[Floats, Floats, Floats], Floats],
    shown: Spans,
    draws: Iterable[Ends],
    picks: int,
    ranges_s: Floats,
) -> tuple[float, float]:
    """Return the mean of a figure of windows over all draws, and the best of any draw.

    Args:
        overlap: `infer.evaluation.windows.iop` or `iou`.
        shown: The spans (F,) of all rows.
        draws: From `infer.evaluation.window_draws.ends_of_draws`.
        picks: Number of rows of a draw, two or more; no window holds fewer.
        ranges_s: (E, 2) the ranges in seconds, one or more.
    """
    mean, best = 0.0, 0.0
    for ends in draws:
        starts_s, ends_s = shown.time_s[ends.first], shown.end_s[ends.last]
        from_points = cache(partial(_points, starts_s, ends.first_chances))
        to_points = cache(partial(_points, ends_s, ends.last_chances))
        # Last row b ends a window that begins with first row a if b − a is at least this.
        apart = picks - 1 - (ends.last.start - ends.first.start)
        waiting = list(_some(_cells(starts_s, ends_s, ranges_s), len(ranges_s)))
        while waiting:
            cells = waiting.pop()
            told = _corners(overlap, starts_s, ends_s, cells, apart, ranges_s)
            best = max(best, told.best)
            few = (cells[:, 1::2] - cells[:, ::2] <= FEW).all(axis=1)
            done = told.dark | told.settled | few
            for n in np.flatnonzero(done & ~told.dark).tolist():
                a, a_end, b, b_end = cells[n].tolist()
                from_s, first_chances = from_points(a, a_end)
                to_s, last_chances = to_points(b, b_end)
                settled = bool(told.settled[n])
                ours = ranges_s[told.lead[n], None] if settled else ranges_s
                figures = overlap(from_s[:, None], to_s, ours).max(axis=0)
                mean += float(((first_chances @ figures) * last_chances).sum())
                if not settled:
                    window = np.arange(b, b_end) - np.arange(a, a_end)[:, None] >= apart
                    best = max(best, float(figures[window].max(initial=0.0)))
            waiting += _some(_quartered(cells[~done]), len(ranges_s))
    return mean, best


def _cells(starts_s: Floats, ends_s: Floats, ranges_s: Floats) -> Integers:
    """Return cells (N, 4) of all pairs: a first and a last row from, and before, these places."""
    places = [
        np.unique([0, *np.searchsorted(s, ranges_s.reshape(-1)), len(s)])
        for s in (starts_s, ends_s)
    ]
    a, b = np.meshgrid(*(own[:-1] for own in places))
    a_end, b_end = np.meshgrid(*(own[1:] for own in places))
    return np.stack([a, a_end, b, b_end], axis=-1).reshape(-1, 4)


def _some(cells: Integers, ranges: int) -> Iterator[Integers]:
    """Yield the cells, as many at a time as may be looked at together."""
    some = max(1, _AT_ONCE // (4 * ranges))
    for start in range(0, len(cells), some):
        yield cells[start : start + some]


def _corners(
    overlap: Callable[[Floats, Floats, Floats], Floats],
    starts_s: Floats,
    ends_s: Floats,
    cells: Integers,
    apart: int,
    ranges_s: Floats,
) -> _Corners:
    """Look at the corners of some cells (N, 4)."""
    a, b = cells[:, :2] - [0, 1], cells[:, 2:] - [0, 1]  # (N, 2) the outermost rows
    from_s, to_s = starts_s[a], ends_s[b]
    figures = overlap(from_s[:, :, None], to_s[:, None], ranges_s)  # (E, N, 2, 2)
    top = figures.max(axis=0)
    window = b[:, None] - a[:, :, None] >= apart
    leads = (figures == top).all(axis=(2, 3))  # (E, N)
    wide_s = np.maximum(np.ptp(from_s, axis=1), np.ptp(to_s, axis=1))
    smooth = to_s[:, 0] - from_s[:, 1] >= wide_s
    even = top.max(axis=(1, 2)) == top.min(axis=(1, 2))
    return _Corners(
        best=float(top[window].max(initial=0.0)),
        dark=~window.any(axis=(1, 2)) | ~top.any(axis=(1, 2)),
        lead=leads.argmax(axis=0),
        settled=window.all(axis=(1, 2)) & leads.any(axis=0) & (smooth | even),
    )


def _quartered(cells: Integers) -> Integers:
    """Halve both sides of cells (N, 4), or the one that has more than a few rows."""
    for column in (0, 2):
        long = cells[:, column + 1] - cells[:, column] > FEW
        middle = cells[:, column : column + 2].sum(axis=1)[long] // 2
        later = cells[long]
        later[:, column] = middle
        cells = cells.copy()
        cells[long, column + 1] = middle
        cells = np.concatenate([cells, later])
    return cells


def _points(at_s: Floats, chances: Floats, start: int, end: int) -> tuple[Floats, Floats]:
    """Return points (P,) in seconds that stand for some rows, and their chances (R, P).

    The sum of a smooth figure over the rows, by their chances, is that over the points by theirs.
    """
    own_s, own = at_s[start:end], chances[:, start:end]
    if end - start <= FEW:
        return own_s, own
    middle_s, half_s = (own_s[-1] + own_s[0]) / 2, (own_s[-1] - own_s[0]) / 2
    if half_s == 0:  # many rows at one time
        return own_s[:1], own.sum(axis=1, keepdims=True)
    places = chebpts1(_POINTS)
    series = own @ chebvander((own_s - middle_s) / half_s, _POINTS - 1)  # (R, P)
    back = chebvander(places, _POINTS - 1) * (2 / _POINTS)  # (P, P)
    back[:, 0] /= 2
    return middle_s + half_s * places, series @ back.T
