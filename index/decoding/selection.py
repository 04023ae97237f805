"""Which packets of a group the wanted frames need, as far as the packets themselves tell."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from av.packet import Packet

from index.decoding.groups import Group
from index.decoding.headers.packet_facts import OddError, PacketFacts, Start

Wants = Callable[[int, int], bool]
"""Whether a frame shown from one time to another, in ticks of the stream, is wanted."""


class Expected(NamedTuple):
    """What the packets say of a frame."""

    step: int
    """Ticks from the frame before; 0 of the first one."""
    end_pts: int | None
    """When the next frame is shown; None of the last one."""
    is_needed: bool
    """It is wanted, or it is the first or the last frame of the file."""


class Selection(NamedTuple):
    """What is decoded of a group."""

    packets: int
    """Its first packets, as many as are needed; 0 for none."""
    expected: dict[int, Expected]
    """Its frames, by presentation time."""


def select(
    before: Sequence[int] | None, group: Group, after: Group | None, wants: Wants
) -> Selection:
    """Return what has to be decoded of a group.

    Args:
        before: Times of the frames of the group before; None if it is the first of the file.
        group: The group.
        after: The group after it; None if it is the last.
        wants: Whether a frame is wanted.

    Raises:
        OddError: The end of a frame is not known.
    """
    if after is not None and not after.shown:
        after = None  # hidden frames alone, at the end of the file
    following = after.shown if after is not None else []
    times = sorted([*(before or []), *group.shown, *following])
    first = min(group.shown) if before is None else None
    expected: dict[int, Expected] = {}
    for pts in group.shown:
        step, end_pts = _neighbours(times, pts)
        if after is not None and end_pts is None:
            raise OddError("the end of a frame is not known")
        needed = end_pts is None or pts == first or wants(pts, end_pts)
        expected[pts] = Expected(step, end_pts, needed)
    if after is None or _needs_all_before(after, times, wants):
        return Selection(len(group.packets), expected)
    count = 0
    for place, (packet, facts) in enumerate(group.packets):
        if is_needed(packet, facts, expected):
            count = place + 1
    return Selection(count, expected)


def is_needed(packet: "Packet[Any]", facts: PacketFacts, expected: dict[int, Expected]) -> bool:
    """Return whether a needed frame comes out of a packet."""
    if not facts.is_shown or packet.is_discard or packet.pts is None:
        return False
    return expected[packet.pts].is_needed


def _neighbours(times: Sequence[int], pts: int) -> tuple[int, int | None]:
    """Return the ticks since the time before, 0 of the first, and the time after, None of none."""
    row = bisect_left(times, pts)
    end_pts = times[row + 1] if row + 1 < len(times) else None
    if end_pts == pts:
        raise OddError("two packets of one time")
    return pts - times[row - 1] if row else 0, end_pts


def _needs_all_before(group: Group, times: Sequence[int], wants: Wants) -> bool:
    """Return whether a wanted frame of a group needs the whole group before it."""
    if group.start is Start.NONE:
        return True
    for pts in group.shown:
        if pts < group.key_pts:  # shown before the picture with which the group begins
            _, end_pts = _neighbours(times, pts)
            if end_pts is None or wants(pts, end_pts):
                return True
    return False
