"""A part of a video against a video that was cut to that part, row by row."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from index.errors import CueframeError
from index.spans import Timeline
from infer.selection.parts import bounds, part_asked, parts_asked
from infer.selection.registry import STRATEGIES
from infer.selection.strategies import ScoredVideo, load_strategy
from tests.curves import looks

SLACK_S = 1e-4
Span = tuple[float, float]


def cut_by_hand(whole: ScoredVideo, q: int, span: Span) -> tuple[ScoredVideo, list[int]]:
    """Question q's video as if its file held that part alone, and the rows that are left."""
    start, end = max(0.0, span[0]), min(span[1], whole.duration_s)
    rows, times, ends = [], [], []
    for row, (a, b) in enumerate(zip(whole.time_s.tolist(), whole.end_s.tolist(), strict=True)):
        if a <= end + SLACK_S and (b > start + SLACK_S or a >= start - SLACK_S):
            rows.append(row)
            times.append(min(max(a, start), end) - start)
            ends.append(min(max(b, start), end) - start)
    video = ScoredVideo(
        whole.scores[q : q + 1, rows],
        np.array(times),
        np.array(ends),
        end - start,
        whole.vectors[rows],
        whole.seeds[q : q + 1],
        tiles=whole.tiles,
    )
    return video, rows


@settings(max_examples=300, deadline=None)
@given(looks(), st.data())
def test_picks_of_a_part_are_those_of_a_video_cut_to_it(
    case: tuple[ScoredVideo, int], data: st.DataObject
) -> None:
    whole, k = case
    assume(whole.duration_s > 0)
    last_s = float(whole.time_s[-1])
    moments = st.one_of(
        st.sampled_from(whole.time_s.tolist()), st.floats(0, min(1e6, 1.2 * last_s + 1))
    )
    spans = st.tuples(moments, moments).map(lambda two: (min(two), max(two)))
    count = len(whole.scores)
    asked = data.draw(st.lists(st.one_of(st.none(), spans), min_size=count, max_size=count))
    pick = data.draw(st.sampled_from(sorted(STRATEGIES)))
    choose = load_strategy(pick)
    seen = []
    for questions, part in parts_asked(whole, asked):
        seen += questions
        span = asked[questions[0]]
        assert all(asked[q] == span for q in questions)
        if isinstance(part, CueframeError):
            assert span is not None
            late = span[0] >= whole.duration_s
            assert late or not cut_by_hand(whole, questions[0], span)[1]
            continue
        found = choose(part.video, k)
        for place, q in enumerate(questions):
            if span is None:
                own = whole._replace(scores=whole.scores[q : q + 1], seeds=whole.seeds[q : q + 1])
                rows = list(range(len(whole.time_s)))
            else:
                own, rows = cut_by_hand(whole, q, span)
            wanted = [rows[row] for row in choose(own, k)[0]]
            assert (part.first_row + found[place]).tolist() == wanted
            assert part.time_s[found[place]].tolist() == whole.time_s[wanted].tolist()
    assert sorted(seen) == list(range(count))


TIMELINE = Timeline(np.array([0.0, 2.0, 4.0]), np.array([2.0, 4.0, 6.0]), 6.0)


def test_rows_are_cut_at_the_ends_of_a_part() -> None:
    rows, start_s, part = part_asked((1.0, 3.5), TIMELINE)
    assert (rows, start_s, part.duration_s) == (slice(0, 2), 1.0, 2.5)
    assert (part.time_s.tolist(), part.end_s.tolist()) == ([0.0, 1.0], [1.0, 2.5])
    rows, _, part = part_asked((5.0, 99.0), TIMELINE)
    assert (rows, part.duration_s) == (slice(2, 3), 1.0)
    # A row that begins with the part's last moment is shown at it; one that ends with its first is
    # not. A part may be a moment.
    assert part_asked((2.0, 4.0), TIMELINE).rows == slice(1, 3)
    assert part_asked((3.0, 3.0), TIMELINE).rows == slice(1, 2)


def test_without_a_span_nothing_is_touched() -> None:
    odd = TIMELINE._replace(duration_s=3.0)  # rows past the end stay
    rows, start_s, part = part_asked(None, odd)
    assert (rows, start_s) == (slice(0, 3), 0.0)
    assert part is odd
    assert (bounds(None, 3.0), bounds((1, 9), 3.0), bounds((5, 9), 3.0)) == (
        (0.0, 3.0),
        (1.0, 2.0),
        (5.0, 0.0),
    )


@pytest.mark.parametrize(
    ("span", "timeline", "said"),
    [
        ((6.0, 9.0), TIMELINE, "span_s [6, 9] lies past the end of the video, which is 6.000 s"),
        (
            (2.5, 3.0),
            TIMELINE._replace(end_s=TIMELINE.time_s + 0.04),
            "no frame of the index is shown during span_s [2.5, 3]",
        ),
    ],
)
def test_a_part_without_rows_is_one_line(span: Span, timeline: Timeline, said: str) -> None:
    with pytest.raises(CueframeError) as error:
        part_asked(span, timeline)
    assert said in str(error.value)
    assert "; give a" in str(error.value)
    assert "\n" not in str(error.value)
