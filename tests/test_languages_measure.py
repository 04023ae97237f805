"""What a hit is of another one, with intervals over videos."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.languages.measure import mean_hit, ratio

VIDEOS = [f"video {n // 4}" for n in range(40)]


@given(seed=st.integers(0, 99))
def test_a_ratio_to_itself_is_one_whatever_is_drawn(seed: int) -> None:
    own = np.random.default_rng(seed).random((2, 40)).round() + 0.01
    assert ratio(own, own, VIDEOS, seed) == pytest.approx((1, 1, 1))


@given(seed=st.integers(0, 99))
def test_a_ratio_is_that_of_the_means_and_lies_in_its_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own, whole = (rng.random((2, 40)) < 0.7).astype(float), np.ones((2, 40))
    found, mean = ratio(own, whole, VIDEOS, seed), mean_hit(own, VIDEOS, seed)
    assert found == pytest.approx(mean)
    assert mean.mean == pytest.approx(own.mean())
    assert found.low <= found.mean <= found.high


def test_an_interval_counts_videos_and_not_questions() -> None:
    own = np.array([[1.0] * 20 + [0.0] * 20])
    alike = mean_hit(own, [f"video {n // 20}" for n in range(40)], 0)
    apart = mean_hit(own, [f"video {n}" for n in range(40)], 0)
    assert (alike.low, alike.high) == (0, 1)
    assert apart.low > 0.3
