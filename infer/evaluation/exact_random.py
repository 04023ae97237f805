"""Exact distributions over random draws of picks: numbers of matched spans, chances of no match.

A draw is that of `infer.selection.strategies.pick_random`: one row of each of the K segments that
have any, all equally likely; then the empty segments' places go to rows left over, again all
equally likely.

Legend: E spans of a question, F rows of its video, K picks, S sets of rows, G segments with rows.
"""

from collections import Counter
from collections.abc import Iterator
from math import comb
from typing import Literal

import numpy as np

from index.arrays import Bools, Floats, Integers

_PAIRS = 2**15
"""Pairs of rows that are looked at together: as many numbers as a core's cache holds."""


def ways_to_match(
    met: Bools, segment: Integers, k: int, *, counts: Literal["spans", "picks"]
) -> dict[int, int]:
    """Count the random draws by how many spans, or picks, they match.

    Rows are walked in time order by *cells*, runs of rows inside the same spans. The state holds
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
    spare = min(k, len(segment)) - len(np.unique(segment))
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

    A cell is (its spans, spans to come, number of rows); spans are bits of an integer.
    """
    changes = np.diff(segment, prepend=-1) != 0
    changes[1:] |= (met[:, 1:] != met[:, :-1]).any(axis=0)
    starts = np.flatnonzero(changes)
    sizes = np.diff(starts, append=len(segment))
    spans = [sum(1 << e for e in np.flatnonzero(met[:, row]).tolist()) for row in starts]
    later = [0] * len(spans)
    for cell in range(len(spans) - 1, 0, -1):
        later[cell - 1] = later[cell] | spans[cell]
    cells = list(zip(spans, later, sizes.tolist(), strict=True))
    borders = np.flatnonzero(np.diff(segment[starts], prepend=-1)).tolist()
    for first, end in zip(borders, [*borders[1:], len(cells)], strict=True):
        yield cells[first:end]


def chance_of_none(inside: Integers, sizes: Integers, k: int) -> Floats:
    """Return (S,) the chance that a draw has no row of a set.

    Args:
        inside: (S, G) number of each segment's rows that are in the set.
        sizes: (G,) number of each segment's rows, none of them 0.
        k: K.
    """
    left = sizes.sum() - len(sizes)  # rows that no segment's own draw took
    spare = min(k, sizes.sum()) - len(sizes)
    first: Floats = ((sizes - inside) / sizes).prod(axis=1)
    # Where none of the set was drawn so far, all of it is among the rows left.
    for place in range(spare):
        first *= np.maximum(0, left - inside.sum(axis=1) - place) / (left - place)
    return first


def chance_of_span(segment: Integers, k: int) -> Iterator[tuple[Integers, Integers, Floats]]:
    """Compute the joint distribution of a draw's first and last row.

    Yields:
        First rows, last rows and the chances of these pairs, of shapes that broadcast. There are
        no more than `_PAIRS` of them at a time, or those of one first row.
    """
    _, sizes = np.unique(segment, return_counts=True)  # (G,)
    rows, picks = len(segment), min(k, len(segment))
    spare, left = picks - len(sizes), rows - len(sizes)
    last = np.arange(rows - sizes[-1], rows)  # every draw has a row of the last segment with rows

    def chance_within(start: int, end: Integers) -> Floats:
        """Return (B,) the chance that all rows of a draw are from start to end, inclusive."""
        inside = np.maximum(0, end - start + 1)
        if len(sizes) == 1:
            chance = inside / sizes[0]
        else:
            own = (sizes[0] - start) * (end - (rows - sizes[-1]) + 1)
            chance = own / (sizes[0] * sizes[-1])
        for place in range(spare):
            chance = chance * np.maximum(0, inside - len(sizes) - place) / (left - place)
        return np.asarray(chance, np.float64)

    if picks == 1:
        yield last, last, np.array(1 / rows)
        return
    if len(sizes) > 1 and not spare:  # and a row of the first segment with rows
        some = max(1, _PAIRS // len(last))
        for start in range(0, sizes[0], some):
            firsts = np.arange(start, min(start + some, sizes[0]))
            yield firsts[:, None], last, np.array(1 / (sizes[0] * sizes[-1]))
        return
    for first in range(sizes[0]):
        ends = last[last - first + 1 >= picks]  # rows from first to last, both counted
        if len(ends):
            here, after = (chance_within(first + step, ends) for step in (0, 1))
            here_before, after_before = (chance_within(first + step, ends - 1) for step in (0, 1))
            chances = here - after - here_before + after_before
            yield np.array([first]), ends, np.maximum(chances, np.finfo(np.float64).tiny)
