"""The part of a video that a question asks about, as a video of its own.

A question's `span_s` [a, b] makes of its video the part from max(0, a) to min(b, duration): the
rows that are shown during it, on a timeline that begins with it. A row that is shown longer is cut
at the part's ends. Without a span the part is the whole video, as it is.

Legend: Q questions of one video, F its frames.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from index.arrays import Floats
from index.errors import CueframeError
from index.spans import Spans, Timeline, cut, shown_during
from infer.selection.strategies import ScoredVideo

SpanSeconds = tuple[float, float] | None
"""Start and end in seconds of a video; None: from its start to its end."""


class Part(NamedTuple):
    """A part of a video."""

    rows: slice
    """The rows of the video that are shown during it, at least one."""
    start_s: float
    """Second of the video at which the part begins."""
    timeline: Timeline
    """When they are shown, cut to the part; it begins at 0."""


class ScoredPart(NamedTuple):
    """A part with the scores of the questions that ask about it."""

    video: ScoredVideo
    """The part as a video of its own."""
    first_row: int
    """The row of the whole video that is the part's row 0."""
    time_s: Floats
    """Times of its rows in the whole video: the first row's may lie before the part."""


def bounds(span_s: SpanSeconds, duration_s: float) -> tuple[float, float]:
    """Return start and duration in seconds of a part; one past the end has a duration of 0."""
    if span_s is None:
        return 0.0, duration_s
    start_s = max(0.0, span_s[0])
    return start_s, max(0.0, min(span_s[1], duration_s) - start_s)


def part_asked(span_s: SpanSeconds, timeline: Timeline) -> Part:
    """Find the part of a video that a span means.

    Raises:
        CueframeError: The span lies past the end of the video, or no row is shown during it.
    """
    if span_s is None:
        return Part(slice(0, len(timeline.time_s)), 0.0, timeline)
    start_s, duration_s = bounds(span_s, timeline.duration_s)
    said = f"span_s [{span_s[0]:g}, {span_s[1]:g}]"
    if start_s >= timeline.duration_s:
        raise CueframeError(
            f"{said} lies past the end of the video, which is {timeline.duration_s:.3f} s long; "
            "give a part of this very video, in seconds"
        )
    end_s = start_s + duration_s
    shown = shown_during(timeline.time_s, timeline.end_s, [start_s, end_s])[0]  # (F,)
    if not shown.any():
        raise CueframeError(
            f"no frame of the index is shown during {said}; give a longer part, or build the index "
            "with a higher --fps"
        )
    first, last = np.flatnonzero(shown)[[0, -1]].tolist()
    rows = slice(first, last + 1)
    inside = cut(Spans(timeline.time_s[rows], timeline.end_s[rows]), start_s, end_s)
    return Part(
        rows, start_s, Timeline(inside.time_s - start_s, inside.end_s - start_s, duration_s)
    )


def parts_asked(
    whole: ScoredVideo, spans_s: Sequence[SpanSeconds]
) -> Iterator[tuple[list[int], ScoredPart | CueframeError]]:
    """Yield the parts that the questions of a video ask about, each once.

    Args:
        whole: The video with the scores of its Q questions.
        spans_s: (Q,) the span of each.

    Yields:
        The positions of the questions about a part, and the part, or the error of such a span.
    """
    groups: dict[SpanSeconds, list[int]] = {}
    for q, span_s in enumerate(spans_s):
        groups.setdefault(span_s, []).append(q)
    for span_s, questions in groups.items():
        try:
            part = part_asked(span_s, Timeline(whole.time_s, whole.end_s, whole.duration_s))
        except CueframeError as error:
            yield questions, error
            continue
        alone = len(groups) == 1
        video = ScoredVideo(
            (whole.scores if alone else whole.scores[questions])[:, part.rows],
            *part.timeline,
            whole.vectors[part.rows],
            whole.seeds if alone else whole.seeds[questions],
            part.start_s,
            whole.tiles,
            [(one if alone else one[questions])[:, part.rows] for one in whole.others],
        )
        yield questions, ScoredPart(video, part.rows.start, whole.time_s[part.rows])
