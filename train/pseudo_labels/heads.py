"""Heads that learn from labelled questions where a text points, and picks that lead by a margin.

A head is a ridge regression from a question's text vector to what is missing from there to the
vector of a frame that answers it. With few labels it changes little, so it is at worst the index's
own text side.

Legend: n questions, F frames of a video, T tiles of a frame, D width of a vector.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from index.arrays import Bools, Floats, Integers
from index.spans import rows_shown_at
from infer.metrics import answer_times
from infer.questions import Question
from infer.selection.strategies import ScoredVideo
from train.distilling.ridge import Head, decompose, unit

FEWEST = 10
"""Labelled questions whose picks lead by a margin; of fewer no precision is believed."""


class Lead(NamedTuple):
    """The frame that fits a question best, and by how much."""

    row: int
    by: float
    """Its score less the best outside of the guard, in standard deviations of all scores; 0 where
    no frame is outside."""


def target(question: Question, text: Floats, video: ScoredVideo) -> Floats:
    """Return the vector (D,) to which a labelled question's text (D,) should point.

    It is the mean of the frames that are shown at its answer times, each as its best tile.
    """
    rows = rows_shown_at(video.time_s, video.end_s, np.array(answer_times(question)))
    shown = video.vectors[rows]  # (n, T, D)
    best = np.argmax(shown @ text, axis=1)  # (n,)
    of_best: Floats = shown[np.arange(len(rows)), best]
    pointed_at: Floats = unit(of_best.mean(axis=0, keepdims=True))[0]
    return pointed_at


def fit(texts: Floats, targets: Floats, strength: float) -> Head:
    """Learn from texts (n, D) and targets (n, D), unit vectors, what the texts lack."""
    return decompose(texts, targets - texts).head(strength)


def pointed(head: Head | None, texts: Floats) -> Floats:
    """Return (n, D) unit vectors: where a head points for texts; without one, the texts."""
    if head is None:
        return texts
    moved: Floats = texts + texts @ head.weight.T + head.bias
    return unit(moved)


def lead(text: Floats, video: ScoredVideo, guard_s: float) -> Lead:
    """Find the frame that fits a text (D,) best, and by how much it leads those farther away."""
    scores: Floats = (video.vectors @ text).max(axis=-1)  # (F,)
    row = int(np.argmax(scores))
    after_s, before_s = video.time_s - video.end_s[row], video.time_s[row] - video.end_s
    away = np.maximum(after_s, before_s) > guard_s
    spread = float(scores.std())
    if not away.any() or spread == 0:
        return Lead(row, 0.0)
    return Lead(row, float(scores[row] - scores[away].max()) / spread)


def least_margin(leads: Sequence[float], right: Sequence[bool], precision: float) -> float | None:
    """Return the least lead from which on the share of right picks reaches a precision.

    None if none does, for `FEWEST` questions at least.
    """
    order: Integers = np.argsort(-np.asarray(leads), kind="stable")
    ordered: Floats = np.asarray(leads)[order]
    shares = np.cumsum(np.asarray(right)[order]) / np.arange(1, len(order) + 1)
    last_of_equals: Bools = np.append(ordered[1:] < ordered[:-1], True)[: len(order)]
    enough = last_of_equals & (shares >= precision) & (np.arange(len(order)) + 1 >= FEWEST)
    return float(ordered[np.flatnonzero(enough)[-1]]) if enough.any() else None
