"""The best rows of a video for events that follow one another: one row each, in order.

Legend: Q sequences of events about one video, E events, F its frames.
"""

import numpy as np

from index.arrays import Floats, Integers


def best_sequence(scores: Floats) -> Integers:
    """Choose strictly ascending rows, one for each event, whose scores have the greatest sum.

    Dynamic programming, as in dynamic time warping: the best sequence that ends in a row is that
    row and the best one of the events before that ends in an earlier row, a prefix maximum. So it
    is exact, and takes E passes over the frames. Of equal sums the earlier rows are chosen: no row
    of another best sequence is earlier than the one of the same event. Sums are made in float64.
    scores (E, F) or (Q, E, F) -> rows (E,) or (Q, E).

    Raises:
        ValueError: F < E, so that there is no such sequence.
    """
    *_, events, frames = scores.shape
    if frames < events:
        raise ValueError(f"{events} events need as many frames, and there are {frames}")
    curves = np.moveaxis(scores, -2, 0).astype(np.float64)  # (E, …, F)
    before = np.empty(curves.shape, np.int64)  # the best row for an event at or before a row
    best = np.zeros(curves.shape[1:])
    for e, sums in enumerate(curves):
        if e:
            sums[..., 1:] += best[..., :-1]
            sums[..., 0] = -np.inf
        np.maximum.accumulate(sums, axis=-1, out=best)
        new = np.ones(best.shape, np.bool_)
        new[..., 1:] = best[..., 1:] > best[..., :-1]
        np.maximum.accumulate(np.where(new, np.arange(frames), 0), axis=-1, out=before[e])
    rows = np.empty(scores.shape[:-1], np.int64)
    last = np.full((*rows.shape[:-1], 1), frames)
    for e in reversed(range(events)):
        last = np.take_along_axis(before[e], last - 1, axis=-1)
        rows[..., e] = last[..., 0]
    return rows
