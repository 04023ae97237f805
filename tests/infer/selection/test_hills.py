"""Peaks and hills of a curve against a plain reading of their rules."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.selection.hills import hill_around, local_maxima, pick_hills
from infer.selection.strategies import pick_quarters
from tests.curves import Video, videos


def plain_peaks(scores: list[float]) -> list[int]:
    peaks, n = [], 0
    while n < len(scores):
        last = n
        while last + 1 < len(scores) and scores[last + 1] == scores[n]:
            last += 1
        higher_before = n > 0 and scores[n - 1] > scores[n]
        higher_after = last + 1 < len(scores) and scores[last + 1] > scores[n]
        if not higher_before and not higher_after:
            peaks.append(n)
        n = last + 1
    return peaks


def plain_hill(scores: list[float], row: int) -> range:
    floor = min(scores[row], (scores[row] + float(np.median(np.array(scores, np.float32)))) / 2)
    first = last = row
    while first > 0 and scores[first - 1] >= floor:
        first -= 1
    while last + 1 < len(scores) and scores[last + 1] >= floor:
        last += 1
    return range(first, last + 1)


def plain_hills(scores: list[float], quarters: list[int], k: int) -> list[int]:
    free = set(plain_peaks(scores))
    picked: list[int] = []
    while free and len(picked) < k:
        picked.append(min(free, key=lambda row: (-scores[row], row)))
        free -= set(plain_hill(scores, picked[-1]))
    rest = sorted(
        set(range(len(scores))) - set(picked),
        key=lambda row: (row not in quarters, -scores[row], row),
    )
    return sorted([*picked, *rest][: min(k, len(scores))])


@settings(max_examples=50, deadline=None)
@given(videos(), st.integers(0, 10**6))
def test_peaks_and_hills_are_the_plain_reading(video: Video, number: int) -> None:
    scores, *_ = video
    for own, peaks in zip(scores.tolist(), local_maxima(scores), strict=True):
        assert np.flatnonzero(peaks).tolist() == plain_peaks(own)
    rows = np.full(len(scores), number % scores.shape[1])
    for own, row, first, last in zip(
        scores.tolist(), rows, *hill_around(scores, rows), strict=True
    ):
        assert range(first, last + 1) == plain_hill(own, row)


@settings(max_examples=50, deadline=None)
@given(videos())
def test_hills_is_the_plain_reading(video: Video) -> None:
    scores, time_s, duration_s, k = video
    quarters = pick_quarters(scores, time_s, duration_s, k).tolist()
    assert pick_hills(scores, time_s, duration_s, k).tolist() == [
        plain_hills(own, beside, k) for own, beside in zip(scores.tolist(), quarters, strict=True)
    ]


def test_each_hill_gives_one_frame() -> None:
    scores = np.array([[0, 0.8, 1, 0.9, 0, 0, 0.6, 0, 0, 0.7, 0.65, 0]], np.float32)
    assert pick_hills(scores, np.arange(12.0), 12.0, 3).tolist() == [[2, 6, 9]]
    # A fourth hill there is not: the best of the quarters, which begin at 0, 3, 6 and 9.
    assert pick_hills(scores, np.arange(12.0), 12.0, 4).tolist() == [[2, 3, 6, 9]]


def test_a_flat_curve_is_spread_over_the_video() -> None:
    flat = np.zeros((1, 12), np.float32)
    assert pick_hills(flat, np.arange(12.0), 12.0, 4).tolist() == [[0, 3, 6, 9]]
