"""Each rule of picking by hand, then against a plain reading of the rules on generated videos."""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.spans import until_next
from infer.selection.dpp import pick_dpp
from infer.selection.hills import pick_hills
from infer.selection.published import pick_aks, pick_bolt, pick_mmr
from infer.selection.registry import STRATEGIES
from infer.selection.strategies import (
    ScoredVideo,
    load_strategy,
    pick_quarters,
    pick_random,
    pick_top,
    pick_top_apart,
    pick_uniform,
    question_seed,
    segments,
)
from tests.curves import Array, Video, looks, seeds, videos


def plain_segments(time_s: Array, duration_s: float, k: int) -> list[int]:
    if duration_s <= 0:
        return [0] * len(time_s)
    if duration_s < 1e-300:  # K·t/duration is beyond the range of a float
        return [k - 1 if t > 0 else 0 for t in time_s.tolist()]
    return [min(k - 1, math.floor(k * t / duration_s)) for t in time_s.tolist()]


def plain_quarters(scores: list[float], time_s: Array, duration_s: float, k: int) -> list[int]:
    segment = plain_segments(time_s, duration_s, k)
    picked: list[int] = []
    for s in range(k):
        inside = [row for row in range(len(scores)) if segment[row] == s]
        if inside:
            picked.append(min(inside, key=lambda row: (-scores[row], row)))
    rest = sorted(set(range(len(scores))) - set(picked), key=lambda row: (-scores[row], row))
    return sorted((picked + rest)[: min(k, len(scores))])


def plain_uniform(time_s: Array, end_s: Array, duration_s: float, k: int) -> list[int]:
    def away(row: int, middle_s: float) -> tuple[bool, float, int]:
        start, end = float(time_s[row]), float(end_s[row])
        shown = start <= middle_s + 1e-4 < end
        away_s = -start if math.isinf(middle_s) else max(start - middle_s, middle_s - end)
        return not shown, round(away_s, 8), row

    rest = list(range(len(time_s)))
    picked: list[int] = []
    for s in range(k):
        if rest:
            middle_s = (s + 0.5) * duration_s / k
            row = min(rest, key=partial(away, middle_s=middle_s))
            picked.append(row)
            rest.remove(row)
    return sorted(picked)


def plain_top(scores: list[float], k: int) -> list[int]:
    return sorted(sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k])


def plain_top_apart(scores: list[float], time_s: Array, duration_s: float, k: int) -> list[int]:
    picked: list[int] = []
    rest = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    while rest and len(picked) < k:
        far = [
            row
            for row in rest
            if all(abs(time_s[row] - time_s[other]) >= duration_s / (2 * k) for other in picked)
        ]
        picked.append((far or rest)[0])
        rest.remove(picked[-1])
    return sorted(picked)


def scored(scores: Array, time_s: Array, duration_s: float) -> ScoredVideo:
    vectors = np.zeros((len(time_s), 1, 2), np.float32)
    return ScoredVideo(scores, time_s, until_next(time_s), duration_s, vectors, seeds(len(scores)))


def quarters(
    scores: Sequence[float], time_s: Sequence[float], duration_s: float, k: int = 4
) -> list[int]:
    batch = np.array([scores], np.float32)
    rows: list[int] = pick_quarters(batch, np.array(time_s, float), duration_s, k)[0].tolist()
    return rows


def uniform(time_s: Sequence[float], duration_s: float, k: int = 4) -> list[int]:
    moments_s = np.array(time_s, float)
    rows: list[int] = pick_uniform(moments_s, duration_s, k, moments_s).tolist()
    return rows


def apart(scores: Sequence[float], time_s: Sequence[float], duration_s: float, k: int) -> list[int]:
    batch = np.array([scores], np.float32)
    rows: list[int] = pick_top_apart(batch, np.array(time_s, float), duration_s, k)[0].tolist()
    return rows


def test_a_frame_on_a_border_belongs_to_the_later_segment_and_the_end_to_the_last() -> None:
    time_s = np.array([0, 1.9, 2, 3.9, 4, 6, 7.9, 8, 9])
    assert segments(time_s, 8.0, 4).tolist() == [0, 0, 1, 1, 2, 3, 3, 3, 3]


