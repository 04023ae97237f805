"""Linked videos are taken together, as many groups as fit."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from train.video_groups import whole_groups

VIDEOS = st.lists(st.integers(0, 99), max_size=30, unique=True).map(lambda own: [*map(str, own)])


@given(VIDEOS, st.integers(0, 30))
def test_without_links_the_first_are_taken(videos: list[str], count: int) -> None:
    assert whole_groups(videos, {}, count) == videos[:count]
    assert whole_groups(videos, {name: name for name in videos}, count) == videos[:count]


@given(VIDEOS, st.integers(1, 30), st.integers(1, 6))
def test_groups_are_whole_and_no_more_than_asked_for(
    videos: list[str], count: int, groups: int
) -> None:
    linked = {name: str(int(name) % groups) for name in videos}
    taken = whole_groups(videos, linked, count)
    sizes = Counter(linked.values())
    found = Counter(linked[name] for name in taken)
    assert all(found[group] == sizes[group] for group in found)
    assert len(taken) <= count or len(found) == 1  # the smallest, where none fits
    if len(sizes) > 1:
        assert taken
