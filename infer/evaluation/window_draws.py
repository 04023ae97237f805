"""The first and the last row of a random draw: the chances of all pairs of rows to be these.

A draw is that of `infer.evaluation.draws`: its first row is one of the first segment that
has rows, its last row one of the last. Spare picks, the places of segments without rows, can fall
there too. Given how many of them do, first and last row are independent: each is the least, or the
greatest, of so many rows of its segment, all sets being equally likely. So the A·B chances are the
product of two small tables, and what is summed over rows alone is never summed over pairs.

Legend: G segments with rows, A and B first and last rows, R numbers of spare picks.
"""

from collections.abc import Iterator, Sequence
from math import comb
from typing import NamedTuple

import numpy as np

from index.arrays import Floats, Integers

FEW = 64
"""Rows of which all pairs are looked at one by one."""
_NEVER = 1e-25
"""A number of spare picks that is less likely is left out: no figure is above 1."""


class Ends(NamedTuple):
    """The draws whose first row is in one run of rows, and whose last row in another."""

    first: slice
    """The A rows."""
    last: slice
    """The B rows."""
    first_chances: Floats
    """(R, A); the chance of a pair is the product of its column with that of the last row."""
    last_chances: Floats
    """(R, B)"""


def ends_of_draws(sizes: Sequence[int], picks: int) -> Iterator[Ends]:
    """Yield the first and last rows of all draws; the sum of the chances of all pairs is 1.

    Args:
        sizes: (G,) number of each segment's rows, none of them 0.
        picks: Number of rows that a draw takes: two or more, G or more.
    """
    rows = sum(sizes)
    if len(sizes) == 1:
        yield from _of_one_segment(0, rows, picks, 1.0)
        return
    a, b, spare = sizes[0], sizes[-1], picks - len(sizes)
    # Spare picks are drawn from the rows that no segment's own draw took.
    between = rows - len(sizes) - (a - 1) - (b - 1)
    in_first = _hypergeometric(a - 1, between + b - 1, spare)
    in_last = np.zeros((len(in_first), min(b - 1, spare) + 1))
    for taken in np.flatnonzero(in_first).tolist():
        found = in_first[taken] * _hypergeometric(b - 1, between, spare - taken)
        in_last[taken, : len(found)] = found
    likely = in_last > _NEVER
    those, these = (np.flatnonzero(likely.any(axis=axis)) for axis in (1, 0))
    last_chances = in_last[np.ix_(those, these)] @ _least_of(b, these + 1)[:, ::-1]
    yield Ends(slice(0, a), slice(rows - b, rows), _least_of(a, those + 1), last_chances)


def _of_one_segment(start: int, end: int, picks: int, chance: float) -> Iterator[Ends]:
    """Yield the ends of draws of any rows from start to end, which have this chance together.

    Either the picks lie in both halves of the rows, and are independent given how many are in
    which, or all are in one half: then the same holds for this one.
    """
    rows = end - start
    if rows < picks:
        return
    if rows <= FEW:
        between = np.arange(rows) - np.arange(rows)[:, None] - 1
        ways = np.array([comb(n, picks - 2) / comb(rows, picks) for n in range(rows)])
        table = np.where(between < 0, 0.0, chance * ways[between])
        yield Ends(slice(start, end), slice(start, end), np.eye(rows), table)
        return
    middle = (start + end) // 2
    halves = middle - start, end - middle
    in_left = _hypergeometric(*halves, picks)
    some = 1 + np.flatnonzero(in_left[1:picks] > _NEVER)
    first_chances = chance * in_left[some, None] * _least_of(halves[0], some)
    last_chances = _least_of(halves[1], picks - some)[:, ::-1]
    yield Ends(slice(start, middle), slice(middle, end), first_chances, last_chances)
    all_left = float(in_left[picks]) if picks < len(in_left) else 0.0
    yield from _of_one_segment(start, middle, picks, chance * all_left)
    yield from _of_one_segment(middle, end, picks, chance * float(in_left[0]))


def _hypergeometric(these: int, others: int, picks: int) -> Floats:
    """Return (min(these, picks) + 1,) the chances of so many of these rows among the picks.

    The picks are drawn from these rows and others, all sets being equally likely.
    """
    least, most = max(0, picks - others), min(these, picks)
    n = np.arange(least, most, dtype=np.float64)
    grows = (these - n) * (picks - n) / ((n + 1) * (others - picks + n + 1))
    peak = int(np.count_nonzero(grows > 1))  # from here down on both sides: nothing overflows
    up, down = np.cumprod(grows[peak:]), np.cumprod(1 / grows[:peak][::-1])
    chances = np.concatenate([np.zeros(least), down[::-1], [1.0], up])
    return np.asarray(chances / chances.sum())


def _least_of(rows: int, picks: Integers) -> Floats:
    """Return (R, rows) the chances of each row to be the least of so many (R,) picks of them."""
    found = np.empty((len(picks), rows))
    chance = np.full(rows, 1 / rows)
    later = np.arange(rows)[::-1]  # number of rows after each
    for n in range(1, int(picks.max()) + 1):
        found[picks == n] = chance
        chance = chance * np.maximum(0, later + 1 - n) * ((n + 1) / (n * max(1, rows - n)))
    return found