@pytest.mark.parametrize(("k", "t", "duration_s"), [(3, 0.3, 0.9), (6, 0.6, 0.9), (6, 0.7, 1.4)])
def test_segments_round_as_the_formula_does(k: int, t: float, duration_s: float) -> None:
    # On these borders t/duration·K and t/(duration/K) round to the next segment.
    expected = math.floor(k * t / duration_s)
    assert expected < math.floor(t / duration_s * k) == math.floor(t / (duration_s / k))
    assert segments(np.array([t]), duration_s, k).tolist() == [expected]


@pytest.mark.parametrize("duration_s", [0.0, -3.0])
def test_without_a_duration_the_whole_video_is_one_segment(duration_s: float) -> None:
    assert segments(np.array([0.0, 1.0, 2.0]), duration_s, 4).tolist() == [0, 0, 0]


def test_quarters_takes_the_best_of_each_quarter() -> None:
    assert quarters([1, 3, 2, 9, 8, 7, -1, 0], range(8), 8.0) == [1, 3, 4, 7]


def test_quarters_takes_the_earlier_of_equals() -> None:
    assert quarters([5, 5, 2, 2, 0, 0, 1, 1], range(8), 8.0) == [0, 2, 4, 6]


def test_an_empty_quarter_gives_its_place_to_the_best_frame_left() -> None:
    # The second quarter, 2 s to 4 s, has no frame; row 1 is the best of those that lost.
    assert quarters([9, 8, 7, 1, 6, 2], [0, 0.5, 1, 4, 5, 6], 8.0) == [0, 1, 4, 5]


def test_the_place_of_an_empty_quarter_goes_to_the_earlier_of_equals() -> None:
    assert quarters([9, 8, 3, 8, 3], [0, 0.5, 4, 5, 6], 8.0) == [0, 1, 3, 4]


def test_all_frames_in_one_quarter() -> None:
    assert quarters([1, 5, 2, 4, 3], [0, 0.1, 0.2, 0.3, 0.4], 100.0) == [1, 2, 3, 4]


def test_fewer_frames_than_picks_gives_them_all() -> None:
    assert quarters([3, 1, 2], [0, 0.1, 7], 8.0) == [0, 1, 2]
    assert quarters([-1], [0], 0.04) == [0]


def test_scores_of_minus_infinity_cost_no_row() -> None:
    assert quarters([-np.inf] * 6, range(6), 600.0) == [0, 1, 2, 3]


def test_uniform_takes_the_frames_nearest_to_the_middles() -> None:
    assert uniform([row / 4 for row in range(32)], 8.0) == [4, 12, 20, 28]


def test_uniform_takes_the_earlier_of_two_as_near() -> None:
    assert uniform([0, 2, 4, 6], 8.0) == [0, 1, 2, 3]  # middles 1, 3, 5, 7
    assert uniform([0.0, 2.0], 2.0, k=1) == [0]


def test_uniform_on_a_collision_takes_the_nearest_frame_left() -> None:
    # Middles 5, 15, 25, 35: 4 s, 20 s, then 3 s and 2 s.
    assert uniform([0, 1, 2, 3, 4, 20], 40.0) == [2, 3, 4, 5]
    # Middles 1, 3, 5: 1 s, 4 s, then 1.75 s and 8.25 s are as near to 5 s.
    assert uniform([1, 1.75, 4, 8.25], 6.0, k=3) == [0, 1, 2]


def test_top_takes_the_best_wherever_they_are_and_the_earlier_of_equals() -> None:
    scores = np.array([[1, 5, 5, 3, 5, 0], [0, 0, 0, 0, 0, 0]], np.float32)
    assert pick_top(scores, 2).tolist() == [[1, 2], [0, 1]]
    assert pick_top(scores, 4).tolist() == [[1, 2, 3, 4], [0, 1, 2, 3]]
    assert pick_top(scores, 9).tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_top_apart_keeps_its_distance_and_a_frame_just_there_is_far_enough() -> None:
    # A second apart at the least: rows 1 and 3 are half a second from the best, row 4 a whole one.
    scores = [0, 8, 9, 7, 6, 3, 1, 1]
    assert apart(scores, [row / 2 for row in range(8)], 4.0, 2) == [2, 4]
    # 4/6 s: row 4 and then row 0, as far from row 2; rows 6 and 7 are better than row 0.
    assert apart(scores, [row / 2 for row in range(8)], 4.0, 3) == [2, 4, 6]


