"""The share of texts whose own translation is the nearest, and which pairs are measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.diagnosis.translations import MOST_PAIRS, Pair, nearest_shares, spread, wilson


def test_the_nearest_counts_and_equals_share() -> None:
    cosines = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.5], [0.3, 0.9, 0.2], [0.1, 0.7, 0.7]])
    assert nearest_shares(cosines, [0, 1, 0, 2]).tolist() == [1, 1 / 3, 0, 1 / 2]


@given(st.integers(1, 30), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_a_model_to_which_all_are_alike_is_at_chance(texts: int, others: int, seed: int) -> None:
    own = np.random.default_rng(seed).integers(others, size=texts).tolist()
    shares = nearest_shares(np.full((texts, others), 0.7), own)
    assert np.allclose(shares, 1 / others)


@given(st.integers(1, 2000))
def test_pairs_are_spread_evenly(count: int) -> None:
    pairs = [Pair(str(n), "a", "b", ("en", "vi")) for n in range(count)]
    found = [int(pair.video) for pair in spread(pairs)]
    assert found[0] == 0
    assert np.ptp(np.diff(found)) <= 1 if len(found) > 1 else count == 1
    assert len(found) == min(count, MOST_PAIRS)


@given(st.floats(0, 1), st.integers(1, 1000))
def test_an_interval_has_a_width(share: float, count: int) -> None:
    low, high = wilson(share, count)
    assert 0 <= low < high <= 1
    assert low <= share + 1e-9
    assert high >= share - 1e-9


def test_wilsons_interval_of_all_successes() -> None:
    assert wilson(1.0, 20) == pytest.approx((20 / (20 + 1.959964**2), 1.0))
