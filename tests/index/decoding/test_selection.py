"""Which packets of a group are needed, against the rule said plainly."""

from hypothesis import given
from hypothesis import strategies as st

from index.decoding.groups import Group
from index.decoding.headers.packet_facts import Start
from index.decoding.selection import Wants, select
from tests.index.decoding.packets_by_hand import PacketByHand, as_packet

P = PacketByHand


def group(*packets: PacketByHand) -> Group:
    made = Group(packets[0].start)
    for packet in packets:
        made.add(as_packet(packet), packet.facts)
    return made


def wants_only(*times: int) -> Wants:
    return lambda pts, end_pts: any(pts <= time < end_pts for time in times)


FIRST = group(P(0, Start.CLEAN), P(3), P(1), P(2))
CLEAN = group(P(4, Start.CLEAN), P(6), P(5))
OPEN = group(P(6, Start.OPEN), P(4), P(5), P(7))


def test_nothing_after_the_last_wanted_packet() -> None:
    assert select([-1], FIRST, CLEAN, wants_only(3)).packets == 2
    assert select([-1], FIRST, CLEAN, wants_only(1, 3)).packets == 3
    assert select([-1], FIRST, CLEAN, wants_only(9)).packets == 0


def test_the_first_frame_and_the_last_group_are_always_needed() -> None:
    assert select(None, FIRST, CLEAN, wants_only()).packets == 1
    packets, expected = select([0, 3, 1, 2], CLEAN, None, wants_only())
    assert packets == 3
    assert [pts for pts, one in expected.items() if one.is_needed] == [6]


def test_a_wanted_frame_before_an_open_start_needs_all_before() -> None:
    assert select([-1], FIRST, OPEN, wants_only(5)).packets == 4
    assert select([-1], FIRST, OPEN, wants_only(6)).packets == 0
    assert select([-1], FIRST, OPEN, wants_only(0, 7)).packets == 1


def test_a_part_of_a_cut_group_needs_all_before() -> None:
    assert select([-1], FIRST, group(P(4), P(5)), wants_only()).packets == 4


def test_hidden_frames_at_the_end_follow_the_last_group() -> None:
    hidden = group(P(7, Start.CLEAN, is_discard=True))
    packets, expected = select([0], CLEAN, hidden, wants_only())
    assert (packets, expected[6].end_pts, expected[6].is_needed) == (3, None, True)
    assert select([4, 6, 5], hidden, None, wants_only()) == (1, {})


@given(
    times=st.lists(st.integers(0, 60), unique=True, min_size=2, max_size=20),
    cut=st.integers(1, 19),
    wanted=st.sets(st.integers(0, 60)),
)
def test_each_frame_lasts_until_the_next_and_is_needed_if_wanted(
    times: list[int], cut: int, wanted: set[int]
) -> None:
    cut = min(cut, len(times) - 1)
    ordered = sorted(times)
    first = [pts for pts in times if pts in ordered[:cut]]
    second = ordered[cut:]
    made = group(P(first[0], Start.CLEAN), *map(P, first[1:]))
    after = group(P(second[0], Start.CLEAN), *map(P, second[1:]))
    packets, expected = select([-5], made, after, wants_only(*wanted))
    assert expected.keys() == set(first)
    needed = []
    for pts, one in expected.items():
        row = ordered.index(pts)
        assert one.end_pts == ordered[row + 1]
        assert one.step == pts - ([-5, *ordered])[row]
        assert one.is_needed == any(pts <= time < ordered[row + 1] for time in wanted)
        needed += [first.index(pts) + 1] * one.is_needed
    assert packets == max(needed, default=0)
