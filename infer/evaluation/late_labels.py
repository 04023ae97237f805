"""A warning of labels that no pick can match, because nothing is shown at their times."""

from collections.abc import Sequence
from itertools import chain

from index.messages import say
from infer.metrics import TimedQuestion


def warn_of_late_labels(timed: Sequence[TimedQuestion]) -> None:
    """Print to stderr, in one line, how many questions have labels past the end of their video.

    A label outside of a question's own `span_s` counts too.
    """
    late = [(one, stretch) for one in timed if (stretch := _first_outside(one))]
    if late:
        one, (start_s, end_s) = late[0]
        label = f"{start_s:g} s" if start_s == end_s else f"{start_s:g} to {end_s:g} s"
        say(
            f"warning: {len(late)} of {len(timed)} questions have labels past the end of their "
            f"video or outside their span_s, which nothing can match; the first is question "
            f"{one.question.id}: {label}, where {one.start_s:g} to "
            f"{one.start_s + one.duration_s:.3f} s are asked about"
        )


def _first_outside(one: TimedQuestion) -> tuple[float, float] | None:
    """Return the first support time, range or segment of a scene that begins past the end."""
    question, end_s = one.question, one.start_s + one.duration_s
    moments = [(time_s, time_s) for time_s in question.support_frames]
    stretches = chain(moments, question.support_ranges, *question.scenes)
    return next((s for s in stretches if s[0] >= end_s or s[1] < one.start_s), None)
