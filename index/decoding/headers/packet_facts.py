"""What a packet of video says of itself before it is decoded.

`facts_reader` gives a function for a stream, if its codec is one whose packets say enough. What is
odd is raised as `OddError`: such a file is read in order.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple


class OddError(Exception):
    """Something odd about a file, of which only a reading in order tells what is right."""


class Start(Enum):
    """How far decoding may begin with a packet."""

    NONE = auto()
    """Not at all."""
    OPEN = auto()
    """Right from it on in order of time; pictures that follow it in the file but are shown before
    it need what came before."""
    CLEAN = auto()
    """All that follows it is right."""


class PacketFacts(NamedTuple):
    """What a packet says of itself."""

    start: Start
    is_droppable: bool
    """No other frame needs it, or the decoder knows by itself which of such packets are needed."""
    is_shown: bool = True
    """A frame comes out of it."""
    headers: tuple[bytes, ...] = ()
    """Those of its headers that also speak of packets after it."""


ReadFacts = Callable[[bytes], PacketFacts]


def intra_facts(_data: bytes) -> PacketFacts:
    """Return the facts of a codec that knows pictures by themselves alone."""
    return PacketFacts(Start.CLEAN, is_droppable=False)
