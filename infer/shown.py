"""Which frames a reader is shown: the picked ones, or others to compare with.

    picked    the picks of the question
    uniform   the middles of K equal segments, whatever was picked
    support   the true frames: at its support times, else in the middle of its support ranges
    all       every frame of the index; for --reader clip alone

Legend: Q questions of one video, F its rows, K picks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from infer.answers import ReaderFrames
from infer.metrics import true_times
from infer.pick import Rows, Scored, pick_uniform
from infer.questions import Question

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]


def no_label(question_id: str) -> str:
    """The error of a question whose true frames nobody knows."""
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
    """Ascending times in seconds of what is shown with a question; none where it has no label.

    Args:
        which: Not "all".
        question: For its labels.
        picked_s: Its picks.
        time_s: (F,) of the video's rows.
        duration_s: Of the video.
        k: K of "uniform".
    """
    if which == "picked":
        return list(picked_s)
    if which == "uniform":
        middles: list[float] = time_s[pick_uniform(time_s, duration_s, k)].tolist()
        return middles
    return true_times(question)


def rows_shown(
    which: ReaderFrames, questions: Sequence[Question], scored: Scored, rows: Rows, k: int
) -> Bools:
    """(Q, F) which rows are shown with each question of a video; none where it has no label.

    A true frame is the row nearest to its time: the index has no other.

    Args:
        which: See above.
        questions: Q of them.
        scored: Their video.
        rows: (Q, min(K, F)) picked.
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
