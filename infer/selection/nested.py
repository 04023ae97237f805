"""Sets of frames that grow with one number, from the best hill to the whole video.

A row's distance says how large a set has to be until the row is in it. Of the best rows of hills
(`infer.selection.hills.hill_tops`) it is the gap g of their score to the question's best one,
squeezed to g/(1+g); all other rows come after them, from 1 to 2 in the same way. So a set is as
large as its question is unclear: a curve with one high hill has few rows near its best.

On training questions of the ladder and of the demo's scenes the plain gap needed as few frames as
gaps in standard deviations of the curve or in heights above its median, or fewer, and the rank of a
hill, which gives all questions one number, half as many again.

Legend: Q questions of one video, F its frames. Scores are finite.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats
from infer.selection.hills import hill_tops, local_maxima


class NestedSets(NamedTuple):
    """How large the sets are."""

    threshold: float
    """The distance of the last row, from 0; infinite: all rows."""
    coverage: float
    """The share of questions whose sets shall hold evidence."""


def rows_within(scores: Floats, threshold: float) -> Bools:
    """Return (Q, F) the rows whose distance is at most the threshold, from 0; at least one each."""
    below = _below(scores)
    tops = hill_tops(scores, local_maxima(scores) & (below <= threshold))
    return tops | (1 + below <= threshold)


def distances(scores: Floats, until: Bools | None = None) -> npt.NDArray[np.float64]:
    """Return (Q, F) the distance of each row.

    Args:
        scores: (Q, F).
        until: (Q, F) rows of which the nearest alone has to be right, which takes less time.
    """
    below = _below(scores)
    return np.where(hill_tops(scores, local_maxima(scores), until=until), below, 1 + below)


def least_distances(scores: Floats, wanted: Bools) -> npt.NDArray[np.float64]:
    """Return (Q,) the distance of the nearest wanted row; infinite where none is wanted.

    scores, wanted (Q, F).
    """
    nearest: npt.NDArray[np.float64] = np.where(wanted, distances(scores, wanted), np.inf)
    least: npt.NDArray[np.float64] = nearest.min(axis=1)
    return least


def _below(scores: Floats) -> npt.NDArray[np.float64]:
    """Return (Q, F) how far below its question's best row each one is, 0 to below 1."""
    exact = scores.astype(np.float64)
    gap = exact.max(axis=1, keepdims=True) - exact
    below: npt.NDArray[np.float64] = gap / (1 + gap)
    return below
