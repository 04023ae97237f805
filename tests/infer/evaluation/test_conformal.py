"""The promise of split conformal prediction, on exact cases and by simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.evaluation.conformal import fewest_videos, floor_of, threshold_of


def test_the_fewest_videos_are_those_of_the_coverage_as_written() -> None:
    shares = (0.5, 0.8, 0.9, 0.95, 0.99, 0.85)
    assert [fewest_videos(share) for share in shares] == [1, 4, 9, 19, 99, 6]
    for share in shares:
        n = fewest_videos(share)
        needed = np.arange(float(n))
        assert threshold_of(needed, [str(v) for v in range(n)], share) == n - 1
        assert math.isinf(threshold_of(needed[1:], [str(v) for v in range(1, n)], share))


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefghijkl"), st.integers(0, 6)), min_size=1, max_size=40
    ),
    st.sampled_from(["0.5", "0.8", "0.9"]),
)
def test_the_threshold_is_the_least_that_enough_weight_needs(
    found: list[tuple[str, int]], coverage: str
) -> None:
    videos = [video for video, _ in found]
    n = len(set(videos))
    weights = [Fraction(1, (n + 1) * videos.count(video)) for video in videos]
    enough = [
        threshold
        for threshold in range(7)
        if sum(w for w, (_, need) in zip(weights, found, strict=True) if need <= threshold)
        >= Fraction(coverage)
    ]
    needed = np.array([float(need) for _, need in found])
    assert threshold_of(needed, videos, float(coverage)) == min(enough, default=math.inf)


def test_the_promise_holds_for_questions_that_share_videos() -> None:
    """Some videos are hard for all their questions, and some have many questions."""
    rng = np.random.default_rng(0)
    for coverage in (0.8, 0.9):
        covered = []
        for _ in range(2000):
            counts = rng.integers(1, 9, 11)
            hard = rng.exponential(size=11)
            video = np.repeat(np.arange(11), counts)
            needed = hard[video] * rng.exponential(size=len(video))
            known = video > 0
            threshold = threshold_of(needed[known], [str(v) for v in video[known]], coverage)
            covered.append(np.mean(needed[~known] <= threshold))
        error = np.std(covered) / np.sqrt(len(covered))
        assert np.mean(covered) >= coverage - 2 * error
        assert np.mean(covered) <= coverage + 1 / 11 + 3 * error


@pytest.mark.parametrize(("videos", "coverage"), [(9, 0.9), (30, 0.9), (200, 0.8), (1000, 0.95)])
def test_the_floor_is_the_quantile_of_a_beta_distribution(videos: int, coverage: float) -> None:
    above = int((videos + 1) * Fraction(str(1 - Fraction(str(coverage)))))
    draws = np.random.default_rng(0).beta(videos + 1 - above, above, 200_000)
    assert floor_of(videos, coverage) == pytest.approx(np.quantile(draws, 0.05), abs=0.003)


def test_floors_at_the_ends() -> None:
    assert floor_of(9, 0.9) == pytest.approx(0.05 ** (1 / 9))
    assert floor_of(8, 0.9) == 0.0
    assert 0.9 > floor_of(100_000, 0.9) > 0.895
