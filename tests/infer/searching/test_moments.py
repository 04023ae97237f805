"""Moments against a plain reading."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.searching.moments import find_moments
from tests.curves import Video, videos
from tests.moments import plain_moments

Cut = list[list[tuple[int, int, int]]]


def cut(scores: np.ndarray, most: int) -> Cut:
    found = find_moments(scores, most)
    rows = list(zip(*(column.tolist() for column in found[1:]), strict=True))
    assert found.query.tolist() == sorted(found.query.tolist())
    return [
        [r for q, r in zip(found.query, rows, strict=True) if q == n] for n in range(len(scores))
    ]


def test_by_hand() -> None:
    curves = np.array(
        [
            [0, 0, 5, 8, 6, 0, 0, 3, 3, 0, 0],  # the second is lower, and wide
            [0, 8, 5, 7, 0, 0, 0, 0, 0, 0, 6],  # between 8 and 7 it stays above their halves
            [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
        ],
        np.float32,
    )
    assert cut(curves, 9) == [[(3, 2, 4), (7, 7, 8)], [(1, 1, 3), (10, 10, 10)], [(0, 0, 10)]]
    assert cut(curves[:2], 1) == [[(3, 2, 4)], [(1, 1, 3)]]


def test_a_slope_of_a_better_moment_is_none_of_its_own() -> None:
    # Half of 9 is 4.5, so 4 is outside; its own half is 2, and its stretch reaches the 9.
    curve = np.array([[0, 0, 0, 9, 3, 4, 0, 0, 0]], np.float32)
    assert cut(curve, 9) == [[(3, 3, 3)]]


@settings(max_examples=50)
@given(videos(), st.integers(1, 20))
def test_as_a_plain_reading(video: Video, most: int) -> None:
    scores = video[0][:, :60]
    wanted = [plain_moments(curve) for curve in scores.astype(np.float64).tolist()]
    assert cut(scores, most) == [moments[:most] for moments in wanted]
