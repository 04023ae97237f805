"""Where times stand on a timeline, how they read, and that no peak of a curve is lost."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.report.chart import CURVE_BOX, clock, curve, heights, share, ticks

durations = st.floats(0.04, 200_000)


def points(path: str) -> np.ndarray:
    """(N, 2) places across and down of a path."""
    assert re.fullmatch(r"M[\d.]+,\d+(L[\d.]+,\d+)*", path)
    return np.array([point.split(",") for point in path[1:].split("L")], float)


def test_places_in_per_cent() -> None:
    assert share(2.5, 10) == 25
    assert share(10 / 3, 10) == 33.33
    assert (share(-1, 10), share(11, 10), share(3, 0)) == (0, 100, 0)


@pytest.mark.parametrize(
    ("time_s", "duration_s", "digits", "text"),
    [
        (3.44, 12, 2, "3.44 s"),
        (59.999, 59.9999, 2, "60.00 s"),
        (3.44, 60, 2, "0:03.44"),
        (59.999, 90, 2, "1:00.00"),
        (125, 300, 0, "2:05"),
        (3661.5, 7200, 1, "1:01:01.5"),
        (3600, 7200, 0, "1:00:00"),
    ],
)
def test_clock(time_s: float, duration_s: float, digits: int, text: str) -> None:
    assert clock(time_s, duration_s, digits) == text


@given(durations)
def test_ticks_are_few_differ_and_stand_where_they_say(duration_s: float) -> None:
    grades = ticks(duration_s)
    assert grades[0][0] == 0
    assert 1 <= len(grades) <= 7
    assert len({text for _, text in grades}) == len(grades)
    for place, text in grades:
        parts = [float(part) for part in text.removesuffix(" s").split(":")]
        time_s = sum(part * 60**n for n, part in enumerate(reversed(parts)))
        assert place == pytest.approx(100 * time_s / duration_s, abs=0.02)


def test_ticks_of_nothing() -> None:
    assert ticks(0) == [(0, "0.0 s")]


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30))
def test_heights_go_from_the_lowest_to_the_highest(many: list[float]) -> None:
    scores = np.array(many, np.float32)
    up = heights(scores, scores)
    if scores.min() == scores.max():
        assert (up == 0.5).all()
    else:
        assert (up[scores.argmin()], up[scores.argmax()]) == (0, 1)
        assert (np.diff(up[np.argsort(scores)]) >= 0).all()


def test_curve_of_few_rows_has_all_of_them() -> None:
    path = curve(np.array([0.0, 1.0, 4.0]), np.array([0.1, 0.3, 0.2]), 4.0)
    assert points(path).tolist() == [[0, CURVE_BOX], [250, 0], [CURVE_BOX, 500]]
    assert points(curve(np.array([0.0]), np.array([0.1]), 4.0)).tolist() == [[0, 500]]


def test_curve_of_many_rows_keeps_every_peak() -> None:
    time_s = np.arange(20_000) / 2
    scores = np.random.default_rng(0).normal(0, 0.01, len(time_s)).astype(np.float32)
    peaks = np.array([0, 7, 8123, 19_999])
    scores[peaks] = 1
    path = points(curve(time_s, scores, 10_000.0))
    assert len(path) <= 500
    assert (np.diff(path[:, 0]) >= 0).all()
    tops = path[path[:, 1] == 0, 0]
    for time in time_s[peaks]:
        assert np.abs(tops - CURVE_BOX * time / 10_000).min() <= 4  # the first of a column's equals
