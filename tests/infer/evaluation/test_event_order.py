"""The figure `sequence`: by hand, and its random and oracle against every draw."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.spans import Spans
from infer.evaluation.draws import draws_of
from infer.evaluation.event_order import of_sequence, sequence
from infer.metrics import TimedQuestion
from tests.infer.evaluation.test_baselines import draws, queries, small_cases


def with_events(one: TimedQuestion, events: int, **labels: object) -> TimedQuestion:
    fields = {"events": ["x"] * events, "support_frames": [], "support_ranges": []} | labels
    return one._replace(question=one.question.model_copy(update=fields))


def value(one: TimedQuestion, rows: list[int]) -> float:
    return sequence(one, Spans(one.time_s[rows], one.end_s[rows]), 9)


LINE = queries(np.arange(8.0), 8.0, end_s=np.arange(8.0) + 0.04)


def test_each_event_needs_its_own_pick() -> None:
    timed = with_events(LINE, 3, support_frames=[1.3, 3.0, 6.6])
    assert value(timed, [1, 3, 7]) == 1.0
    assert value(timed, [1, 3, 6]) == 0.0  # shown until 6.04, 0.56 s before
    assert value(timed, [3, 1, 7]) == 0.0
    ranged = with_events(LINE, 3, support_ranges=[(0.0, 4.0), (4.0, 5.0), (4.5, 7.0)])
    assert (value(ranged, [0, 4, 7]), value(ranged, [5, 4, 7])) == (1.0, 0.0)
    assert value(ranged, [0, 5, 4]) == 0.0
    both = with_events(LINE, 1, support_ranges=[(0.0, 4.0)], support_frames=[1.0])
    assert (value(both, [4]), value(both, [5])) == (1.0, 0.0)


def test_without_a_label_or_a_pick_for_each_event_it_is_not_known() -> None:
    for one, rows in (
        (LINE, [1]),
        (with_events(LINE, 2), [1, 2]),
        (with_events(LINE, 2, support_frames=[1.0, 2.0, 3.0]), [1, 2]),
        (with_events(LINE, 2, support_frames=[1.0, 2.0]), [1, 2, 3]),
    ):
        assert math.isnan(value(one, rows))
        assert all(map(math.isnan, of_sequence(one, draws_of(one, len(rows)))))


def test_random_is_the_product_over_segments() -> None:
    # Quarters of two rows each: one of two, two of two, none that is right, one of two.
    ranges = [(0.0, 0.5), (2.0, 3.5), (4.0, 9.0), (6.5, 7.5)]
    timed = with_events(LINE, 4, support_ranges=ranges)
    assert of_sequence(timed, draws_of(timed, 4)) == (1 / 4, 1.0)
    late = with_events(LINE, 4, support_ranges=[*ranges[:2], (7.0, 9.0), ranges[3]])
    assert of_sequence(late, draws_of(late, 4)) == (0.0, 0.0)


@settings(max_examples=50, deadline=None)
@given(small_cases(), st.data())
def test_random_and_oracle_are_the_mean_and_the_best_of_all_draws(
    case: tuple[TimedQuestion, int], data: st.DataObject
) -> None:
    one, k = case
    starts = data.draw(st.lists(st.integers(0, 8), min_size=k, max_size=k).map(sorted))
    ranges = [(start, start + data.draw(st.integers(0, 4))) for start in starts]
    labels = {"support_frames": starts} if data.draw(st.booleans()) else {"support_ranges": ranges}
    timed = with_events(one, k, **labels)
    expected, best = of_sequence(timed, draws_of(timed, k))
    chances = draws(timed, k)
    figures = {rows: value(timed, list(rows)) for rows in chances}
    if len(timed.time_s) < k:
        assert math.isnan(expected)
        assert all(map(math.isnan, figures.values()))
        return
    mean = sum(float(chances[rows]) * figure for rows, figure in figures.items())
    assert expected == pytest.approx(mean, abs=1e-12)
    assert best == max(figures.values())


def test_counts_may_exceed_the_range_of_a_float() -> None:
    # All rows in the first of 200 segments, and any of them is right.
    time_s = np.arange(4000) / 1000
    crowded = queries(time_s, 2e5, end_s=time_s + 0.001)
    timed = with_events(crowded, 200, support_ranges=[(0.0, 4.0)] * 200)
    assert of_sequence(timed, draws_of(timed, 200)) == (1.0, 1.0)
