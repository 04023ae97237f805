"""Packets of video that were never in a file, for the rules about groups of them."""

from dataclasses import dataclass
from typing import Any, cast

from av.packet import Packet

from index.decoding.headers.packet_facts import PacketFacts, Start


@dataclass
class PacketByHand:
    """What `index.decoding.groups` asks of a packet; its bytes name its facts."""

    pts: int | None
    start: Start = Start.NONE
    droppable: bool = False
    shown: bool = True
    headers: tuple[bytes, ...] = ()
    size: int = 10
    is_corrupt: bool = False
    is_discard: bool = False
    side_data: str = ""

    @property
    def is_keyframe(self) -> bool:
        return self.start is not Start.NONE

    def has_sidedata(self, name: str) -> bool:
        return name == self.side_data

    @property
    def facts(self) -> PacketFacts:
        return PacketFacts(self.start, self.droppable, self.shown, self.headers)


def as_packet(packet: PacketByHand) -> "Packet[Any]":
    return cast("Packet[Any]", packet)
