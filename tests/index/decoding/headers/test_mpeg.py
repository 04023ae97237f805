"""MPEG-2 and MPEG-4: start codes and picture types, made by hand."""

import pytest

from index.decoding.headers.mpeg import mpeg2_facts, mpeg4_facts
from index.decoding.headers.packet_facts import OddError, Start

CODE = b"\0\0\1"
SEQUENCE = CODE + b"\xb3size"
EXTENSION = CODE + b"\xb5\x14"
QUANT_MATRIX = CODE + b"\xb5\x3f"
SLICE = CODE + b"\x01" + CODE + b"\xb3not read"


def picture(kind: int) -> bytes:
    return CODE + b"\0" + bytes([0, kind << 3, 1, 1])


def vop(kind: int, size: int = 20) -> bytes:
    return CODE + b"\xb6" + bytes([kind << 6 | 1]) + b"\1" * (size - 1)


def test_mpeg2() -> None:
    first = mpeg2_facts(SEQUENCE + EXTENSION + picture(1) + CODE + b"\xb5\x8f" + SLICE)
    assert (first.start, first.is_droppable) == (Start.OPEN, True)
    assert first.headers == (b"size", b"\x14")
    second_field = mpeg2_facts(picture(1) + picture(2) + SLICE)
    assert second_field.start is Start.OPEN
    assert mpeg2_facts(picture(3) + SLICE).start is Start.NONE
    assert mpeg2_facts(picture(2) + QUANT_MATRIX + SLICE).headers == (b"\x3f",)


def test_mpeg4() -> None:
    first = mpeg4_facts(CODE + b"\x20layer" + CODE + b"\xb3time" + vop(0))
    assert (first.start, first.is_droppable, first.headers) == (Start.OPEN, True, (b"layer",))
    assert mpeg4_facts(vop(1)).start is Start.NONE
    assert mpeg4_facts(vop(2)).start is Start.NONE


@pytest.mark.parametrize("packet", [b"", b"\0\0\1", SEQUENCE, CODE + b"\xb7" + picture(1)])
def test_mpeg2_without_a_picture_or_with_an_end_is_odd(packet: bytes) -> None:
    with pytest.raises(OddError):
        mpeg2_facts(packet)


@pytest.mark.parametrize("packet", [b"", CODE + b"\x20layer", CODE + b"\xb1" + vop(0), vop(1, 19)])
def test_mpeg4_without_a_picture_or_with_an_end_is_odd(packet: bytes) -> None:
    with pytest.raises(OddError):
        mpeg4_facts(packet)
