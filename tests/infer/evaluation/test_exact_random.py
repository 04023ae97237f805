"""Chances of random draws against every possible draw, written out one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.evaluation.exact_random import chance_of_none, ways_to_match
from infer.metrics import TimedQuestion
from infer.selection.strategies import segments
from tests.infer.evaluation.test_baselines import draws, small_cases


@settings(max_examples=200, deadline=None)
@given(small_cases(), st.integers(0, 2**32))
def test_the_chance_that_no_row_of_a_set_is_drawn(
    case: tuple[TimedQuestion, int], seed: int
) -> None:
    one, k = case
    segment = segments(one.time_s, one.duration_s, k)
    there, sizes = np.unique(segment, return_counts=True)
    sets = np.random.default_rng(seed).random((5, len(segment))) < 0.3
    inside = np.stack([[int(row[segment == s].sum()) for s in there] for row in sets])
    chances = draws(one, k)
    wanted = [
        sum(float(chance) for rows, chance in chances.items() if not row[list(rows)].any())
        for row in sets
    ]
    left, spare = len(segment) - len(sizes), min(k, len(segment)) - len(sizes)
    assert chance_of_none(inside, sizes, left, spare) == pytest.approx(wanted, abs=1e-12)
    some = inside.any(axis=0)  # a segment of which no set has a row changes nothing
    fewer = chance_of_none(inside[:, some], sizes[some], left, spare)
    assert fewer == pytest.approx(wanted, abs=1e-12)


def test_the_ways_are_counted_by_hand() -> None:
    # Two segments of two rows; the span has one row of each.
    met = np.array([[True, False, True, False]])
    assert ways_to_match(met, np.array([0, 0, 1, 1]), 2, counts="spans") == {0: 1, 1: 3}
    assert ways_to_match(met, np.array([0, 0, 1, 1]), 2, counts="picks") == {0: 1, 1: 2, 2: 1}


def test_long_videos_and_many_spans_stay_exact() -> None:
    # 32 spans alone in each of 32 segments: binomial, beyond what floats can count.
    segment = np.repeat(np.arange(32), 450)
    met = np.zeros((32, len(segment)), np.bool_)
    for s in range(32):
        met[s, s * 450 + 100 : s * 450 + 160] = True
    ways = ways_to_match(met, segment, 32, counts="spans")
    assert ways == {n: math.comb(32, n) * 60**n * 390 ** (32 - n) for n in range(33)}
