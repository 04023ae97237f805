"""A trimmed copy is found at its shift; other videos of the same place, and still ones, are not."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from index.spans import Timeline
from infer.videos.copy_alignment import Alignment, Course, align, copy_in, moments_of, on_grid
from tests.courses import WIDTH, copied, scene, unit


def found_in(part: Course, whole: Course) -> Alignment | None:
    moments = moments_of(part)
    return copy_in(part, moments, whole) if moments else None


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    start_s=st.floats(0, 30),
    seconds=st.floats(20, 60),
    alike=st.sampled_from([0.0, 10.0]),
)
def test_a_trimmed_copy_is_found_where_it_begins(
    seed: int, start_s: float, seconds: float, alike: float
) -> None:
    whole = scene(seed, 95, alike=alike)
    part = copied(whole, start_s, seconds, seed=seed, shake=0.1)
    assume(moments_of(part))  # else too little happens in it
    found = found_in(part, whole)
    assert found is not None
    assert found.shift_s == pytest.approx(start_s, abs=1.0)


@pytest.mark.parametrize("place", [0, 3, 20])
def test_a_copy_cut_at_a_frame_of_the_grid_is_found_there(place: int) -> None:
    whole = scene(7, 60)
    found = found_in(whole[place : place + 60], whole)
    assert found is not None
    assert found.shift_s == place / 2


@settings(max_examples=100, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 10_000), min_size=2, max_size=2, unique=True),
    seconds=st.tuples(st.integers(15, 90), st.integers(15, 90)),
    alike=st.sampled_from([0.0, 10.0]),
)
def test_another_video_of_the_same_place_is_no_copy(
    seeds: list[int], seconds: tuple[int, int], alike: float
) -> None:
    one, other = (scene(seed, long, alike=alike) for seed, long in zip(seeds, seconds, strict=True))
    assert found_in(one, other) is None


def test_a_common_black_frame_makes_no_copy() -> None:
    black = np.random.default_rng(5).normal(size=(2, WIDTH))
    one, other = (unit(np.concatenate([black, scene(seed, 40)])) for seed in (1, 2))
    assert found_in(one, other) is None


def test_clips_that_share_less_than_half_are_no_copies() -> None:
    whole = scene(3, 100)
    late, overlapping = whole[100:], copied(whole, 50, 40, seed=3, shake=0.05)
    early = whole[:112]  # to second 56: six of the fifty seconds of `late`
    assert found_in(late, overlapping) is not None
    assert found_in(late, early) is None


def test_nothing_can_be_told_of_still_and_of_short_videos() -> None:
    still = np.repeat(scene(1, 1)[:1], 100, axis=0)
    assert moments_of(still) is None
    assert moments_of(scene(1, 7)) is None
    assert moments_of(scene(1, 25)) is not None
    whole = moments_of(scene(1, 30))
    assert whole is not None
    assert align(whole, np.empty((0, WIDTH), np.float32)) is None


def test_frames_stand_on_the_grid_as_long_as_they_are_shown() -> None:
    frames = np.eye(3, 4, dtype=np.float16)[:, None]  # (3, 1, 4)
    timeline = Timeline(np.array([0.0, 0.4, 2.0]), np.array([0.4, 2.0, 2.2]), 2.2)
    found = on_grid(frames, timeline)
    assert found.argmax(axis=1).tolist() == [0, 1, 1, 1, 2]
    assert len(on_grid(frames, timeline._replace(duration_s=1e12))) == 1 << 16
    tiles = np.stack([frames[:, 0], np.roll(frames[:, 0], 1, axis=1)], axis=1)
    mixed = on_grid(tiles, timeline)
    assert np.linalg.norm(mixed, axis=1) == pytest.approx(np.ones(5), abs=1e-3)
    assert mixed[0] == pytest.approx([2**-0.5, 2**-0.5, 0, 0], abs=1e-3)
    assert on_grid(frames[:0], Timeline(np.empty(0), np.empty(0), 0.0)).shape == (0, 4)
