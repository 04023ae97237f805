"""Hills of a score curve: the stretches of frames that fit a question, each with one best frame.

Legend: Q questions of one video, F its frames, K picks. Scores are finite.
"""

import numpy as np

from index.arrays import Bools, Floats, Integers
from infer.selection.published import filled_up
from infer.selection.strategies import pick_quarters


def local_maxima(scores: Floats) -> Bools:
    """Return (Q, F) whether a frame is a peak: the first of equal frames, those around are lower.

    The ends of a curve may be peaks. A flat curve has one, its first frame.
    """
    frames = scores.shape[1]
    place = np.arange(frames)
    step = np.sign(np.diff(scores, axis=1))  # (Q, F−1) from each frame to the next
    # Equal neighbours count as one frame: look past them to the next step up or down.
    at = np.where(step != 0, place[1:], frames)
    coming = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]  # the row after the next step
    after = np.take_along_axis(step, np.minimum(coming, frames - 1) - 1, axis=1)
    falls = np.ones(scores.shape, np.bool_)
    falls[:, :-1] = (coming == frames) | (after < 0)
    rises = np.ones(scores.shape, np.bool_)
    rises[:, 1:] = step > 0
    return rises & falls


def hill_around(scores: Floats, rows: Integers) -> tuple[Integers, Integers]:
    """Return the first and the last row of the hill on which a row of each question is.

    A hill is the frames around a row that score at least halfway from the question's median, what
    the video scores where nothing is found, to the row's own score: its width at half height.

    scores (Q, F), rows (Q,) -> (Q,), (Q,).
    """
    return _around(scores, rows, np.median(scores, axis=1, keepdims=True))


def _around(scores: Floats, rows: Integers, base: Floats) -> tuple[Integers, Integers]:
    """Do the work of `hill_around` with the medians (Q, 1)."""
    frames = scores.shape[1]
    top = np.take_along_axis(scores, rows[:, None], axis=1).astype(np.float64)
    below = scores < np.minimum(top, (top + base) / 2)  # (Q, F)
    place = np.arange(frames)
    before = np.where(below & (place < rows[:, None]), place, -1).max(axis=1)
    after = np.where(below & (place > rows[:, None]), place, frames).min(axis=1)
    return before + 1, after - 1


def hill_tops(
    scores: Floats, free: Bools, most: int | None = None, until: Bools | None = None
) -> Bools:
    """Return (Q, F) which rows are the best of their hills.

    Again and again the best free peak that lies on no hill already taken (`hill_around`), the
    earlier on a tie.

    Args:
        scores: (Q, F).
        free: (Q, F) the peaks of `local_maxima`, or of each question those from a score up.
        most: Hills of a question; None: all.
        until: (Q, F) rows of which one is enough: a question has no hill below the best of them.
    """
    place = np.arange(scores.shape[1])
    base = np.median(scores, axis=1, keepdims=True)
    left, taken = free.copy(), np.zeros(scores.shape, np.bool_)
    for _ in range(min(most or scores.shape[1], scores.shape[1])):
        asked = np.flatnonzero(left.any(axis=1))
        if not len(asked):
            break
        inside = scores[asked]
        rows = np.where(left[asked], inside, -np.inf).argmax(axis=1)  # the first of equals
        taken[asked, rows] = True
        first, last = _around(inside, rows, base[asked])
        left[asked] &= (place < first[:, None]) | (place > last[:, None])
        if until is not None:
            left[asked[until[asked, rows]]] = False
    return taken


def pick_hills(scores: Floats, time_s: Floats, duration_s: float, k: int) -> Integers:
    """Take the best frame of each of the K best hills, the earlier on a tie.

    So picks are apart by at least the width of what they show (`hill_tops`). Where there are fewer
    than K, the best frames of the K equal segments fill up, the best first, then the best others.

    For curves that are smoothed (`infer.selection.smoothing`): on others each jitter is a peak.
    scores (Q, F), time_s (F,) -> rows (Q, min(K, F)).
    """
    taken = hill_tops(scores, local_maxima(scores), k)
    spread = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(spread, pick_quarters(scores, time_s, duration_s, k), True, axis=1)
    return filled_up(taken, scores, k, first=spread)
