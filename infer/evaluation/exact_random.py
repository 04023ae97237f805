"""Exact distributions over random draws of picks: numbers of matched spans, chances of no match.

`infer.evaluation.draws` says what a draw is.

Legend: E spans of a question, F rows of its video, K picks, S sets of rows, G segments with rows.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from math import comb
from typing import Literal

import numpy as np

from index.arrays import Bools, Floats, Integers


def ways_to_match(
    met: Bools, segment: Integers, k: int, *, counts: Literal["spans", "picks"]
) -> dict[int, int]:
    """Count the random draws by how many spans, or picks, they match.

    Rows are walked segment by segment, by *cells*, rows inside the same spans. The state holds
    only those matched spans that have rows still to come: a span whose rows are all passed is
    counted and forgotten. So there are few states where spans are runs of rows, as time ranges are,
    and the count is exact for any spans.

    A set of rows can be drawn in several ways: if it has c rows of a segment, any of the c may be
    the segment's own draw, the others filling empty places, which makes c ways.

    Args:
        met: (E, F) which rows are inside which spans.
        segment: (F,) ascending, from `infer.selection.strategies.segments`.
        k: K.
        counts: "spans" that have a pick inside, or "picks" that are inside a span.

    Returns:
        {number matched: ways}, all draws being equally likely ways.
    """
    if counts == "picks":
        met = np.any(met, axis=0, keepdims=True)
    spare = min(k, len(segment)) - 1 - int(np.count_nonzero(np.diff(segment)))
    # (picks left for empty segments, number matched, matched spans with rows to come): ways
    ways = Counter({(spare, 0, 0): 1})
    for cells in _cells(met, segment):
        # The same states, preceded by the number of rows taken in this segment.
        here = Counter({(0, *state): n for state, n in ways.items()})
        for spans, later, rows in cells:
            after: Counter[tuple[int, int, int, int]] = Counter()
            for (taken, spare, matched, seen), n in here.items():
                after[taken, spare, matched, seen & later] += n  # the cell is passed over
                new = (spans & ~seen).bit_count()
                for more in range(1, min(rows, 1 + spare - taken) + 1):
                    gain = new if counts == "spans" else more * spans
                    state = (taken + more, spare, matched + gain, (seen | spans) & later)
                    after[state] += n * comb(rows, more)
            here = after
        ways = Counter()
        for (taken, spare, matched, seen), n in here.items():
            if taken:
                ways[spare - (taken - 1), matched, seen] += n * taken
    by_number: Counter[int] = Counter()
    for (spare, matched, _), n in ways.items():
        if not spare:
            by_number[matched] += n
    return dict(by_number)


def _cells(met: Bools, segment: Integers) -> Iterator[list[tuple[int, int, int]]]:
    """Yield the cells of each segment with rows, in time order.

    A cell is (its spans, spans to come, number of rows); spans are bits of an integer. All rows of
    a segment that are inside the same spans are one cell, for they are drawn alike.
    """
    changes = np.diff(segment, prepend=-1) != 0
    changes[1:] |= (met[:, 1:] != met[:, :-1]).any(axis=0)
    starts = np.flatnonzero(changes)
    sizes = np.diff(starts, append=len(segment)).tolist()
    rows: dict[tuple[int, int], int] = {}
    for start, number, size in zip(starts, segment[starts].tolist(), sizes, strict=True):
        cell = number, sum(1 << e for e in np.flatnonzero(met[:, start]).tolist())
        rows[cell] = rows.get(cell, 0) + size
    later, to_come = 0, []
    for _, spans in reversed(rows):
        to_come.append(later)
        later |= spans
    cells = zip(rows.items(), reversed(to_come), strict=True)
    for _, own in groupby(cells, key=lambda cell: cell[0][0][0]):
        yield [(spans, later, size) for ((_, spans), size), later in own]


def chance_of_none(inside: Integers, sizes: Integers, left: int, spare: int) -> Floats:
    """Return (S,) the chance that a draw has no row of a set.

    Args:
        inside: (S, G) number of each segment's rows that are in the set.
        sizes: (G,) number of each segment's rows, none of them 0. Segments of which no set has a
            row may be left out.
        left: Number of all rows that no segment's own draw took.
        spare: Number of picks that are drawn from these.
    """
    none: Floats = ((sizes - inside) / sizes).prod(axis=1)
    # Where none of the set was drawn so far, all of it is among the rows left.
    for place in range(spare):
        none *= np.maximum(0, left - inside.sum(axis=1) - place) / (left - place)
    return none
