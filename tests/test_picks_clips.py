"""The bench's scenes: lengths, pauses and repeats."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.picks.clips import EVENT_FRAMES, SIDES, by_pair, plan_clip, plan_side
from examples.scenes import MARGIN, RATE_FPS


@settings(max_examples=50)
@given(number=st.integers(0, 10**6), length_s=st.sampled_from((8.0, 11.3, 20.0, 97.0, 600.0)))
def test_events_fit_and_are_apart(number: int, length_s: float) -> None:
    scene = plan_clip(f"x_{number}", length_s, 0)
    assert scene == plan_clip(f"x_{number}", length_s, 0)
    assert scene.frames == round(length_s * RATE_FPS)
    edges = [0, *itertools.chain(*((e.first, e.last) for e in scene.events)), scene.frames]
    assert all(end + MARGIN <= start for end, start in zip(edges[::2], edges[1::2], strict=True))
    shortest, longest = EVENT_FRAMES
    assert all(shortest <= e.last - e.first + 1 <= longest for e in scene.events)


@settings(max_examples=50)
@given(number=st.integers(0, 10**6), length_s=st.sampled_from((8.0, 30.0, 1200.0)))
def test_a_thing_and_a_sign_belong_to_one_pair_and_some_pairs_come_again(
    number: int, length_s: float
) -> None:
    pairs = by_pair(plan_clip(f"x_{number}", length_s, 0))
    for painted in ([p[0].thing for p in pairs], [p[0].sign for p in pairs]):
        assert len(set(painted)) == len(pairs)
    times = [len(events) for events in pairs]
    assert max(times) in (2, 3)
    assert times.count(1) >= 2


def test_the_sides_are_as_large_as_they_have_to_be_and_share_no_scene() -> None:
    plans = {side: list(plan_side(side, clips, 0)) for side, clips in SIDES.items()}
    assert [len(plan) for plan in plans.values()] == [50, 100]
    names = [scene.name for plan in plans.values() for scene in plan]
    assert len(set(names)) == 150
    for plan in plans.values():
        lengths_s = [scene.frames / RATE_FPS for scene in plan]
        assert 8 <= min(lengths_s) < 10
        assert max(lengths_s) == 1200
        events_s = [(e.last - e.first + 1) / RATE_FPS for scene in plan for e in scene.events]
        assert min(events_s) == 0.3
        assert max(events_s) >= 4.8
        for a, b in ((0, 0.5), (0.5, 1), (1, 2), (2, 5.1)):  # every length is well represented
            assert sum(a <= s < b for s in events_s) > 0.1 * len(events_s)
