"""What picks for the questions about a part of a video: K rows each, or as many as each one needs.

Legend: Q questions about a part, F its frames.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from index.arrays import Integers
from infer.selection.nested import NestedSets, rows_within
from infer.selection.parts import ScoredPart
from infer.selection.rules import Rule, curves, load_rule

Alike = tuple[Sequence[int], ScoredPart, Integers, int]
"""Positions of some of the Q questions, the part with their scores, their rows (some, min(K, F)),
ascending, and K."""
Chooser = Callable[[ScoredPart], Iterator[Alike]]


def choose_fixed(rule: Rule, k: int) -> Chooser:
    """Return what picks K rows for each question.

    Raises:
        CueframeError: As `load_rule`.
    """
    choose = load_rule(rule)

    def chosen(part: ScoredPart) -> Iterator[Alike]:
        yield range(len(part.video.scores)), part, choose(part.video, k), k

    return chosen


def choose_nested(rule: Rule, sets: NestedSets) -> Chooser:
    """Return what picks each question's own set; questions with sets of one size are together."""

    def chosen(part: ScoredPart) -> Iterator[Alike]:
        video = part.video
        within = rows_within(curves(video, rule.smooth_s), sets.threshold)
        sizes = within.sum(axis=1)
        for size in np.unique(sizes).tolist():
            same = np.flatnonzero(sizes == size)
            own = video._replace(scores=video.scores[same], seeds=video.seeds[same])
            rows = np.nonzero(within[same])[1].reshape(len(same), size)
            yield same.tolist(), part._replace(video=own), rows, size

    return chosen
