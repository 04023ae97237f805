"""What packets of VP9 say of themselves, by the first bits of their frames.

VP9 bitstream specification 0.7: 6.2 (uncompressed_header) and annex B (superframes).
"""

from index.decoding.headers.packet_facts import OddError, PacketFacts, Start

_KEY_HEADER = slice(1, 9)
"""Start code, colours, width and height of a key frame."""


def vp9_facts(data: bytes) -> PacketFacts:
    """Return the facts of a packet of VP9, which may be a superframe.

    No frame can be left out: probabilities and motion are remembered from frame to frame.
    """
    bits = data[0]
    if bits >> 6 != 2:
        raise OddError("a packet without VP9's frame marker")
    if bits >> 4 & 3 != 3:  # profile 3 has a reserved bit more
        bits >>= 1
    is_existing, is_inter = bits & 4, bits & 2
    is_shown = bits & 1 or data[-1] & 0xE0 == 0xC0  # a superframe ends in one that is
    if is_existing or is_inter:
        return PacketFacts(Start.NONE, False, is_shown=bool(is_existing or is_shown))
    headers = (data[_KEY_HEADER],)
    return PacketFacts(Start.CLEAN, False, is_shown=bool(is_shown), headers=headers)
