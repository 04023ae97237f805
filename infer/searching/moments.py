"""The moments of a video: its hills, each once.

Legend: Q queries, F frames of a video, R moments of all queries.
"""

from typing import NamedTuple

import numpy as np

from index.arrays import Bools, Floats, Integers
from infer.selection.hills import hill_around, local_maxima


class Moments(NamedTuple):
    """Moments of a video, query by query, the best of each first."""

    query: Integers
    """(R,) whose they are, ascending."""
    peak: Integers
    """(R,) row of the best frame, the earlier on a tie."""
    first: Integers
    """(R,) first row."""
    last: Integers
    """(R,) last row."""


def find_moments(scores: Floats, most: int) -> Moments:
    """Cut the score curves of a video into moments: scores (Q, F) -> at most `most` of each query.

    Again and again the best peak whose hill (`infer.selection.hills`) has no row in common with a
    better moment: between the two, the curve falls below half the height of the lower. No row is in
    two moments, and rows that are on the slope of a better moment are in none.
    """
    queries, frames = scores.shape
    place = np.arange(frames)
    free = local_maxima(scores)
    taken = np.zeros(scores.shape, np.bool_)
    count = np.zeros(queries, np.int64)
    found: list[tuple[Integers, ...]] = []
    while len(left := np.flatnonzero(free.any(axis=1) & (count < most))):
        inside = scores[left]
        peak = np.where(free[left], inside, -np.inf).argmax(axis=1)  # the first of equals
        first, last = hill_around(inside, peak)
        hill: Bools = np.logical_and(place >= first[:, None], place <= last[:, None])
        apart: Bools = np.logical_not((hill & taken[left]).any(axis=1))
        # A lower peak of this hill has a wider hill, which would meet the same moments.
        free[left] &= ~hill
        taken[left] |= hill & apart[:, None]
        count[left] += apart
        found.append((left[apart], peak[apart], first[apart], last[apart]))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Moments(*(column[order] for column in columns))
