"""The packets of a video in groups that begin where decoding may begin.

A group is held until the next one is known, so its size is bounded: a longer one is cut, into
parts that have to be decoded one after the other.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from index.decoding.clock import DEEPEST_REORDER
from index.decoding.headers.av1 import av1_facts
from index.decoding.headers.mpeg import mpeg2_facts, mpeg4_facts
from index.decoding.headers.nal_units import h264_facts, hevc_facts
from index.decoding.headers.packet_facts import OddError, PacketFacts, ReadFacts, Start, intra_facts
from index.decoding.headers.vp9 import vp9_facts

MOST_PACKETS = 600
MOST_BYTES = 32 * 2**20
"""Of a group."""
REACH = DEEPEST_REORDER + 4
"""Packets among which the one that is shown next must be."""


def facts_reader(codec: VideoCodecContext) -> ReadFacts:
    """Return the function that reads what the packets of a stream say of themselves.

    Raises:
        OddError: Packets of this codec do not say enough.
    """
    extradata = codec.extradata or b""
    match codec.codec.canonical_name:
        case "h264":
            return h264_facts(extradata)
        case "hevc":
            return hevc_facts(extradata)
        case "vp9":
            return vp9_facts
        case "av1":
            return av1_facts(extradata)
        case "mpeg1video" | "mpeg2video":
            return mpeg2_facts
        case "mpeg4":
            return mpeg4_facts
        case "mjpeg" | "prores" | "dnxhd":
            return intra_facts
        case other:
            # VP8 among them: where packets are missing, its decoder hands out parts of pictures
            # that it never wrote; what stands there depends on which pictures were let go before.
            raise OddError(f"packets of {other} do not say enough")


@dataclass
class Group:
    """Packets from a start to the next one, or a part of them."""

    start: Start
    """NONE: it goes on where the group before was cut."""
    packets: "list[tuple[Packet[Any], PacketFacts]]" = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    """Presentation times of the frames that come out of it, in the order of the packets."""
    bytes: int = 0

    @property
    def key_pts(self) -> int:
        """Presentation time of its first packet."""
        return self.packets[0][0].pts or 0

    def add(self, packet: "Packet[Any]", facts: PacketFacts) -> None:
        """Take in the next packet."""
        self.packets.append((packet, facts))
        self.bytes += packet.size
        if facts.is_shown and not packet.is_discard:
            self.shown.append(packet.pts or 0)

    def is_full(self) -> bool:
        """Return whether it has to be cut."""
        is_large = len(self.packets) >= MOST_PACKETS or self.bytes >= MOST_BYTES
        return is_large and len(self.packets) >= 2 * REACH

    def cut(self) -> "tuple[Group, Group]":
        """Return two parts; the second one has what may be shown right after the first one."""
        parts = Group(self.start), Group(Start.NONE)
        for part, packets in zip(
            parts, (self.packets[:-REACH], self.packets[-REACH:]), strict=True
        ):
            for packet, facts in packets:
                part.add(packet, facts)
        return parts


def grouped(
    packets: "Iterator[Packet[Any]]", codec: VideoCodecContext, farthest: int | None
) -> Iterator[Group]:
    """Yield the groups of a stream; frames come out of each but perhaps the last.

    Args:
        packets: Those of the stream.
        codec: Its codec, as it is when the file is opened.
        farthest: Ticks between two frames beyond which the clock may have jumped; None if it
            does not jump.

    Raises:
        OddError: A packet, or the times of the packets, are odd.
    """
    try:
        read_facts = facts_reader(codec)
    except IndexError:
        raise OddError("the headers of the stream cannot be read") from None
    known = _Headers(codec.extradata or b"")
    depth = codec.reorder_depth
    recent: deque[int] = deque(maxlen=REACH)
    group: Group | None = None
    latest: int | None = None  # of the groups before the one at hand
    for packet in packets:
        if packet.pts is None and not packet.size:
            continue  # PyAV's sign of the end
        pts = _sound_time(packet)
        # A decoder that is not told how far frames are reordered learns it as it goes, and loses
        # frames meanwhile; which ones would depend on what was left out.
        if sum(other > pts for other in recent) > depth:
            raise OddError("frames are reordered more than the file tells")
        recent.append(pts)
        try:
            facts = read_facts(bytes(packet))
        except IndexError:
            raise OddError("a packet cannot be read") from None
        known.check(facts.headers)
        start = facts.start if packet.is_keyframe else Start.NONE
        # Edit lists hide frames, and what cannot be seen does not make a group of its own.
        begins = start is not Start.NONE and (group is None or bool(group.shown))
        if group is not None and group.is_full() and not begins:
            part, group = group.cut()
            latest = _checked(part, latest, farthest)
            yield part
        if group is None or begins:
            if group is not None:
                latest = _checked(group, latest, farthest)
                yield group
            group = Group(start)
        group.add(packet, facts)
    if group is None:
        raise OddError("no packets")
    if latest is None or group.shown:
        _checked(group, latest, farthest)
    yield group


def _sound_time(packet: "Packet[Any]") -> int:
    """Return the presentation time of a packet with nothing odd about it."""
    if packet.pts is None:
        raise OddError("a packet without a time")
    if packet.is_corrupt or not packet.size:
        raise OddError("a packet is damaged")
    if packet.has_sidedata("new_extradata") or packet.has_sidedata("param_change"):
        raise OddError("the parameters change")
    return packet.pts


def _checked(group: Group, latest: int | None, farthest: int | None) -> int:
    """Return the latest time of a group, which is the first of its file or goes on with times.

    Raises:
        OddError: Its times are odd.
    """
    if not group.shown:
        raise OddError("a group without frames")
    times = sorted(group.shown)
    if len(set(times)) < len(times):
        raise OddError("two packets of one time")
    # A part of a group that was cut may reach back into the part before: its decoder's order
    # shows whether that is right.
    if latest is not None and times[0] <= latest and group.start is not Start.NONE:
        raise OddError("a group goes back in time")
    if group.start is Start.CLEAN and times[0] < group.key_pts:
        raise OddError("a frame is shown before the key frame that it needs")
    if farthest is not None:
        before = [] if latest is None else [latest]
        if any(other - one > farthest for one, other in pairwise([*before, *times])):
            raise OddError("the clock may have jumped")
    return max(times[-1], latest) if latest is not None else times[-1]


class _Headers:
    """The headers that a stream has had; others might be about packets that are left out."""

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata
        self._known: set[bytes] | None = None

    def check(self, headers: tuple[bytes, ...]) -> None:
        """Take those of the first packet for known, and refuse new ones."""
        if self._known is None:
            self._known = set(headers)
        for header in headers:
            if header not in self._known and header not in self._extradata:
                raise OddError("the headers change")
