"""Random and oracle against every possible draw, against `pick_random` itself, and by hand."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from index.errors import CueframeError
from index.spans import Spans, Timeline
from infer.evaluation.baselines import FIGURES, of_matches
from infer.evaluation.draws import draws_of
from infer.evaluation.score_table import uniform_picks, uniform_rows
from infer.metrics import TimedQuestion, every, picked_spans
from infer.selection.parts import part_asked
from infer.selection.strategies import pick_random, segments
from tests.curves import moments
from tests.infer.test_metrics import Ranges, ask


def queries(
    time_s: npt.ArrayLike,
    duration_s: float,
    times_s: Sequence[float] = (),
    ranges_s: Ranges = (),
    video: str = "v",
    end_s: npt.ArrayLike | None = None,
    scenes_s: Sequence[Ranges] = (),
) -> TimedQuestion:
    timeline = moments(time_s, duration_s)
    if end_s is not None:
        timeline = timeline._replace(end_s=np.asarray(end_s, np.float64))
    return TimedQuestion(ask(times_s, ranges_s, scenes_s), *timeline, video)


def both(one: TimedQuestion, name: str, k: int = 4) -> tuple[float, float]:
    return FIGURES[name].random_and_oracle(one, draws_of(one, k))


def value(
    name: str, one: TimedQuestion, rows: Sequence[int] | npt.NDArray[np.int64], k: int
) -> float:
    return FIGURES[name].value(one, Spans(one.time_s[list(rows)], one.end_s[list(rows)]), k)


def draws(one: TimedQuestion, k: int) -> dict[tuple[int, ...], Fraction]:
    """Every result of `pick_random` with its probability, drawn out one by one."""
    segment = segments(one.time_s, one.duration_s, k)
    rows_of = [np.flatnonzero(segment == s).tolist() for s in range(k) if s in segment]
    chances: dict[tuple[int, ...], Fraction] = {}
    for firsts in product(*rows_of):
        rest = sorted(set(range(len(segment))) - set(firsts))
        fills = list(combinations(rest, min(k, len(segment)) - len(firsts)))
        for fill in fills:
            rows = tuple(sorted(firsts + fill))
            chance = Fraction(1, math.prod(map(len, rows_of)) * len(fills))
            chances[rows] = chances.get(rows, Fraction()) + chance
    assert sum(chances.values()) == 1
    return chances


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[TimedQuestion, int]:
    """Few rows, with gaps, segments without a row, fewer rows than picks, labels of all kinds."""
    k = draw(st.integers(1, 4))
    halves = draw(st.lists(st.integers(0, 16), min_size=1, max_size=9, unique=True).map(sorted))
    time_s = [half / 2 for half in halves]
    duration_s = draw(st.sampled_from([0.0, 2.0, time_s[-1] + 0.5, 8.5, 30.0]))
    quarters = st.integers(0, 36).map(lambda n: n / 4)
    times_s = draw(st.lists(quarters, max_size=5))
    spans = st.tuples(quarters, quarters).map(lambda r: (min(r), max(r)))
    # The rows' spans: moments, short as in a video, or up to the next row or half-way there.
    reach = draw(st.lists(st.sampled_from([0.0, 0.04, 0.5, 1.0]), min_size=9, max_size=9))
    next_s = [*time_s[1:], max(duration_s, time_s[-1] + 0.5)]
    end_s = [
        a + (part if part == 0.04 else part * (b - a))
        for a, b, part in zip(time_s, next_s, reach, strict=False)
    ]
    ranges_s = draw(st.lists(spans, max_size=4))
    # Segments of several scenes in any order: nested, one inside the gap of another, equal.
    scenes_s = draw(st.lists(st.lists(spans, min_size=1, max_size=3), max_size=3))
    return queries(time_s, duration_s, times_s, ranges_s, end_s=end_s, scenes_s=scenes_s), k


@settings(max_examples=400, deadline=None)
@given(small_cases())
def test_random_and_oracle_are_the_mean_and_the_best_of_all_draws(
    case: tuple[TimedQuestion, int],
) -> None:
    one, k = case
    chances = draws(one, k)
    for name in sorted(set(FIGURES) - {"UKSS"}):
        expected, best = both(one, name, k)
        figures = {rows: value(name, one, rows, k) for rows in chances}
        if any(map(math.isnan, figures.values())):
            assert all(map(math.isnan, figures.values()))
            assert math.isnan(expected)
            assert math.isnan(best)
            continue
        mean = sum(float(chances[rows]) * figure for rows, figure in figures.items())
        assert expected == pytest.approx(mean, abs=1e-9), name
        utmost = min if name == "distance_s" else max
        assert best == pytest.approx(utmost(figures.values()), abs=1e-9), name


@settings(max_examples=150, deadline=None)
@given(small_cases(), st.integers(1, 4), st.integers(0, 2**32))
def test_spans_may_be_any_sets_of_rows(
    case: tuple[TimedQuestion, int], spans: int, seed: int
) -> None:
    # As those of sim_m are: the rows that look like a true frame.
    one, k = case
    met = np.random.default_rng(seed).random((spans, len(one.time_s))) < 0.4
    expected, best = of_matches(met, draws_of(one, k), "spans", every)
    chances = draws(one, k)
    found = {rows: bool(met[:, list(rows)].any(axis=1).all()) for rows in chances}
    assert expected == pytest.approx(sum(float(chances[rows]) for rows in found if found[rows]))
    assert best == max(found.values())


@settings(max_examples=300, deadline=None)
@given(small_cases(), st.integers(0, 36), st.integers(0, 36))
def test_the_figures_of_a_part_are_those_of_a_video_cut_to_it(
    case: tuple[TimedQuestion, int], one_end: int, other_end: int
) -> None:
    whole, k = case
    span = min(one_end, other_end) / 4, max(one_end, other_end) / 4  # quarters: no sum rounds
    timeline = Timeline(whole.time_s, whole.end_s, whole.duration_s)
    try:
        rows, start_s, part = part_asked(span, timeline)
    except CueframeError:
        assume(False)
    asked = TimedQuestion(
        whole.question.model_copy(update={"span_s": span}),
        whole.time_s[rows],
        whole.end_s[rows],
        part.duration_s,
        "v",
        start_s,
    )
    labels = whole.question
    moved = labels.model_copy(
        update={
            "support_frames": [t - start_s for t in labels.support_frames],
            "support_ranges": [(a - start_s, b - start_s) for a, b in labels.support_ranges],
            "scenes": [[(a - start_s, b - start_s) for a, b in own] for own in labels.scenes],
        }
    )
    alone = TimedQuestion(moved, *part, "v")
    assert (uniform_picks([asked], k)[0]).tolist() == (
        asked.time_s[uniform_rows(alone, k)].tolist()
    )
    for name, figure in FIGURES.items():
        assert figure.random_and_oracle(asked, draws_of(asked, k)) == pytest.approx(
            figure.random_and_oracle(alone, draws_of(alone, k)), abs=1e-9, nan_ok=True
        ), name
        for places in combinations(range(len(part.time_s)), min(k, len(part.time_s))):
            own = picked_spans(asked, asked.time_s[list(places)])
            cut = Spans(part.time_s[list(places)], part.end_s[list(places)])
            assert figure.value(asked, own, k) == pytest.approx(
                figure.value(alone, cut, k), abs=1e-9, nan_ok=True
            ), name


CASES = {
    "a clip at two frames a second": queries(np.arange(20) / 2, 10.0, [2.1, 2.4, 7.8]),
    "ranges, one inside another": queries(
        np.arange(60) / 2, 30.0, [3.0, 25.0], [(2, 9), (4, 5), (24, 29)]
    ),
    "two empty segments": queries(
        [0, 1, 2, 6, 6.5, 7, 7.5, 30], 40.0, [1.0, 6.8], [(0, 1), (7, 30)]
    ),
    "all in one segment": queries(np.arange(12) / 2, 100.0, [0.4, 3.0, 5.2]),
    "fewer frames than picks": queries([0.0, 0.5, 7.0], 8.0, [0.2, 3.0]),
    "scenes that alternate": queries(
        np.arange(40) / 2, 20.0, scenes_s=[[(1, 3), (11, 12)], [(4, 6), (16, 17)], [(8, 8.4)]]
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_random_is_the_mean_of_pick_random(case: str) -> None:
    one = CASES[case]
    n = 4_000
    rows = pick_random(one.time_s, one.duration_s, 4, np.arange(n, dtype=np.uint64))
    for name in sorted(set(FIGURES) - {"UKSS"}):
        figures = [value(name, one, row, 4) for row in rows]
        if math.isnan(figures[0]):
            continue
        error = 4.5 * np.std(figures) / math.sqrt(n) + 1e-9
        assert abs(np.mean(figures) - both(one, name)[0]) <= error, name


def test_random_hits_by_the_shares_of_rows_that_hit() -> None:
    # Quarters of 5 rows; the range holds 2 of the second and 1 of the third.
    one = queries(np.arange(20) / 2, 10.0, [], [(4.0, 5.0)])
    assert both(one, "hit") == pytest.approx((1 - 3 / 5 * 4 / 5, 1.0))
    assert both(one, "precision") == pytest.approx(((2 / 5 + 1 / 5) / 4, 2 / 4))


def test_random_matches_all_times_together() -> None:
    # Rows at 1.5 s and 2 s match 1.9 s, rows at 2 s and 2.5 s match 2.2 s, and 2.5 s begins the
    # second quarter. 9.9 s is matched by the row at 9.5 s alone. Quarters of 5 rows.
    one = queries(np.arange(20) / 2, 10.0, [1.9, 2.2, 9.9])
    assert both(one, "all@0.5") == pytest.approx(((1 / 5 + 1 / 5 * 1 / 5) * 1 / 5, 1.0))
    assert both(one, "recall") == pytest.approx(((2 / 5 + (1 - 4 / 5 * 4 / 5) + 1 / 5) / 3, 1.0))


def test_oracle_is_held_to_one_row_a_segment() -> None:
    # Both events are in the first quarter: only one of them can be picked.
    one = queries(np.arange(40) / 2, 20.0, [0.0, 4.0])
    assert both(one, "recall")[1] == 0.5
    assert both(one, "all@0.5") == (0.0, 0.0)
    assert both(one, "precision")[1] == 0.25


def test_a_long_video_with_many_spans_is_exact_and_quick() -> None:
    # Spans of 30 s, alone in each of 32 segments of 225 s: independent hits with 60 rows of 450.
    time_s = np.arange(14_400) / 2
    one = queries(time_s, 7200.0, [], [(s * 225 + 100, s * 225 + 129.5) for s in range(32)])
    share = 60 / 450
    assert both(one, "hit", 32) == pytest.approx((1 - (1 - share) ** 32, 1.0))
    assert both(one, "recall", 32) == pytest.approx((share, 1.0))
    assert both(one, "precision", 32) == pytest.approx((share, 1.0))


def test_ukss_has_neither_random_nor_oracle() -> None:
    one = CASES["scenes that alternate"]
    assert all(map(math.isnan, both(one, "UKSS")))
    assert value("UKSS", one, [2, 8, 22, 39], 4) > 0


def test_a_scene_is_matched_once() -> None:
    # One row of 5 in each quarter shows the first scene, one of 5 in the second the other.
    one = queries(
        np.arange(20) / 2, 10.0, scenes_s=[[(0, 0.4), (2.5, 2.9), (5, 5.4), (7.5, 7.9)], [(4, 4.4)]]
    )
    assert both(one, "recall") == pytest.approx(((1 - (4 / 5) ** 4 + 1 / 5) / 2, 1.0))
    assert both(one, "precision") == pytest.approx(((3 / 5 + 2 / 5) / 4, 1.0))


def test_many_scenes_of_a_long_video_are_exact_and_quick() -> None:
    # Five scenes, each with a segment in every fifth of 40 segments of the video.
    time_s = np.arange(14_400) / 2
    scenes = [[(s * 180 + 50, s * 180 + 59.5) for s in range(40) if s % 5 == n] for n in range(5)]
    one = queries(time_s, 7200.0, scenes_s=scenes)
    assert both(one, "recall", 40) == pytest.approx((1 - (1 - 20 / 360) ** 8, 1.0))


def test_a_time_beyond_the_end_cannot_be_matched() -> None:
    one = queries(np.arange(20) / 2, 10.0, [3.0, 99.0])
    assert both(one, "recall")[1] == 0.5
    assert both(one, "all@1.0") == (0.0, 0.0)


def test_the_least_distance_is_quick_and_right_on_a_long_video() -> None:
    time_s = np.arange(14_400) / 2
    times_s = [s * 450 + 100.3 for s in range(16)]
    one = queries(time_s, 7200.0, times_s, [(a, a + 9) for a in times_s])
    # A pick for every time: 0.2 s after it, at the half second.
    assert both(one, "distance_s", 16)[1] == pytest.approx(0.2)
    assert both(one, "distance_s", 4)[1] > 100
    assert 0 < both(one, "IoP", 4)[0] < both(one, "IoP", 4)[1] <= 1
