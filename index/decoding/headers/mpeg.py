"""What packets of MPEG-1, MPEG-2 and MPEG-4 video say of themselves, by their start codes.

MPEG-2: ISO/IEC 13818-2, table 6-1 and clauses 6.2.2, 6.2.3.2. MPEG-4: ISO/IEC 14496-2, table 6-3.
Which pictures are B-frames, that nobody refers to, their decoders know by themselves.
"""

from collections.abc import Iterator

from index.decoding.headers.packet_facts import OddError, PacketFacts, Start

_START_CODE = b"\0\0\1"
_MPEG2_PICTURE, _MPEG2_SEQUENCE, _MPEG2_EXTENSION, _MPEG2_END = 0x00, 0xB3, 0xB5, 0xB7
_MPEG2_SLICES = range(0x01, 0xB0)
_MPEG2_QUANT_MATRIX = 3
_MPEG2_INTRA = 1
_MPEG4_LAYERS, _MPEG4_SEQUENCE, _MPEG4_OBJECT = range(0x20, 0x30), 0xB0, 0xB5
_MPEG4_END, _MPEG4_VOP = 0xB1, 0xB6
_MPEG4_INTRA = 0
_MPEG4_EMPTY = 19
"""Bytes of a VOP that may be one without a picture (vop_coded 0), of which no frame comes."""


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the start code and the content of each section."""
    at = data.find(_START_CODE)
    while 0 <= at < len(data) - 3:
        end = data.find(_START_CODE, at + 3)
        yield data[at + 3], data[at + 4 : end if end >= 0 else len(data)]
        at = end


def mpeg2_facts(data: bytes) -> PacketFacts:
    """Return the facts of a packet of MPEG-1 or MPEG-2: a frame, or two fields."""
    headers: list[bytes] = []
    intra: bool | None = None
    for code, content in _sections(data):
        if code in _MPEG2_SLICES:
            break
        if code == _MPEG2_END:
            raise OddError("a sequence ends within the file")
        if code == _MPEG2_PICTURE and intra is None:
            intra = content[1] >> 3 & 7 == _MPEG2_INTRA
        elif code == _MPEG2_SEQUENCE or (
            # Beside those of the sequence, the one of a picture that speaks of later ones too.
            code == _MPEG2_EXTENSION and (intra is None or content[0] >> 4 == _MPEG2_QUANT_MATRIX)
        ):
            headers.append(content)
    if intra is None:
        raise OddError("a packet without a picture")
    return PacketFacts(Start.OPEN if intra else Start.NONE, True, headers=tuple(headers))


def mpeg4_facts(data: bytes) -> PacketFacts:
    """Return the facts of a packet of MPEG-4 part 2."""
    headers: list[bytes] = []
    for code, content in _sections(data):
        if code in (_MPEG4_SEQUENCE, _MPEG4_OBJECT) or code in _MPEG4_LAYERS:
            headers.append(content)
        elif code == _MPEG4_END:
            raise OddError("a sequence ends within the file")
        elif code == _MPEG4_VOP:
            if len(content) <= _MPEG4_EMPTY:
                raise OddError("a picture that may be empty")
            intra = content[0] >> 6 == _MPEG4_INTRA
            return PacketFacts(Start.OPEN if intra else Start.NONE, True, headers=tuple(headers))
    raise OddError("a packet without a picture")
