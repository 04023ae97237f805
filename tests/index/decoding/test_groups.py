"""Packets in groups: where they begin, how long they may be, and what is odd about packets."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest

from index.decoding import groups
from index.decoding.groups import Group, facts_reader, grouped
from index.decoding.headers.packet_facts import OddError, PacketFacts, Start
from tests.index.decoding.packets_by_hand import PacketByHand, as_packet
from tests.truths import Generated

KEY, OPEN = Start.CLEAN, Start.OPEN
P = PacketByHand


@pytest.fixture(autouse=True)
def facts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets tell their facts themselves; their bytes are only looked up."""
    monkeypatch.setattr(groups, "facts_reader", lambda _codec: lambda packet: packet.facts)
    monkeypatch.setattr(groups, "bytes", lambda packet: packet, raising=False)


def all_groups(
    packets: list[PacketByHand],
    depth: int = 2,
    farthest: int | None = None,
    extradata: bytes | None = None,
) -> list[Group]:
    codec = cast("Any", SimpleNamespace(extradata=extradata, reorder_depth=depth))
    return list(grouped(map(as_packet, packets), codec, farthest))


def times(found: list[Group]) -> list[list[int]]:
    return [group.shown for group in found]


def test_groups_begin_at_starts() -> None:
    found = all_groups([P(0, KEY), P(2), P(1), P(5, OPEN), P(3), P(4), P(6, KEY)])
    assert times(found) == [[0, 2, 1], [5, 3, 4], [6]]
    assert [group.start for group in found] == [KEY, OPEN, KEY]
    assert found[1].key_pts == 5


@pytest.mark.parametrize("limit", ["MOST_PACKETS", "MOST_BYTES"])
def test_a_long_group_is_cut(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, limit, {"MOST_PACKETS": 5, "MOST_BYTES": 50}[limit])
    monkeypatch.setattr(groups, "REACH", 2)
    found = all_groups([P(0, KEY), *(P(pts) for pts in range(1, 11)), P(11, KEY)])
    assert times(found) == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9, 10], [11]]
    assert [group.start for group in found] == [KEY, Start.NONE, Start.NONE, KEY]
    assert sum(group.bytes for group in found) == 120


def test_a_part_of_a_cut_group_may_reach_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_PACKETS", 4)
    monkeypatch.setattr(groups, "REACH", 2)
    assert times(all_groups([P(0, KEY), P(4), P(2), P(3), P(5)])) == [[0, 4], [2, 3, 5]]


def test_hidden_frames_make_no_group_but_at_the_end() -> None:
    hidden = [P(0, KEY), P(1), P(2, KEY), P(3), P(4, KEY), P(5, KEY)]
    for packet in (*hidden[:3], *hidden[5:]):
        packet.is_discard = True
    assert times(all_groups(hidden)) == [[3], [4], []]
    assert [len(group.packets) for group in all_groups(hidden)] == [4, 1, 1]


def test_the_sign_of_the_end_is_no_packet() -> None:
    assert times(all_groups([P(0, KEY), P(None, size=0)])) == [[0]]


@pytest.mark.parametrize(
    ("packets", "reason"),
    [
        ([], "no packets"),
        ([P(0, KEY), P(None)], "without a time"),
        ([P(0, KEY), P(1, is_corrupt=True)], "damaged"),
        ([P(0, KEY), P(1, size=0)], "damaged"),
        ([P(0, KEY), P(1, side_data="new_extradata")], "parameters change"),
        ([P(0, KEY), P(1), P(1)], "of one time"),
        ([P(0, KEY), P(5), P(4), P(3), P(2)], "reordered more"),
        ([P(0, KEY), P(5), P(3, KEY)], "goes back"),
        ([P(0, KEY), P(5), P(6, OPEN), P(4)], "goes back"),
        ([P(2, KEY), P(1)], "before the key frame"),
        ([P(0, KEY), P(12)], "clock"),
        ([P(0, KEY), P(12, KEY)], "clock"),
        ([P(0, KEY, shown=False), P(1, shown=False)], "without frames"),
        ([P(0, KEY, headers=(b"a",)), P(1, headers=(b"b",))], "headers change"),
        ([P(0, KEY), P(1, KEY, headers=(b"b",))], "headers change"),
    ],
)
def test_what_is_odd_is_said(packets: list[PacketByHand], reason: str) -> None:
    with pytest.raises(OddError, match=reason):
        all_groups(packets, farthest=10, extradata=b"acd")


def test_known_headers_may_come_again() -> None:
    packets = [P(0, KEY, headers=(b"a", b"b")), P(1, KEY, headers=(b"b",)), P(2, headers=(b"c",))]
    assert len(all_groups(packets, extradata=b"xcx")) == 2


def test_a_packet_that_cannot_be_read_is_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_packet: bytes) -> PacketFacts:
        raise IndexError

    monkeypatch.setattr(groups, "facts_reader", lambda _codec: fails)
    with pytest.raises(OddError, match="cannot be read"):
        all_groups([P(0, KEY)])


def test_headers_that_cannot_be_read_are_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_codec: object) -> None:
        raise IndexError

    monkeypatch.setattr(groups, "facts_reader", fails)
    with pytest.raises(OddError, match="headers of the stream"):
        all_groups([P(0, KEY)])


def test_few_packets_are_held_ahead() -> None:
    taken = 0

    def endless() -> Iterator[PacketByHand]:
        nonlocal taken
        for pts in range(10**6):
            taken += 1
            yield P(pts, KEY if pts == 0 else Start.NONE)

    codec = cast("Any", SimpleNamespace(extradata=None, reorder_depth=0))
    next(grouped(map(as_packet, endless()), codec, None))
    assert taken == groups.MOST_PACKETS + 1


@pytest.mark.parametrize("kind", ["b_frames", "gray", "av1", "vp9", "avi"])
def test_known_codecs_are_read(kind: str, generated: Generated) -> None:
    with av.open(generated(kind)[0]) as container:
        facts_reader(container.streams.video[0].codec_context)


@pytest.mark.parametrize("name", ["flv1", "vp8"])
def test_other_codecs_are_odd(name: str) -> None:
    codec = SimpleNamespace(extradata=None, codec=SimpleNamespace(canonical_name=name))
    with pytest.raises(OddError, match=f"{name} do not say enough"):
        facts_reader(cast("Any", codec))
