"""Random draws of K rows of a video, or of a part of it: all that no question changes.

A draw is that of `infer.selection.strategies.pick_random`: one row of each of the K segments that
have any, all equally likely; then the empty segments' places go to rows left over, again all
equally likely.

Legend: F rows, K picks, G segments with rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from index.arrays import Integers
from index.spans import Spans
from infer.evaluation.window_draws import Ends, ends_of_draws
from infer.metrics import TimedQuestion


@dataclass(frozen=True)
class Draws:
    """All random draws of K of the rows that a question asks about."""

    shown: Spans
    """The spans (F,) of the rows, cut to the part that is asked about."""
    segment: Integers
    """(F,) ascending, from `infer.selection.strategies.segments`."""
    k: int

    @property
    def picks(self) -> int:
        """Number of rows of a draw: min(K, F)."""
        return min(self.k, len(self.segment))

    @cached_property
    def starts(self) -> Integers:
        """(G,) the first row of each segment that has any."""
        return np.flatnonzero(np.diff(self.segment, prepend=-1))

    @cached_property
    def sizes(self) -> Integers:
        """(G,) the number of rows of each."""
        return np.diff(self.starts, append=len(self.segment))

    @property
    def spare(self) -> int:
        """Number of picks that are drawn for segments without a row."""
        return self.picks - len(self.starts)

    @property
    def left(self) -> int:
        """Number of rows from which these are drawn: those that no segment's own draw took."""
        return len(self.segment) - len(self.starts)

    @cached_property
    def ends(self) -> list[Ends]:
        """First and last rows of the draws, which have two rows or more."""
        return list(ends_of_draws(self.sizes.tolist(), self.picks))


def draws_of(timed: TimedQuestion, k: int) -> Draws:
    """Return the draws of K of the rows that a question asks about."""
    return Draws(timed.shown, timed.segments(timed.time_s, k), k)


def by_rows(timed: Sequence[TimedQuestion], ks: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Yield the numbers of the questions that ask about the same rows, and their K of ks (N,)."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for n, (one, k) in enumerate(zip(timed, ks, strict=True)):
        # The very arrays: videos of one name need not have the same rows.
        rows = id(one.time_s), id(one.end_s), one.question.span_s, one.start_s, one.duration_s
        groups.setdefault((rows, k), []).append(n)
    yield from ((numbers, ks[numbers[0]]) for numbers in groups.values())


def with_draws(
    timed: Sequence[TimedQuestion], ks: Sequence[int]
) -> Iterator[tuple[int, TimedQuestion, Draws]]:
    """Yield the number of each question, itself and its draws of K, of ks (N,).

    Questions about the same rows follow each other, and have the same draws: what depends on these
    alone is reckoned once for all of them, and held no longer.
    """
    for numbers, k in by_rows(timed, ks):
        draws = draws_of(timed[numbers[0]], k)
        yield from ((n, timed[n], draws) for n in numbers)
