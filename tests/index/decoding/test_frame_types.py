"""Wanted times: on which frames they fall, against the rule said plainly."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from index.decoding.frame_types import each_of, every, is_last_wanted, is_wanted

seconds = st.floats(0, 1e7)


@given(fps=st.floats(1e-3, 1e3), start_s=seconds)
def test_the_next_sample_time_is_the_earliest_at_or_after(fps: float, start_s: float) -> None:
    time_s = every(fps)(start_s)
    k = round(time_s * fps)
    assert time_s == k / fps
    assert time_s + 1e-4 >= start_s
    assert k == 0 or (k - 1) / fps + 1e-4 < start_s


@given(times_s=st.lists(seconds), start_s=seconds)
def test_the_next_given_time_is_the_earliest_at_or_after(
    times_s: list[float], start_s: float
) -> None:
    after = [time_s for time_s in times_s if time_s + 1e-4 >= start_s]
    assert each_of(times_s)(start_s) == min(after, default=math.inf)


def test_a_time_is_looked_for_in_few_steps() -> None:
    # A damaged file may show a frame for a month: 65 million times at 25 a second.
    assert every(25.0)(2_592_000.0) == 2_592_000.0
    assert is_wanted(every(25.0), 0.1, 2_592_000.0)


@given(
    times_s=st.lists(st.integers(0, 40)), starts=st.sets(st.integers(1, 40)), clamp=st.booleans()
)
def test_each_time_falls_on_the_frame_that_is_shown_then(
    times_s: list[int], starts: set[int], clamp: bool
) -> None:
    ordered = [0, *sorted(starts)]
    duration_s = ordered[-1] + 5
    next_time = each_of(times_s)
    wanted = {start for start, end in pairwise(ordered) if is_wanted(next_time, start, end)}
    if is_last_wanted(next_time, ordered[-1], duration_s, clamp):
        wanted.add(ordered[-1])
    times = [time_s for time_s in times_s if clamp or time_s < duration_s]
    assert wanted == {max(start for start in ordered if start <= time_s) for time_s in times}