def test_top_apart_takes_the_best_of_the_rest_where_none_is_far_enough() -> None:
    # 100/6 s: after 0.1 s nothing but 90 s is far enough, and then nothing at all.
    assert apart([5, 9, 7, 8, 1], [0, 0.1, 0.2, 0.3, 90], 100.0, 3) == [1, 3, 4]


@pytest.mark.parametrize("duration_s", [0.0, -3.0, math.inf])
def test_top_apart_without_a_distance_is_top(duration_s: float) -> None:
    assert apart([1, 5, 2, 4, 3], range(5), duration_s, 3) == [1, 3, 4]


@pytest.mark.parametrize("k", range(1, 9))
def test_top_apart_finds_room_wherever_frames_are_close_enough(k: int) -> None:
    frames = 4 * k * k
    scores = np.random.default_rng(k).random((200, frames), np.float32)
    time_s = (np.arange(frames) + 0.5) / frames
    rows = pick_top_apart(scores, time_s, 1.0, k)
    assert (np.diff(time_s[rows], axis=1) >= 1 / (2 * k)).all()


def test_the_strategies_are_the_functions_by_name() -> None:
    scores = np.random.default_rng(0).random((3, 40), np.float32)
    time_s = np.arange(40) * 0.5
    on = scored(scores, time_s, 20.0)
    expected = {
        "quarters": pick_quarters(scores, time_s, 20.0, 4),
        "uniform": np.stack([pick_uniform(time_s, 20.0, 4)] * 3),
        "random": pick_random(time_s, 20.0, 4, seeds(3)),
        "top": pick_top(scores, 4),
        "top-apart": pick_top_apart(scores, time_s, 20.0, 4),
        "mmr": pick_mmr(scores, on.vectors, 4),
        "aks": pick_aks(scores, 4),
        "bolt": pick_bolt(scores, 4),
        "hills": pick_hills(scores, time_s, 20.0, 4),
        "dpp": pick_dpp(scores, on.vectors, 4),
    }
    assert set(STRATEGIES) == set(expected)
    for name, rows in expected.items():
        np.testing.assert_array_equal(load_strategy(name)(on, 4), rows)


@settings(max_examples=300, deadline=None)
@given(videos())
def test_segments_are_the_formula(video: Video) -> None:
    _, time_s, duration_s, k = video
    assert segments(time_s, duration_s, k).tolist() == plain_segments(time_s, duration_s, k)


@settings(max_examples=300, deadline=None)
@given(videos())
def test_quarters_is_the_plain_reading(video: Video) -> None:
    scores, time_s, duration_s, k = video
    rows = pick_quarters(scores, time_s, duration_s, k)
    assert rows.tolist() == [plain_quarters(one.tolist(), time_s, duration_s, k) for one in scores]


@settings(max_examples=300, deadline=None)
@given(videos(), st.sampled_from([0.0, 0.3, 1.0]))
def test_uniform_is_the_plain_reading(video: Video, part: float) -> None:
    _, time_s, duration_s, k = video
    end_s = time_s + part * np.diff(time_s, append=2 * time_s[-1] + 1)
    rows = pick_uniform(time_s, duration_s, k, end_s).tolist()
    assert rows == plain_uniform(time_s, end_s, duration_s, k)


def test_uniform_takes_the_frame_that_is_shown_at_the_middle() -> None:
    slides = np.array([0, 30, 31, 90.0])  # middles 22.5 and 67.5 s
    assert pick_uniform(slides, 90.0, 2).tolist() == [0, 2]
    # A clip of 25 frames a second, two rows a second: 1.26 s is nearer to the end of row 2's frame.
    rows = np.arange(6) / 2
    assert pick_uniform(rows, 2.52, 1, rows + 0.04).tolist() == [2]
    assert pick_uniform(rows, 2.52, 1, rows).tolist() == [3]


def test_uniform_takes_the_earlier_of_two_as_near_however_sums_are_rounded() -> None:
    tenths = np.arange(226) / 10  # the middle of 16.9 and 17 s is 16.95 s, give or take a bit
    assert pick_uniform(tenths, 22.6, 2, tenths).tolist() == [56, 169]
    for k in range(1, 9):
        for frames in range(k, 300, 7):
            rows = pick_uniform(np.arange(frames) / 10, frames / 10, k, np.arange(frames) / 10)
            exact = [((2 * s + 1) * frames, 2 * k) for s in range(k)]  # middles in tenths
            assert rows.tolist() == [math.ceil(Fraction(*m) - Fraction(1, 2)) for m in exact]


