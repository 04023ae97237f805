"""H.264 that no encoder here makes: pairs of fields, and parameters that say nothing of reordering.

Names as in the standard (ITU-T H.264, 7.3).
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_WIDTH, _HEIGHT = 6, 4
"""Macroblocks of a frame; a field has half the rows."""
_FRAMES, _PERIOD = 90, 18
"""A frame is an IDR picture as often as the period says."""
_SPS, _PPS, _IDR, _SLICE = 7, 8, 5, 1


def ue(value: int) -> str:
    """Return an unsigned Exp-Golomb code (9.1) as bits."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _read_ue(bits: str, at: int) -> tuple[int, int]:
    zeros = bits.index("1", at) - at
    end = at + 2 * zeros + 1
    return int(bits[at + zeros : end], 2) - 1, end


def _nal(ref_idc: int, kind: int, bits: str) -> bytes:
    """Return a NAL unit with its start code, emulation prevented (7.3.1)."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    safe = bytearray()
    for byte in payload:
        if byte <= 3 and safe[-2:] == b"\0\0":
            safe.append(3)
        safe.append(byte)
    return b"\0\0\0\1" + bytes([ref_idc << 5 | kind]) + bytes(safe)


def without_vui(packet: bytes) -> bytes:
    """Return a packet in Annex B whose SPS, if it has one, says nothing of its reordering."""
    units = packet.split(b"\0\0\1")
    return b"\0\0\1".join(
        _nal(3, _SPS, _cut_sps(unit))[4:] if unit[:1] and unit[0] & 31 == _SPS else unit
        for unit in units
    )


def _cut_sps(unit: bytes) -> str:
    """Return the bits of a sequence parameter set (7.3.2.1.1) up to its VUI, which it has not."""
    payload = unit[1:].rstrip(b"\0").replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in payload)
    at = 24
    _, at = _read_ue(bits, at)
    if payload[0] == 100:  # High
        chroma, at = _read_ue(bits, at)
        assert chroma == 1
        _, at = _read_ue(bits, at)
        _, at = _read_ue(bits, at)
        assert bits[at + 1] == "0"  # no scaling matrix
        at += 2
    _, at = _read_ue(bits, at)
    order_type, at = _read_ue(bits, at)
    assert order_type in (0, 2)
    for _ in range(2 if order_type == 0 else 1):
        _, at = _read_ue(bits, at)
    at += 1
    for _ in range(2):
        _, at = _read_ue(bits, at)
    assert bits[at] == "1"  # frames only
    at += 2
    if bits[at] == "1":
        at += 1
        for _ in range(4):
            _, at = _read_ue(bits, at)
    else:
        at += 1
    return bits[:at] + "0"


def _sps() -> bytes:
    bits = "".join(f"{byte:08b}" for byte in (77, 0, 30))  # Main, level 3
    bits += ue(0) + ue(0) + ue(0) + ue(4)  # 4 bits of frame_num, 8 of the order count
    bits += ue(2) + "0" + ue(_WIDTH - 1) + ue(_HEIGHT // 2 - 1)
    bits += "0" + "0" + "1" + "0"  # fields may come, but not within a frame
    bits += "1" + "00000000" + "11" + ue(0) + ue(0) + ue(10) + ue(10) + ue(0) + ue(2)
    return _nal(3, _SPS, bits)


def _pps() -> bytes:
    bits = ue(0) + ue(0) + "0" + "0" + ue(0) + ue(0) + ue(0) + "0" + "00" + ue(0) * 3 + "100"
    return _nal(3, _PPS, bits)


def _field(number: int, bottom: int, frame_num: int, referred_to: bool) -> bytes:
    """Return a field: an IDR one whole, others with some macroblocks new and the rest skipped."""
    since = number % _PERIOD
    idr = since == 0 and not bottom
    bits = ue(0) + ue(7 if idr else 5) + ue(0) + f"{frame_num:04b}" + "1" + str(bottom)
    bits += ue(number // _PERIOD % 2) if idr else ""
    bits += f"{2 * since + bottom:08b}"
    bits += "" if idr else "0" + "0"
    bits += ("00" if idr else "0") if referred_to else ""
    bits += ue(0) + ue(1)  # no change of the quantizer, no deblocking
    draw = np.random.default_rng(2 * number + bottom)
    skipped = 0
    for _ in range(_WIDTH * _HEIGHT // 2):
        if not idr and draw.random() < 0.6:
            skipped += 1
            continue
        bits += ue(25) if idr else ue(skipped) + ue(5 + 25)  # I_PCM
        skipped = 0
        bits += "0" * (-len(bits) % 8)
        bits += "".join(f"{level:08b}" for level in draw.integers(16, 236, 384))
    bits += ue(skipped) if skipped else ""
    return _nal(2 if referred_to else 0, _IDR if idr else _SLICE, bits)


def _frames() -> Iterator[bytes]:
    frame_num = 0
    for number in range(_FRAMES):
        if number % _PERIOD == 0:
            frame_num = 0
        referred_to = number % _PERIOD % 3 != 2
        fields = [_field(number, bottom, frame_num, referred_to) for bottom in (0, 1)]
        head = _sps() + _pps() if number % _PERIOD == 0 else b""
        yield head + b"".join(fields)
        frame_num = (frame_num + referred_to) % 16


def write_fields(path: Path) -> None:
    """Write a video in pairs of fields, 10 frames a second, every third of no use to others."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = _WIDTH * 16, _HEIGHT * 16
        stream.codec_context.time_base = Fraction(1, 10)
        stream.codec_context.extradata = _sps() + _pps()
        for number, data in enumerate(_frames()):
            packet = av.Packet(data)
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, 10)
            packet.duration = 1
            packet.is_keyframe = number % _PERIOD == 0
            packet.stream = stream
            container.mux(packet)
