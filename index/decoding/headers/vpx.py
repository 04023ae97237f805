"""What packets of VP8 and VP9 say of themselves, by the first bits of their frames.

VP8: RFC 6386, 9.1 (frame header) and 9.3 (segments). VP9: bitstream specification 0.7, 6.2
(uncompressed_header) and annex B (superframes).
"""

from index.decoding.headers.packet_facts import OddError, PacketFacts, Start

_VP8_KEY_HEADER = slice(3, 10)
"""Start code, width and height of a key frame."""


_VP9_KEY_HEADER = slice(1, 9)
"""Start code, colours, width and height of a key frame."""


def vp8_facts(data: bytes) -> PacketFacts:
    """Return the facts of a packet of VP8."""
    tag = data[0]
    if not tag & 1:
        headers = (data[_VP8_KEY_HEADER],)
        return PacketFacts(
            Start.CLEAN, is_droppable=False, is_shown=bool(tag & 16), headers=headers
        )
    # Segments are remembered from frame to frame, so a frame with segments may be needed although
    # no frame refers to it. segmentation_enabled is coded first, at even odds: the highest bit.
    segments = bool(data[3] & 0x80)
    return PacketFacts(Start.NONE, is_droppable=not segments, is_shown=bool(tag & 16))


def vp9_facts(data: bytes) -> PacketFacts:
    """Return the facts of a packet of VP9, which may be a superframe.

    No frame can be left out: probabilities and motion are remembered from frame to frame.
    """
    bits = data[0]
    if bits >> 6 != 2:
        raise OddError("a packet without VP9's frame marker")
    if bits >> 4 & 3 != 3:  # profile 3 has a reserved bit more
        bits >>= 1
    is_existing, is_inter, is_shown = bits & 4, bits & 2, bits & 1
    is_superframe = data[-1] & 0xE0 == 0xC0
    if is_existing or is_inter:
        is_shown = is_existing or is_shown or is_superframe
        return PacketFacts(Start.NONE, is_droppable=False, is_shown=bool(is_shown))
    headers = (data[_VP9_KEY_HEADER],)
    is_shown = is_shown or is_superframe
    return PacketFacts(Start.CLEAN, False, is_shown=bool(is_shown), headers=headers)
