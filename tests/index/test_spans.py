"""The rule of which frame is shown when, against moments tried one by one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.spans import Spans, cut, rows_shown_at, seconds_away, shown_during, until_next

# Frames of a video in fiftieths of a second, and which of them are rows of an index.
videos = st.lists(st.integers(0, 400), min_size=2, max_size=12, unique=True).map(sorted)


@st.composite
def indexed(draw: st.DrawFn) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The ticks of a video's frames and of its end, and the spans in seconds of its rows."""
    ticks = draw(videos)
    spans = list(pairwise(ticks))
    kept = draw(st.sets(st.sampled_from(spans), min_size=1)) if spans else set()
    time_s, end_s = np.array(sorted(kept), np.float64).T / 50
    return ticks, time_s, end_s


def shown_at(ticks: list[int], moment: int) -> int | None:
    """The frame that a player shows at a moment, in ticks: the last that has begun."""
    begun = [tick for tick in ticks[:-1] if tick <= moment]
    return begun[-1] if begun and moment < ticks[-1] else None


@given(indexed(), st.lists(st.integers(0, 450), min_size=1, max_size=8))
def test_a_row_is_shown_at_the_moments_at_which_a_player_shows_it(
    case: tuple[list[int], np.ndarray, np.ndarray], moments: list[int]
) -> None:
    ticks, time_s, end_s = case
    rows = rows_shown_at(time_s, end_s, np.array(moments) / 50)
    away_s = seconds_away(time_s, end_s, np.array(moments) / 50)
    by_time = {round(50 * t): row for row, t in enumerate(time_s)}
    for moment, row, away in zip(moments, rows.tolist(), away_s, strict=True):
        plain = [
            max(0, round(50 * a) - moment, moment - round(50 * b)) / 50
            for a, b in zip(time_s, end_s, strict=True)
        ]
        assert away == pytest.approx(plain)
        shown = by_time.get(shown_at(ticks, moment) if shown_at(ticks, moment) is not None else -1)
        if shown is None:
            nearest = min(range(len(plain)), key=lambda n: (round(plain[n], 6), n))
            assert row == nearest
        else:
            assert row == shown


@given(indexed(), st.lists(st.tuples(st.integers(0, 450), st.integers(0, 450)), max_size=6))
def test_a_row_is_shown_during_a_stretch_if_at_any_moment_of_it(
    case: tuple[list[int], np.ndarray, np.ndarray], ends: list[tuple[int, int]]
) -> None:
    ticks, time_s, end_s = case
    stretches = [(min(pair), max(pair)) for pair in ends]
    met = shown_during(time_s, end_s, np.array(stretches) / 50)
    assert met.shape == (len(stretches), len(time_s))
    for (first, last), row in zip(stretches, met, strict=True):
        shown = {shown_at(ticks, moment) for moment in range(first, last + 1)}
        assert row.tolist() == [round(50 * t) in shown for t in time_s]


@given(indexed(), st.integers(0, 450), st.integers(1, 200))
def test_a_cut_frame_is_shown_at_the_moments_inside(
    case: tuple[list[int], np.ndarray, np.ndarray], start: int, length: int
) -> None:
    _, *spans = case
    end = start + length
    frames = Spans(*spans)
    before, after = (
        np.round(50 * np.stack(s)).T for s in (frames, cut(frames, start / 50, end / 50))
    )
    for (a, b), (own_a, own_b) in zip(before.tolist(), after.tolist(), strict=True):
        if a > end or b <= start:
            assert (own_a, own_b) == (a, b)
        else:
            inside = [moment for moment in range(start, end) if a <= moment < b]
            assert [moment for moment in range(500) if own_a <= moment < own_b] == inside


def test_rounded_times_find_the_frame_as_the_decoders_do() -> None:
    time_s, end_s = np.array([0.0, 1 / 3, 2 / 3]), np.array([1 / 3, 2 / 3, 1.0])
    assert rows_shown_at(time_s, end_s, [0.3333, 0.6666, 0.3331, 0.9999]).tolist() == [1, 2, 0, 2]
    assert shown_during(time_s, end_s, [[0.3333, 0.3333]]).tolist() == [[False, True, False]]
    assert shown_during(time_s, end_s, [[0.3331, 0.3331]]).tolist() == [[True, False, False]]


def test_a_moment_is_shown_when_it_is() -> None:
    time_s = np.array([1.0, 2.0])
    met = shown_during(time_s, time_s, [[1.0, 1.5], [0.0, 0.9998], [1.5, 2.5], [1.2, 1.8]])
    assert met.tolist() == [[True, False], [False, False], [False, True], [False, False]]


def test_before_the_first_row_and_past_the_last() -> None:
    time_s, end_s = np.array([2.0, 5.0]), np.array([2.5, 6.0])
    assert rows_shown_at(time_s, end_s, [0.0, 3.0, 3.75, 4.0, 9.0]).tolist() == [0, 0, 0, 1, 1]


def test_until_next() -> None:
    assert until_next(np.array([0.0, 1.5, 4.0]), 9.0).tolist() == [1.5, 4.0, 9.0]
    assert until_next(np.array([0.0, 1.5])).tolist() == [1.5, np.inf]
