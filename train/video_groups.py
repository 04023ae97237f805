"""Groups of videos that must stay on one side of the split."""

from collections.abc import Callable, Mapping, Sequence

Linked = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Given paths by content hash, returns for each content the first of those it is linked to
(`train.linked_videos`)."""


def whole_groups(videos: Sequence[str], linked: Mapping[str, str], count: int) -> list[str]:
    """Take the first videos, but of linked ones all or none.

    Args:
        videos: In order.
        linked: As `Linked` returns it; a video that it lacks is linked to none.
        count: Most videos to take.

    Returns:
        Without links the first `count`; else as many as fit, and at least one group if there is
        another and `count` is not 0.
    """
    groups: dict[str, list[str]] = {}
    for video in videos:
        groups.setdefault(linked.get(video, video), []).append(video)
    taken: list[str] = []
    for group in groups.values():
        if len(taken) + len(group) <= count:
            taken += group
    if not taken and count and len(groups) > 1:
        return min(groups.values(), key=len)
    return taken
