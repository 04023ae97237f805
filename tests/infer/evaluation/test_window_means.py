"""Random and oracle of windows against a plain loop over the first rows, on many random videos."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.arrays import Floats, Integers
from infer.evaluation.baselines import of_window
from infer.evaluation.draws import Draws, draws_of
from infer.evaluation.windows import iop, iou
from infer.metrics import TimedQuestion
from tests.curves import moments
from tests.infer.test_metrics import ask

FIGURES = {"IoP": iop, "IoU": iou}


def within(draws: Draws, first: int, last: Integers) -> Floats:
    """The chance that all rows of a draw are from first to each last row."""
    sizes, rows = draws.sizes.tolist(), len(draws.segment)
    inside = np.maximum(0, last - first + 1)
    chance = inside / rows
    if len(sizes) > 1:
        own = np.maximum(0, last + 1 - (rows - sizes[-1]))
        chance = max(0, sizes[0] - first) / sizes[0] * own / sizes[-1]
    for place in range(draws.spare):
        chance = chance * np.maximum(0, inside - len(sizes) - place) / (draws.left - place)
    return chance


def by_loop(name: str, one: TimedQuestion, k: int) -> tuple[float, float]:
    """The mean and the best over all windows, one first row after the other."""
    draws, ranges_s = draws_of(one, k), np.array(one.question.support_ranges)
    mean, best = 0.0, 0.0
    last = np.arange(len(draws.segment) - draws.sizes[-1], len(draws.segment))
    for first in range(draws.sizes[0]):
        ends = last[last - first + 1 >= draws.picks]
        if len(ends):
            here, after = (within(draws, first + step, ends) for step in (0, 1))
            here_before, after_before = (within(draws, first + step, ends - 1) for step in (0, 1))
            starts_s = np.full(len(ends), draws.shown.time_s[first])
            own = FIGURES[name](starts_s, draws.shown.end_s[ends], ranges_s).max(axis=0)
            mean += float((here - after - here_before + after_before) @ own)
            best = max(best, float(own.max()))
    return mean, best


@st.composite
def videos(draw: st.DrawFn, rows: int = 400) -> tuple[TimedQuestion, int]:
    """Even and uneven rows, segments without any, and ranges short and long, nested and alike."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(2, rows))
    time_s = np.arange(count) / 2
    if draw(st.booleans()):
        time_s = np.sort(rng.uniform(0, count / 2, count))
    if draw(st.booleans()):  # nothing for a while
        from_s, to_s = np.sort(rng.uniform(0, count / 2, 2))
        time_s = time_s[(time_s < from_s) | (time_s > to_s) | (np.arange(count) < 2)]
    length_s = time_s[-1] + 0.5
    share = draw(st.sampled_from([0.0, 0.1, 1.0]))
    end_s = time_s + share * (np.append(time_s[1:], length_s) - time_s)
    duration_s = length_s * draw(st.sampled_from([1.0, 1.0, 1.5, 5.0]))
    count = draw(st.sampled_from([1, 1, 2, 3, 8]))
    starts_s = np.round(rng.uniform(0, length_s, count), 1)
    wide_s = draw(st.sampled_from([1.0, 5.0, length_s / 3, length_s]))
    lengths_s = np.full(count, wide_s) if draw(st.booleans()) else rng.uniform(0, wide_s, count)
    ranges = list(zip(starts_s.tolist(), (starts_s + lengths_s).tolist(), strict=True))
    timeline = moments(time_s, duration_s)._replace(end_s=end_s)
    return TimedQuestion(ask([], ranges), *timeline, "v"), draw(st.sampled_from([2, 3, 4, 8]))


@settings(max_examples=60, deadline=None)
@given(videos(), st.sampled_from(list(FIGURES)))
def test_it_is_the_mean_and_the_best_of_a_loop(case: tuple[TimedQuestion, int], name: str) -> None:
    one, k = case
    found = of_window(FIGURES[name], one, draws_of(one, k))
    assert found == pytest.approx(by_loop(name, one, k), abs=1e-13)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(videos(rows=1500), st.sampled_from(list(FIGURES)))
def test_it_is_the_mean_and_the_best_of_a_loop_in_long_videos(
    case: tuple[TimedQuestion, int], name: str
) -> None:
    one, k = case
    found = of_window(FIGURES[name], one, draws_of(one, k))
    assert found == pytest.approx(by_loop(name, one, k), abs=1e-13)


def test_many_rows_at_one_time_are_no_division_by_zero() -> None:
    time_s = np.repeat([0.0, 1.0, 2.0, 3.0], 70)
    timeline = moments(time_s, 4.0)._replace(end_s=time_s + 0.5)
    one = TimedQuestion(ask([], [(0.5, 3.5)]), *timeline, "v")
    for name, figure in FIGURES.items():
        assert of_window(figure, one, draws_of(one, 4)) == pytest.approx(by_loop(name, one, 4))
