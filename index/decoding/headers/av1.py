"""What packets of AV1 say of themselves, by the headers of their OBUs.

AV1 bitstream and decoding process specification, 5.3 (OBU headers), 5.5 (sequence header) and 5.9
(frame headers, up to refresh_frame_flags).
"""

from collections.abc import Iterator
from typing import NamedTuple

from index.decoding.headers.bits import Bits
from index.decoding.headers.packet_facts import PacketFacts, ReadFacts, Start

_SEQUENCE_HEADER = 1
_FRAME_HEADERS = {3, 6}
_SELECT = 2
_KEY_FRAME, _INTRA_ONLY, _SWITCH_FRAME = 0, 2, 3
_HEADER_BYTES = 64
"""More than the fields that are read here take."""


class _Sequence(NamedTuple):
    """What a frame header needs of the sequence header."""

    screen_content_tools: int
    integer_mv: int
    id_bits: int
    order_hint_bits: int


def av1_facts(extradata: bytes) -> ReadFacts:
    """Return the reader of packets of AV1."""
    sequence: _Sequence | None = None
    # AV1CodecConfigurationRecord: four bytes, then OBUs.
    for kind, content in _obus(extradata[4:] if extradata[:1] == b"\x81" else extradata):
        if kind == _SEQUENCE_HEADER:
            sequence = _sequence(content)

    def read(data: bytes) -> PacketFacts:
        nonlocal sequence
        headers: list[bytes] = []
        starts: list[bool] = []
        droppable: list[bool] = []
        for kind, content in _obus(data):
            if kind == _SEQUENCE_HEADER:
                headers.append(content)
                sequence = _sequence(content)
            elif kind in _FRAME_HEADERS:
                frame = Bits(content[:_HEADER_BYTES])
                # show_existing_frame 0, frame_type KEY_FRAME, show_frame 1
                starts.append(content[0] & 0xF0 == 0x10)
                droppable.append(sequence is not None and _refreshes_nothing(frame, sequence))
        start = Start.CLEAN if headers and starts[:1] == [True] else Start.NONE
        return PacketFacts(start, bool(droppable) and all(droppable), headers=tuple(headers))

    return read


def _obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the content of each OBU (5.3.1)."""
    at = 0
    while at < len(data):
        header = data[at]
        at += 2 if header & 4 else 1  # obu_extension_flag
        size = len(data) - at
        if header & 2:  # obu_has_size_field: leb128
            size = shift = 0
            more = True
            while more:
                size |= (data[at] & 127) << shift
                more, shift, at = bool(data[at] & 128), shift + 7, at + 1
        if at + size > len(data):
            raise IndexError("an OBU is longer than its packet")
        yield header >> 3 & 15, data[at : at + size]
        at += size


def _sequence(content: bytes) -> _Sequence | None:
    """Read a sequence header (5.5.1); None of a kind that is not read here."""
    bits = Bits(content[:_HEADER_BYTES])
    bits.read(4)  # seq_profile, still_picture
    if bits.read(1) or bits.read(1):  # reduced_still_picture_header, timing_info_present_flag
        return None
    delays = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delays and bits.read(1):
            bits.read(4)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    bits.read(width_bits + height_bits)
    id_bits = 0
    if bits.read(1):
        delta_bits = bits.read(4) + 2
        id_bits = bits.read(3) + delta_bits + 1
    bits.read(7)  # 128x128 superblocks … dual filter
    order_hints = bits.read(1)
    if order_hints:
        bits.read(2)
    tools = _SELECT if bits.read(1) else bits.read(1)
    integer_mv = _SELECT
    if tools and not bits.read(1):
        integer_mv = bits.read(1)
    hint_bits = bits.read(3) + 1 if order_hints else 0
    return _Sequence(tools, integer_mv, id_bits, hint_bits)


def _refreshes_nothing(bits: Bits, sequence: _Sequence) -> bool:
    """Return whether refresh_frame_flags of a frame header (5.9.2) is 0: no frame can refer to it.

    False as well where that is not known.
    """
    if bits.read(1):  # show_existing_frame
        return False
    kind, is_shown = bits.read(2), bits.read(1)
    if not is_shown or kind in (_KEY_FRAME, _SWITCH_FRAME):
        return False
    resilient = bits.read(1)
    bits.read(1)  # disable_cdf_update
    tools = sequence.screen_content_tools
    if (bits.read(1) if tools == _SELECT else tools) and sequence.integer_mv == _SELECT:
        bits.read(1)
    bits.read(sequence.id_bits)
    bits.read(1)  # frame_size_override_flag
    bits.read(sequence.order_hint_bits)
    if kind != _INTRA_ONLY and not resilient:
        bits.read(3)  # primary_ref_frame
    return bits.read(8) == 0
