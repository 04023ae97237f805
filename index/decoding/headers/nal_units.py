"""What packets of H.264 and HEVC say of themselves, by the headers of their NAL units.

H.264: ITU-T H.264 (08/2021), clauses 7.3.1 and 7.4.1 (NAL units), table 7-1 (their types), D.1.8
and D.2.8 (recovery points). HEVC: ITU-T H.265 (08/2021), clauses 7.3.1.2 and 7.4.2.2, table 7-1.
Packets hold NAL units after start codes (annex B), or after their lengths as ISO/IEC 14496-15
describes, with the bytes of a length in the stream's extradata.
"""

from collections.abc import Iterator

from index.decoding.headers.bits import Bits
from index.decoding.headers.packet_facts import OddError, PacketFacts, ReadFacts, Start

_START_CODE = b"\0\0\1"
_RECOVERY_POINT = 6
_H264_SLICES = {1, 2, 5}
_H264_IDR = 5
_H264_SEI = 6
_H264_PARAMETERS = {7, 8, 13, 15}
_H264_ENDS = {10, 11}
_HEVC_IRAP = range(16, 24)
_HEVC_SLICES = 32
_HEVC_SPS = 33
_HEVC_PARAMETERS = {32, 33, 34}
_HEVC_ENDS = {36, 37}


def nal_units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield the NAL units of a packet, without their start codes or lengths.

    Args:
        data: The packet.
        length_bytes: Bytes of the length before each; 0 where start codes are.

    Raises:
        OddError: The lengths do not fit the packet.
    """
    if not length_bytes:
        at = data.find(_START_CODE)
        while at >= 0:
            end = data.find(_START_CODE, at + 3)
            yield data[at + 3 : end if end >= 0 else len(data)]
            at = end
        return
    at = 0
    while at < len(data):
        begin = at + length_bytes
        end = begin + int.from_bytes(data[at:begin], "big")
        if end > len(data):
            raise OddError("a NAL unit is longer than its packet")
        yield data[begin:end]
        at = end


def _units(data: bytes, length_bytes: int, header_bytes: int) -> Iterator[bytes]:
    """Yield the NAL units that are not empty."""
    for unit in nal_units(data, length_bytes):
        if len(unit) > header_bytes:
            if unit[0] & 0x80:
                raise OddError("a NAL unit has the forbidden bit")
            yield unit


def h264_facts(extradata: bytes) -> ReadFacts:
    """Return the reader of packets of H.264."""
    length_bytes = (extradata[4] & 3) + 1 if extradata[:1] == b"\1" else 0

    def read(data: bytes) -> PacketFacts:
        kinds: set[int] = set()
        references = False
        recovers = False
        headers: list[bytes] = []
        for unit in _units(data, length_bytes, 1):
            kind = unit[0] & 31
            if kind in _H264_SLICES:
                kinds.add(kind)
                references = references or bool(unit[0] & 0x60)  # nal_ref_idc
            elif kind == _H264_SEI:
                recovers = recovers or _recovers_at_once(unit)
            elif kind in _H264_PARAMETERS:
                headers.append(unit.rstrip(b"\0"))
            elif kind in _H264_ENDS:
                raise OddError("a sequence ends within the file")
        if not kinds:
            raise OddError("a packet without a picture")
        # The second field of an IDR picture may be another kind of slice.
        start = Start.CLEAN if _H264_IDR in kinds else Start.OPEN if recovers else Start.NONE
        return PacketFacts(start, not references, headers=tuple(headers))

    return read


def _recovers_at_once(sei: bytes) -> bool:
    """Return whether an SEI says that pictures are exact from this one on."""
    sei = sei.replace(b"\0\0\3", b"\0\0")
    at = 1
    while at + 2 < len(sei):
        kind, at = _sei_number(sei, at)
        size, at = _sei_number(sei, at)
        if kind == _RECOVERY_POINT:
            bits = Bits(sei[at : at + size])
            return bits.unsigned_exp_golomb() == 0 and bits.read(1) == 1  # exact_match_flag
        at += size
    return False


def _sei_number(sei: bytes, at: int) -> tuple[int, int]:
    """Return a type or size of an SEI message, and where the next field begins."""
    number = 0
    while sei[at] == 255:
        number, at = number + 255, at + 1
    return number + sei[at], at + 1


def hevc_facts(extradata: bytes) -> ReadFacts:
    """Return the reader of packets of HEVC."""
    in_boxes = extradata[:1] == b"\1" and len(extradata) > 22
    length_bytes = (extradata[21] & 3) + 1 if in_boxes else 0
    known = _hevc_box_units(extradata) if in_boxes else _units(extradata, 0, 2)
    highest = max(map(_highest_layer, known), default=-1)

    def read(data: bytes) -> PacketFacts:
        nonlocal highest
        start, droppable, pictures = Start.OPEN, True, 0
        headers: list[bytes] = []
        for unit in _units(data, length_bytes, 2):
            kind = unit[0] >> 1 & 63
            if kind in _HEVC_PARAMETERS:
                headers.append(unit.rstrip(b"\0"))
            highest = max(highest, _highest_layer(unit))
            if (unit[0] & 1) << 5 | unit[1] >> 3:  # nuh_layer_id: another view or quality
                continue
            if kind < _HEVC_SLICES:
                pictures += 1
                # Decoders drop pictures that wait where no_output_of_prior_pics_flag is set.
                if kind not in _HEVC_IRAP or unit[2] & 0x40:
                    start = Start.NONE
                layer = (unit[1] & 7) - 1
                # Of the highest temporal layer, sub-layer non-reference pictures serve nobody.
                if kind >= 16 or kind % 2 or layer != highest:
                    droppable = False
            elif kind in _HEVC_ENDS:
                raise OddError("a sequence ends within the file")
        if not pictures:
            raise OddError("a packet without a picture")
        return PacketFacts(start, droppable, headers=tuple(headers))

    return read


def _highest_layer(unit: bytes) -> int:
    """Return sps_max_sub_layers_minus1 of a sequence parameter set; -1 of other NAL units."""
    return unit[2] >> 1 & 7 if unit[0] >> 1 & 63 == _HEVC_SPS else -1


def _hevc_box_units(box: bytes) -> Iterator[bytes]:
    """Yield the NAL units of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    at = 23
    for _ in range(box[22]):
        count, at = int.from_bytes(box[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(box[at : at + 2], "big")
            yield box[at + 2 : at + 2 + size]
            at += 2 + size
