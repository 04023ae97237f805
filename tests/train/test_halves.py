from hypothesis import given
from hypothesis import strategies as st

from train.halves import halves_of


@given(st.sets(st.text("abc", min_size=1, max_size=4), min_size=2), st.integers(0, 9))
def test_two_halves_of_the_videos(videos: set[str], seed: int) -> None:
    chosen, reported = halves_of(videos, seed)
    assert chosen | reported == videos
    assert not chosen & reported
    assert abs(len(chosen) - len(reported)) <= 1
    assert halves_of(sorted(videos, reverse=True), seed) == (chosen, reported)
    for video in videos:
        assert video in halves_of(videos, seed)._asdict()[str(halves_of(videos, seed).of(video))]


def test_halves_are_the_seeds_own() -> None:
    videos = [str(n) for n in range(20)]
    assert halves_of(videos, 0) != halves_of(videos, 1)


def test_one_video_is_both_halves() -> None:
    halves = halves_of(["a", "a"], 0)
    assert halves.chosen_on == halves.reported_on == {"a"}
    assert halves.of("a") is None
