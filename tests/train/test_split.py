from hypothesis import given
from hypothesis import strategies as st

from train.split import held_out_videos


@given(
    videos=st.sets(st.text("abc", min_size=1, max_size=6), max_size=30),
    ratio=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_the_share_of_validation(videos: set[str], ratio: float, seed: int) -> None:
    held = held_out_videos(videos, ratio, seed)
    assert held <= videos
    assert abs(len(held) - ratio * len(videos)) <= 1
    if 0 < ratio < 1 and len(videos) > 1:
        assert 1 <= len(held) < len(videos)
    if ratio in (0, 1):
        assert len(held) == ratio * len(videos)
