"""Which frames of a video are negatives of a question: NumPy only, nothing is decoded or encoded.

The timeline has equal segments. Each gives the first of its candidates, in some order, that is far
enough from the true frames in time and unlike them in looks: a random order gives what drawing
again and again until one passes would, the order of text scores gives hard negatives.

Legend: F candidates (frames of one video), T true frames of a question, R its support ranges,
D width of a vector, N negatives.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from infer.metrics import inside
from infer.pick import question_seed, segments

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.int64]

DECIMALS = 4
"""Cosines are compared, and written down, rounded to these. One frame has vectors that differ by
about 1e-6 from batch to batch, and so do its fresh ones from those in an index; rounded, equal
frames are equal."""


def highest_similarity(frames: Floats, true: Floats) -> Floats:
    """The cosine of each frame to the true frame that is most like it.

    frames (F, D), true (T, D), unit vectors of any float -> (F,) float64, rounded. Both are taken
    as float16, which is what an index stores.
    """
    cosines = _stored(frames) @ _stored(true).T  # (F, T)
    highest: Floats = np.round(cosines.max(axis=1).astype(np.float64), DECIMALS)
    return highest


def random_order(candidates: int, seed: int, question_id: str) -> Floats:
    """(F,) a number for each candidate, the same whatever else is mined; the lowest comes first."""
    return np.random.default_rng(question_seed(seed, question_id)).random(candidates)


def hard_order(frames: Floats, text: Floats) -> Floats:
    """(F,) the lower, the more a frame looks like the question's text; (F, D) and (D,)."""
    scores = _stored(frames) @ text.astype(np.float32)  # (F,)
    return -np.round(scores.astype(np.float64), DECIMALS)


def choose_negatives(
    time_s: Floats,
    duration_s: float,
    *,
    true_s: Floats,
    ranges_s: Floats,
    similarity: Floats,
    order: Floats,
    num_segments: int,
    guard_s: float,
    threshold: float,
) -> Rows:
    """At most one frame of each segment, which passes all tests and comes first in the order.

    Args:
        time_s: (F,) candidates, seconds, ascending.
        duration_s: Length of the timeline.
        true_s: (T,) times of the true frames; what is within guard_s of one is no negative.
        ranges_s: (R, 2) starts and ends of evidence; what is inside, ends included, is none.
        similarity: (F,) highest cosine to a true frame; only what is below the threshold passes.
        order: (F,) the lowest comes first, of equals the earlier.
        num_segments: Equal parts of the timeline, as `infer.pick.segments` cuts it.
        guard_s: 0 keeps out the true frames themselves.
        threshold: Above 1 everything passes.

    Returns:
        (N,) rows of the candidates, ascending, N ≤ num_segments.
    """
    around = np.asarray(true_s, np.float64).reshape(-1, 1) + np.array([-guard_s, guard_s])  # (T, 2)
    evidence = np.concatenate([around, np.asarray(ranges_s, np.float64).reshape(-1, 2)])
    passes = ~inside(time_s, evidence).any(axis=0) & (similarity < threshold)  # (F,)
    part = segments(time_s, duration_s, num_segments)  # (F,)
    rows = [
        rows[order[rows].argmin()]  # the first of equals
        for number in range(num_segments)
        if len(rows := np.flatnonzero(passes & (part == number)))
    ]
    return np.array(rows, np.int64)


def _stored(vectors: Floats) -> npt.NDArray[np.float32]:
    """Unit vectors as an index would give them back, and of unit length again."""
    stored = vectors.astype(np.float16).astype(np.float32)
    unit: npt.NDArray[np.float32] = stored / np.linalg.norm(stored, axis=-1, keepdims=True)
    return unit
