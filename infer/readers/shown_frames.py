"""Frames shown to a reader: the picked ones, or others to compare with.

    picked    the picks of the question
    uniform   the middles of K equal segments, whatever was picked
    support   the true frames: at its support times, else in the middle of its support ranges
    all       every frame of the index; for --reader clip alone

Legend: Q questions of one video, F its rows, K picks.
"""

from collections.abc import Sequence

import numpy as np

from index.arrays import Bools, Floats, Integers
from infer.answer_file import ReaderFrames
from infer.metrics import true_times
from infer.questions import Question
from infer.selection.strategies import ScoredVideo, pick_uniform


def no_label(question_id: str) -> str:
    """Return the error of a question without labels, whose true frames are unknown."""
    return (
        f"question {question_id!r} has no support_frames or support_ranges, which "
        "--reader-frames support shows"
    )


def times_shown(
    which: ReaderFrames,
    question: Question,
    picked_s: Sequence[float],
    time_s: Floats,
    duration_s: float,
    k: int,
) -> list[float]:
    """Return ascending times in seconds of the frames to show; none where a label is missing.

    Args:
        which: Kind of frames, not "all".
        question: The question, for its labels.
        picked_s: Times of its picks.
        time_s: (F,) times of the video's rows.
        duration_s: Duration of the video.
        k: K of "uniform".
    """
    if which == "picked":
        return list(picked_s)
    if which == "uniform":
        middles: list[float] = time_s[pick_uniform(time_s, duration_s, k)].tolist()
        return middles
    return true_times(question)


def rows_shown(
    which: ReaderFrames, questions: Sequence[Question], scored: ScoredVideo, rows: Integers, k: int
) -> Bools:
    """Return (Q, F) which rows to show with each question; none where a label is missing.

    A true frame is the row nearest to its time: the index has no other.

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
        shown[:, pick_uniform(scored.time_s, scored.duration_s, k)] = True
    elif which == "support":
        for n, question in enumerate(questions):
            times_s = np.array(true_times(question))
            shown[n, np.abs(scored.time_s - times_s[:, None]).argmin(axis=1)] = True
    return shown
