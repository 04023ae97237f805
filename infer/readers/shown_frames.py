"""Frames shown to a reader: the picked ones, or others to compare with.

    picked    the picks of the question
    uniform   the middles of K equal segments, whatever was picked
    support   the true frames: at its support times, else in the middles of its support ranges, else
              in those of its scenes' segments
    all       every frame of the index; for --reader clip alone

Legend: Q questions of one video, F its rows, K picks.
"""

from collections.abc import Sequence

import numpy as np

from index.arrays import Bools, Integers
from index.spans import Timeline, rows_shown_at
from infer.answer_file import ReaderFrames
from infer.metrics import true_times
from infer.questions import Question
from infer.selection.strategies import ScoredVideo, pick_uniform


def no_label(question_id: str) -> str:
    """Return the error of a question without labels, whose true frames are unknown."""
    return (
        f"question {question_id!r} has no support_frames, support_ranges or scenes, which "
        "--reader-frames support shows"
    )


def times_shown(
    which: ReaderFrames,
    question: Question,
    picked_s: Sequence[float],
    timeline: Timeline,
    k: int,
) -> list[float]:
    """Return ascending times in seconds of the frames to show; none where a label is missing.

    Args:
        which: Kind of frames, not "all".
        question: The question, for its labels.
        picked_s: Times of its picks.
        timeline: The rows of its video.
        k: K of "uniform".
    """
    if which == "picked":
        return list(picked_s)
    if which == "uniform":
        rows = pick_uniform(timeline.time_s, timeline.duration_s, k, timeline.end_s)
        middles: list[float] = timeline.time_s[rows].tolist()
        return middles
    return true_times(question)


def rows_shown(
    which: ReaderFrames, questions: Sequence[Question], scored: ScoredVideo, rows: Integers, k: int
) -> Bools:
    """Return (Q, F) which rows to show with each question; none where a label is missing.

    A true frame is the row shown at its time, or the nearest to it: the index has no other.

    Args:
        which: Kind of frames.
        questions: The Q questions.
        scored: Their video.
        rows: (Q, min(K, F)) picked rows.
        k: K of "uniform".
    """
    shown = np.full(scored.scores.shape, which == "all")
    if which == "picked":
        np.put_along_axis(shown, rows, True, axis=1)
    elif which == "uniform":
        shown[:, pick_uniform(scored.time_s, scored.duration_s, k, scored.end_s)] = True
    elif which == "support":
        for n, question in enumerate(questions):
            true = rows_shown_at(scored.time_s, scored.end_s, true_times(question))
            shown[n, true] = True
    return shown
