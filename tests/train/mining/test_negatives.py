"""Negatives against their definition, written out in plain loops."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.mining.negatives import choose_negatives, hard_order, highest_similarity, random_order

SLACK_S = 1e-4


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    # Times in tenths, so that frames do lie on the ends of guards and ranges.
    tenths = sorted(draw(st.sets(st.integers(0, 120), max_size=40)))
    count = len(tenths)
    starts = draw(st.lists(st.integers(0, 120), max_size=3))
    duration_s = max(tenths, default=0) / 10 + draw(st.sampled_from([0.04, 0.1, 3.0]))
    short = draw(st.booleans())  # as in a video, or as in a screen recording
    return {
        "time_s": [tenth / 10 for tenth in tenths],
        "end_s": [
            min(start / 10 + 0.04, end) if short else end
            for start, end in pairwise([*tenths, 10 * duration_s])
            for end in [end / 10]
        ],
        "duration_s": duration_s,
        "support_s": [t / 10 for t in draw(st.lists(st.integers(0, 120), min_size=1, max_size=4))],
        "taken_s": [t / 10 for t in draw(st.lists(st.integers(0, 120), min_size=1, max_size=4))],
        "ranges_s": [[a / 10, a / 10 + draw(st.integers(0, 30)) / 10] for a in starts],
        "similarity": draw(
            st.lists(st.sampled_from([0.2, 0.9499, 0.95, 1.0]), min_size=count, max_size=count)
        ),
        "order": draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)),
        "num_segments": draw(st.integers(1, 8)),
        "guard_s": draw(st.sampled_from([0.0, 0.1, 0.5, 2.0])),
        "threshold": draw(st.sampled_from([0.1, 0.95, 1.1])),
        "span_s": draw(
            st.none()
            | st.tuples(st.integers(0, 130), st.integers(0, 130)).map(
                lambda two: (min(two) / 10, max(two) / 10)
            )
        ),
    }


def by_definition(case: dict[str, Any]) -> list[int]:
    """Draw again and again from what is left of a segment until one passes."""
    rows = []
    first_s, last_s = case["span_s"] or (-1.0, 1e9)
    start_s, end_s = max(0.0, first_s), min(last_s, case["duration_s"])

    def part_of(time_s: float) -> int:
        if end_s <= start_s:
            return 0
        parts: int = case["num_segments"]
        inside_s = min(max(0.0, time_s - start_s), end_s - start_s)
        # In floats as they come: rounded, a frame on a border would be on its other side.
        part: int = min(parts - 1, math.floor(parts * inside_s / (end_s - start_s)))
        return part

    for segment in range(case["num_segments"]):
        left = [
            row
            for row, (time_s, until_s) in enumerate(zip(case["time_s"], case["end_s"], strict=True))
            if part_of(time_s) == segment
            and time_s <= last_s + SLACK_S
            and (until_s > first_s + SLACK_S or time_s >= first_s - SLACK_S)
        ]
        while left:
            row = min(left, key=lambda row: (case["order"][row], row))
            left.remove(row)
            around = [min(t, case["duration_s"]) for t in case["support_s"]]
            stretches = [(t - case["guard_s"], t + case["guard_s"]) for t in around]
            start, end = case["time_s"][row], case["end_s"][row]
            shown = any(
                start <= b + SLACK_S and (end > a + SLACK_S or start >= a - SLACK_S)
                for a, b in [*stretches, *case["ranges_s"]]
            )
            if (
                not shown
                and start not in case["taken_s"]
                and case["similarity"][row] < case["threshold"]
            ):
                rows.append(row)
                break
    return rows


def chosen(case: dict[str, Any]) -> list[int]:
    arrays: dict[str, Any] = {
        name: np.array(value, np.float64) if isinstance(value, list) else value
        for name, value in case.items()
    }
    rows: list[int] = choose_negatives(**arrays).tolist()
    return rows


@given(case=cases())
def test_they_are_what_drawing_until_one_passes_gives(case: dict[str, Any]) -> None:
    assert chosen(case) == by_definition(case)


def test_a_part_that_is_used_up_gives_none() -> None:
    case: dict[str, Any] = {
        "time_s": [0.0, 1.0, 2.0, 3.0],
        "end_s": [0.2, 1.2, 2.2, 3.2],
        "duration_s": 4.0,
        "support_s": [0.6],
        "taken_s": [0.6],
        "ranges_s": [],
        "similarity": [0.0, 0.0, 0.99, 0.5],
        "order": [0, 0, 0, 0],
        "num_segments": 2,
        "guard_s": 0.5,
        "threshold": 0.95,
    }
    assert chosen(case) == [3]
    assert chosen(case | {"threshold": 0.5}) == []
    assert chosen(case | {"threshold": 1.1}) == [2]
    assert chosen(case | {"guard_s": 0.3}) == [0, 3]


def test_a_slide_that_is_on_the_screen_during_evidence_is_no_negative() -> None:
    case: dict[str, Any] = {
        "time_s": [0.0, 30.0, 31.0, 90.0],
        "end_s": [30.0, 31.0, 90.0, 90.03],
        "duration_s": 90.03,
        "support_s": [75.0],
        "taken_s": [31.0],
        "ranges_s": [],
        "similarity": [0.0, 0.0, 0.0, 0.0],
        "order": [0, 1, 2, 3],
        "num_segments": 4,
        "guard_s": 0.5,
        "threshold": 0.95,
    }
    assert chosen(case) == [0, 1, 3]
    assert chosen(case | {"ranges_s": [[15.0, 16.0]]}) == [1, 3]
    assert chosen(case | {"ranges_s": [[29.0, 30.5]]}) == [3]
    # Only what is shown in the part that is asked about, whose fourths are its own.
    assert chosen(case | {"span_s": (10.0, 20.0)}) == [0]
    assert chosen(case | {"span_s": (30.5, 99.0)}) == [1, 3]
    assert chosen(case | {"span_s": (95.0, 99.0)}) == []
    # A label past the end means the last frame, and the guard counts from the end.
    assert chosen(case | {"support_s": [500.0], "taken_s": [90.0], "guard_s": 0.1}) == [0, 1]


def test_every_candidate_of_a_part_is_equally_likely() -> None:
    draws = 6000
    first = [int(random_order(3, seed, "q").argmin()) for seed in range(draws)]
    counts = np.bincount(first, minlength=3)
    # 5 standard deviations of a binomial with p = 1/3
    assert np.abs(counts - draws / 3).max() < 5 * (draws * 2 / 9) ** 0.5


def test_the_random_order_is_a_questions_own() -> None:
    assert (random_order(20, 1, "a") == random_order(20, 1, "a")).all()
    assert (random_order(20, 1, "a") != random_order(20, 1, "b")).any()
    assert (random_order(20, 1, "a") != random_order(20, 2, "a")).any()


def unit(rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
    vectors = np.array(rows, np.float32)
    unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 6),
    true=st.integers(1, 3),
    tiles=st.integers(1, 4),
)
def test_similarity_is_the_highest_cosine_of_whole_frames(
    seed: int, frames: int, true: int, tiles: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = unit(rng.normal(size=(frames, tiles, 64))), unit(rng.normal(size=(true, tiles, 64)))
    direct = [max(np.mean([float(x[t] @ y[t]) for t in range(tiles)]) for y in b) for x in a]
    # Each number of a float16 is off by 2^-11 of itself at most, so a cosine by twice that.
    assert highest_similarity(a, b) == pytest.approx(direct, abs=2 * 2**-11)
    text = unit(rng.normal(size=64))
    scores = [max(float(tile @ text) for tile in x) for x in a]
    assert -hard_order(a, text) == pytest.approx(scores, abs=2 * 2**-11)


@given(seed=st.integers(0, 2**32 - 1))
def test_vectors_from_an_index_and_fresh_ones_compare_alike(seed: int) -> None:
    fresh = unit(np.random.default_rng(seed).normal(size=(4, 2, 64)))
    stored = fresh.astype(np.float16)
    assert (highest_similarity(stored, stored[:2]) == highest_similarity(fresh, fresh[:2])).all()
    assert (hard_order(stored, fresh[0, 0]) == hard_order(fresh, fresh[0, 0])).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_an_equal_frame_has_similarity_one_whatever_its_rounding(seed: int) -> None:
    frame = unit(np.random.default_rng(seed).normal(size=(1, 1, 64)))
    noisy = frame + np.float32(1e-7)
    assert highest_similarity(frame, noisy).tolist() == [1.0]


def test_hard_takes_the_best_score_and_the_earlier_of_equals() -> None:
    text = unit([[1, 0]])[0]
    frames = unit([[0.0, 1.0], [1.0, 1.0], [1.0, 1.00001], [-1.0, 0.0]])[:, None]
    assert np.argsort(hard_order(frames, text), kind="stable").tolist() == [1, 2, 0, 3]
