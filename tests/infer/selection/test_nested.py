"""Sets of frames that grow with one number."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.selection.hills import local_maxima
from infer.selection.nested import distances, least_distances, rows_within
from tests.curves import Video, videos
from tests.infer.selection.test_hills import plain_hills


@settings(max_examples=40, deadline=None)
@given(videos(), st.lists(st.floats(0, 2), min_size=1, max_size=4))
def test_sets_are_the_rows_up_to_a_distance_and_grow(video: Video, sizes: list[float]) -> None:
    scores, *_ = video
    own = distances(scores)
    before = np.zeros(scores.shape, np.bool_)
    for threshold in [0.0, *sorted(sizes), np.inf]:
        within = rows_within(scores, threshold)
        np.testing.assert_array_equal(within, own <= threshold)
        assert within.any(axis=1).all()
        assert (within | before == within).all()
        before = within
    assert before.all()


@settings(max_examples=40, deadline=None)
@given(videos(), st.integers(1, 6))
def test_the_nearest_rows_are_the_best_hills(video: Video, k: int) -> None:
    scores, *_ = video
    for curve, own in zip(scores, distances(scores), strict=True):
        hills = [row for row in plain_hills(curve.tolist(), [], k) if own[row] < 1]
        nearest = np.lexsort((np.arange(len(own)), own))[:k].tolist()
        assert [row for row in sorted(nearest) if own[row] < 1] == hills
        assert local_maxima(curve[None])[0][hills].all()
        assert own[curve.argmax()] == 0


@settings(max_examples=40, deadline=None)
@given(videos(), st.integers(0, 2**32))
def test_the_least_distance_is_that_of_the_nearest_wanted_row(video: Video, seed: int) -> None:
    scores, *_ = video
    rng = np.random.default_rng(seed)
    wanted = rng.random(scores.shape) < rng.random()
    least = least_distances(scores, wanted)
    plain = np.where(wanted, distances(scores), np.inf).min(axis=1)
    np.testing.assert_array_equal(least, plain)
    for one, show, threshold in zip(scores, wanted, least, strict=True):
        if np.isfinite(threshold):
            assert (rows_within(one[None], threshold)[0] & show).any()
            smaller = np.nextafter(threshold, -1)
            assert smaller < 0 or not (rows_within(one[None], smaller)[0] & show).any()