@settings(max_examples=300, deadline=None)
@given(videos())
def test_top_and_top_apart_are_the_plain_reading(video: Video) -> None:
    scores, time_s, duration_s, k = video
    plain = [plain_top(one.tolist(), k) for one in scores]
    assert pick_top(scores, k).tolist() == plain
    plain = [plain_top_apart(one.tolist(), time_s, duration_s, k) for one in scores]
    assert pick_top_apart(scores, time_s, duration_s, k).tolist() == plain


@settings(max_examples=1500, deadline=None)
@given(look=looks())
def test_every_strategy_keeps_the_promises(look: tuple[ScoredVideo, int]) -> None:
    on, k = look
    before = [np.copy(part) for part in on]
    last = on._replace(scores=on.scores[-1:], seeds=on.seeds[-1:])
    for name in STRATEGIES:
        strategy = load_strategy(name)
        rows = strategy(on, k)
        assert rows.dtype == np.int64, name
        assert rows.shape == (len(on.scores), min(k, len(on.time_s))), name
        assert (np.diff(rows, axis=1) > 0).all(), name  # different, and in order of time
        assert rows.min() >= 0, name
        assert rows.max() < len(on.time_s), name
        np.testing.assert_array_equal(rows, strategy(on, k), name)
        np.testing.assert_array_equal(rows[-1:], strategy(last, k), name)
    for part, copy in zip(on, before, strict=True):
        np.testing.assert_array_equal(part, copy)


@settings(max_examples=200, deadline=None)
@given(videos(), st.integers(0, 2**64 - 9))
def test_random_has_a_frame_of_every_segment_that_holds_one(video: Video, first_seed: int) -> None:
    _, time_s, duration_s, k = video
    segment = np.array(plain_segments(time_s, duration_s, k))
    for rows in pick_random(time_s, duration_s, k, seeds(8, first_seed)):
        assert set(segment[rows]) == set(segment)


def test_random_takes_each_frame_of_a_segment_equally_often() -> None:
    time_s = np.array([0, 0.1, 0.2, 2.5, 4, 4.1, 4.2, 4.3, 4.4, 6, 7])
    draws = 20_000
    rows = pick_random(time_s, 8.0, 4, seeds(draws))
    share = np.bincount(rows.ravel(), minlength=len(time_s)) / draws
    expected = np.array([1 / 3] * 3 + [1] + [1 / 5] * 5 + [1 / 2] * 2)
    error = 5 * np.sqrt(expected * (1 - expected) / draws)
    assert (np.abs(share - expected) <= error).all()
    # The draws of two segments have nothing to do with each other.
    pairs = Counter(map(tuple, rows[:, [0, 3]].tolist()))
    assert len(pairs) == 6
    assert all(abs(n / draws - 1 / 6) < 5 * math.sqrt(5 / 36 / draws) for n in pairs.values())


def test_random_fills_empty_places_equally_from_all_the_frames_left() -> None:
    # Segments 0 and 3 hold two and four frames. Two of those six are drawn, and two of the four
    # left fill the empty places, each pair equally likely: so every row of the short segment is
    # picked with ½ + ½·½, and every row of the long one with ¼ + ¾·½.
    time_s = np.array([0, 1, 6, 6.5, 7, 7.5])
    draws = 20_000
    rows = pick_random(time_s, 8.0, 4, seeds(draws))
    share = np.bincount(rows.ravel(), minlength=6) / draws
    expected = np.array([0.75] * 2 + [0.625] * 4)
    assert (np.abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / draws)).all()


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_no_questions_are_an_empty_table(name: str) -> None:
    on = scored(np.zeros((0, 9), np.float32), np.arange(9.0), 90.0)
    rows = load_strategy(name)(on, 4)
    assert rows.shape == (0, 4)
    assert rows.dtype == np.int64


def test_the_seed_of_a_question_is_fixed_by_run_seed_and_id() -> None:
    assert question_seed(0, "train_0001") == question_seed(0, "train_0001")
    assert all(0 <= question_seed(n, "câu hỏi") < 2**64 for n in range(-3, 99))
    distinct = {question_seed(seed, f"{n}") for seed in range(30) for n in range(30)}
    assert len(distinct) == 900
