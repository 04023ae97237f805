"""Frames shown to a reader: the picked ones, or others to compare with.

    picked    the picks of the question
    uniform   the middles of as many equal segments as frames were picked, whatever these are
    support   the true frames: at its support times, else in the middles of its support ranges, else
              in those of its scenes' segments
    all       every frame of the index; for --reader clip alone

All are of the part of the video that the question asks about.

Legend: Q questions of one video, F its rows, P picks of each: as many as were wanted, or all rows
of a shorter video, which are then the middles, too.
"""

from collections.abc import Sequence

import numpy as np

from index.arrays import Bools, Integers
from index.spans import Timeline, rows_shown_at
from infer.answer_file import ReaderFrames
from infer.metrics import true_times_asked
from infer.questions import Question
from infer.selection.parts import part_asked
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
) -> list[float]:
    """Return ascending times in seconds of the frames to show; none where a label is missing.

    Args:
        which: Kind of frames, not "all".
        question: The question, for its labels.
        picked_s: Times of its picks.
        timeline: The rows of its video.
    """
    if which == "picked":
        return list(picked_s)
    if which == "uniform":
        part = part_asked(question.span_s, timeline)
        time_s, end_s, duration_s = part.timeline
        rows = pick_uniform(time_s, duration_s, len(picked_s), end_s)
        middles: list[float] = timeline.time_s[part.rows][rows].tolist()
        return middles
    return true_times_asked(question)


def rows_shown(
    which: ReaderFrames, questions: Sequence[Question], scored: ScoredVideo, rows: Integers
) -> Bools:
    """Return (Q, F) which rows to show with each question; none where a label is missing.

    A true frame is the row shown at its time, or the nearest to it: the index has no other.

    Args:
        which: Kind of frames.
        questions: The Q questions.
        scored: Their video, or the part of it that they all ask about.
        rows: (Q, P) picked rows.
    """
    shown = np.full(scored.scores.shape, which == "all")
    if which == "picked":
        np.put_along_axis(shown, rows, True, axis=1)
    elif which == "uniform":
        shown[:, pick_uniform(scored.time_s, scored.duration_s, rows.shape[1], scored.end_s)] = True
    elif which == "support":
        for n, question in enumerate(questions):
            true_s = np.array(true_times_asked(question)) - scored.start_s
            true = rows_shown_at(scored.time_s, scored.end_s, true_s)
            shown[n, true] = True
    return shown
