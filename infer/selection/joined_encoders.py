"""Scores of several encoders joined to one curve for each question.

Cosines of two encoders have their own level and spread, so each curve is standardised first, and
the sum of the curves counts. What the encoders mistake, they mistake at different frames.

Legend: Q questions of one video, F its frames.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from index.arrays import Floats


def joined(scores: Floats, others: Sequence[Floats]) -> Floats:
    """Sum the standardised scores of several encoders; without others, return scores as they are.

    scores (Q, F), others (Q, F) each -> (Q, F).
    """
    if not others:
        return scores
    total = standardised(scores)
    for one in others:
        total += standardised(one)
    return total.astype(np.float32)


def standardised(scores: Floats) -> npt.NDArray[np.float64]:
    """Move and scale each question's scores (Q, F) to a mean of 0 and a standard deviation of 1.

    Equal scores, which say nothing, become 0.
    """
    # In one layout, in which the sum of a row does not hang on the other rows.
    exact = np.ascontiguousarray(scores, np.float64)
    apart = exact - exact.mean(axis=1, keepdims=True)
    spread = apart.std(axis=1, keepdims=True)
    flat = exact.max(axis=1, keepdims=True) == exact.min(axis=1, keepdims=True)
    found: npt.NDArray[np.float64] = np.where(flat, 0.0, apart / np.where(flat, 1.0, spread))
    return found
