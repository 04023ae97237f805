"""Choose the negatives of a question from its video: NumPy only, nothing is decoded or encoded.

The timeline has equal segments. Each gives the first of its candidates, in a given order, that is
far enough from the true frames in time and not too similar to them: a random order is equivalent to
drawing until a candidate passes, the order of text scores gives hard negatives.

Legend: F candidates (frames of one video), T true frames of a question, R its labelled ranges,
V tiles of a frame, D width of a vector, N negatives.
"""

import numpy as np
import numpy.typing as npt

from index.arrays import Bools, Floats, Integers
from index.spans import shown_during
from infer.selection.parts import SpanSeconds, bounds
from infer.selection.strategies import question_seed, segments

DECIMALS = 4
"""Decimals to which cosines are rounded before they are compared and recorded. The vectors of one
frame differ by about 1e-6 from batch to batch, and so do fresh ones from those in an index;
rounded, equal frames are equal."""


def highest_similarity(frames: Floats, true: Floats) -> Floats:
    """Return the cosine of each frame to the true frame most similar to it.

    Of frames of several tiles, the mean cosine of the tiles at one place. frames (F, V, D), true
    (T, V, D), unit vectors of any float -> (F,) float64, rounded. Both are taken as float16, which
    is what an index stores.
    """
    _, tiles, width = frames.shape
    whole, others = (_stored(own).reshape(len(own), tiles * width) for own in (frames, true))
    cosines = whole @ others.T / tiles  # (F, T)
    highest: Floats = np.round(cosines.max(axis=1).astype(np.float64), DECIMALS)
    return highest


def random_order(candidates: int, seed: int, question_id: str) -> Floats:
    """Return a sort key per candidate, (F,), the same whatever else is mined; lowest first."""
    return np.random.default_rng(question_seed(seed, question_id)).random(candidates)


def hard_order(frames: Floats, text: Floats) -> Floats:
    """Return a sort key per frame, (F,), lowest for the one most similar to the text.

    frames (F, V, D), text (w, D) or (D,), unit vectors; the best of a frame's tiles and of a text's
    windows counts.
    """
    windows = np.atleast_2d(text).astype(np.float32)
    of_tiles = _stored(frames).reshape(-1, windows.shape[1]) @ windows.T  # (F·V, w)
    scores = of_tiles.reshape(len(frames), -1).max(axis=1)  # (F,)
    order: Floats = -np.round(scores.astype(np.float64), DECIMALS)
    return order


def shows_answer(
    time_s: Floats,
    end_s: Floats,
    duration_s: float,
    *,
    support_s: Floats,
    ranges_s: Floats,
    guard_s: float,
) -> Bools:
    """Return (F,) which frames are shown near a support time or during a range.

    Arguments are those of `choose_negatives`.
    """
    moments_s = np.minimum(support_s, duration_s).reshape(-1, 1)
    around = moments_s + np.array([-guard_s, guard_s])  # (T, 2)
    evidence = np.concatenate([around, np.asarray(ranges_s, np.float64).reshape(-1, 2)])
    return np.asarray(shown_during(time_s, end_s, evidence).any(axis=0))


def is_asked_about(time_s: Floats, end_s: Floats, span_s: SpanSeconds) -> Bools:
    """Return (F,) which frames are shown during the part of the video that is asked about."""
    return np.asarray(shown_during(time_s, end_s, span_s or (-np.inf, np.inf))[0])


def choose_negatives(
    time_s: Floats,
    end_s: Floats,
    duration_s: float,
    *,
    support_s: Floats,
    taken_s: Floats,
    ranges_s: Floats,
    similarity: Floats,
    order: Floats,
    num_segments: int,
    guard_s: float,
    threshold: float,
    span_s: SpanSeconds = None,
) -> Integers:
    """Choose from each segment the first frame in the order that passes all tests, if any.

    Args:
        time_s: (F,) candidates, seconds, ascending.
        end_s: (F,) ends of the spans in which they are shown.
        duration_s: Length of the timeline.
        support_s: (T,) support times or the middles of ranges, each taken for the end where it lies
            past it; frames shown within guard_s of one are excluded.
        taken_s: Times of the true frames, and of negatives that the question names, which are
            excluded whatever the guard.
        ranges_s: (R, 2) starts and ends of evidence; frames shown during one are excluded.
        similarity: (F,) highest cosine to a true frame; only frames below the threshold pass.
        order: (F,) sort keys, lowest first; of equal ones the earlier frame comes first.
        num_segments: Equal parts of the timeline, as `infer.selection.strategies.segments` cuts it,
            or of the part that is asked about.
        guard_s: Seconds.
        threshold: Limit on the similarity; above 1 every frame passes.
        span_s: The part that is asked about; only frames shown during it pass.

    Returns:
        (N,) rows of the candidates, ascending, N ≤ num_segments.
    """
    near = shows_answer(
        time_s, end_s, duration_s, support_s=support_s, ranges_s=ranges_s, guard_s=guard_s
    ) | np.isin(time_s, taken_s)  # (F,)
    asked = is_asked_about(time_s, end_s, span_s)  # (F,)
    passes = asked & ~near & (similarity < threshold)  # (F,)
    start_s, length_s = bounds(span_s, duration_s)
    part = segments(time_s - start_s, length_s, num_segments)  # (F,)
    rows = [
        rows[order[rows].argmin()]  # the first of equals
        for number in range(num_segments)
        if len(rows := np.flatnonzero(passes & (part == number)))
    ]
    return np.array(rows, np.int64)


def _stored(vectors: Floats) -> npt.NDArray[np.float32]:
    """Return unit vectors as an index would store them, in float16, normalised again."""
    stored = vectors.astype(np.float16).astype(np.float32)
    unit: npt.NDArray[np.float32] = stored / np.linalg.norm(stored, axis=-1, keepdims=True)
    return unit
