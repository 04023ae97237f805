"""Intervals against a plain bootstrap over videos."""

import math

import numpy as np
import pytest

from infer.evaluation.bootstrap import ARITHMETIC, RESAMPLES, estimates, geometric


def test_intervals_are_a_bootstrap_over_videos() -> None:
    rng = np.random.default_rng(3)
    videos = [f"v{n}" for n in rng.integers(0, 12, 60)]
    of_video = {video: rng.random() for video in videos}
    table = np.array([[of_video[v], rng.random()] for v in videos])
    table[rng.random((60, 2)) < 0.2] = np.nan
    found = estimates(table, videos, seed=5)

    names = sorted(set(videos))
    for column, estimate in enumerate(found):
        known = ~np.isnan(table[:, column])
        assert estimate.mean == pytest.approx(table[known, column].mean())
        assert estimate.questions == known.sum()
        resampled = []
        for _ in range(RESAMPLES):  # video by video, question by question
            drawn = [
                table[n, column]
                for name in rng.choice(names, len(names))
                for n in range(60)
                if videos[n] == name and known[n]
            ]
            resampled.append(np.mean(drawn))
        low, high = np.percentile(resampled, [2.5, 97.5])
        assert estimate.low == pytest.approx(low, abs=0.02)
        assert estimate.high == pytest.approx(high, abs=0.02)
    # Questions of one video that go together are worth fewer than as many on their own.
    alone = estimates(table, [str(n) for n in range(60)], seed=5)
    assert found[0].high - found[0].low > 1.5 * (alone[0].high - alone[0].low)
    assert estimates(table, videos, seed=5) == found
    assert estimates(table, videos, seed=6) != found


def test_a_geometric_mean_is_that_of_the_logs() -> None:
    rng = np.random.default_rng(1)
    videos, table = ["a", "b", "a", "c"], rng.random((4, 2))
    table[0] = 0.0, np.nan
    logs = np.log(np.maximum(table, 0.01))
    averages = [geometric(0.01), ARITHMETIC]
    mixed, plain = estimates(table, videos, 5, averages), estimates(table, videos, 5)
    assert mixed[1] == plain[1]
    wanted = np.exp(estimates(logs, videos, 5)[0][:3])
    assert mixed[0][:3] == pytest.approx(wanted)
    assert mixed[0].questions == 4
    assert mixed[0].mean == pytest.approx(np.prod(np.maximum(table[:, 0], 0.01)) ** (1 / 4))


def test_one_video_gives_no_interval() -> None:
    (estimate,) = estimates(np.array([[0.0], [1.0]]), ["v", "v"], seed=0)
    assert (estimate.mean, estimate.questions) == (0.5, 2)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_a_constant_has_an_interval_of_no_width() -> None:
    (estimate,) = estimates(np.full((6, 1), 0.25), ["a", "b", "c", "a", "b", "c"], seed=0)
    assert estimate == (0.25, 0.25, 0.25, 6)
