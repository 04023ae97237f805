"""A warning of labels that no pick can match, because nothing is shown at their times."""

from collections.abc import Sequence
from itertools import chain

from index.messages import say
from infer.metrics import TimedQuestion
from infer.questions import Question


def warn_of_late_labels(timed: Sequence[TimedQuestion]) -> None:
    """Print to stderr, in one line, how many questions have labels past the end of their video.

    A label outside of a question's own `span_s` counts too.
    """
    late = [(one, stretch) for one in timed if (stretch := _outside(one))]
    if late:
        one, (start_s, end_s) = late[0]
        label = f"{start_s:g} s" if start_s == end_s else f"{start_s:g} to {end_s:g} s"
        say(
            f"warning: {len(late)} of {len(timed)} questions have labels past the end of their "
            f"video or outside their span_s, which nothing can match; the first is question "
            f"{one.question.id}: {label}, where {one.start_s:g} to "
            f"{one.start_s + one.duration_s:.3f} s are asked about"
        )


def _outside(one: TimedQuestion) -> tuple[float, float] | None:
    return first_outside(one.question, one.start_s, one.start_s + one.duration_s)


def first_outside(question: Question, start_s: float, end_s: float) -> tuple[float, float] | None:
    """Return the first label that nothing can match, as its start and end; None where all can.

    A label is a support time, a range or a segment of a scene. It lies outside where it begins at
    or past the end of what is asked about, or ends before its start.

    Args:
        question: The question.
        start_s: Second of the video at which what is asked about begins.
        end_s: Second at which it ends.
    """
    moments = [(time_s, time_s) for time_s in question.support_frames]
    stretches = chain(moments, question.support_ranges, *question.scenes)
    return next((s for s in stretches if s[0] >= end_s or s[1] < start_s), None)
