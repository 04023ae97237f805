"""A smoothed curve against a plain weighted mean, and what smoothing must not do."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.selection.smoothing import smoothed
from tests.curves import Video, videos


def plain(scores: list[float], time_s: list[float], smooth_s: float) -> list[float]:
    found = []
    for at_s in time_s:
        weights = [max(0.0, 1 - abs(other_s - at_s) / smooth_s) for other_s in time_s]
        total = sum(w * s for w, s in zip(weights, scores, strict=True))
        found.append(total / sum(weights))
    return found


@settings(max_examples=40, deadline=None)
@given(videos(), st.sampled_from([0.4, 0.75, 1.0, 3.0]))
def test_each_score_is_the_weighted_mean_of_those_near(video: Video, smooth_s: float) -> None:
    scores, time_s, _, _ = video
    scores, time_s = scores[:, :60], time_s[:60]
    found = smoothed(scores, time_s, smooth_s)
    assert found.dtype == np.float32
    expected = [plain(own.tolist(), time_s.tolist(), smooth_s) for own in scores]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_frames_further_apart_do_not_touch_each_other() -> None:
    scores = np.array([[0, 0, 1, 0, 0.5]], np.float32)
    for smooth_s in (0.0, 0.25, 0.5):
        np.testing.assert_array_equal(smoothed(scores, np.arange(5) / 2, smooth_s), scores)
    np.testing.assert_allclose(
        smoothed(scores, np.arange(5) / 2, 0.75), [[0, 0.2, 0.6, 0.3, 0.375]], atol=1e-7
    )


def test_it_is_seconds_that_count() -> None:
    scores = np.array([[0, 1, 0.0, 0.0]], np.float32)
    near = smoothed(scores, np.array([0, 0.5, 9.0, 9.5]), 1.0)
    np.testing.assert_allclose(near, [[1 / 3, 2 / 3, 0, 0]], atol=1e-7)


def test_equal_neighbours_tie_wherever_they_are() -> None:
    time_s = np.arange(3000) / 29.97
    scores = np.tile(np.array([0.1, 0.3, 0.7, 0.2], np.float32), 750)[None]
    inner = smoothed(scores, time_s, 0.15)[0, 8:-8].reshape(-1, 4)
    assert (inner == inner[0]).all()
