"""NAL units by start codes and lengths, and headers made by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.decoding.headers.nal_units import h264_facts, hevc_facts, nal_units
from index.decoding.headers.packet_facts import OddError, Start

# Without zeros, so that no start code is within.
units = st.lists(st.binary(min_size=1, max_size=300).map(lambda b: b.replace(b"\0", b"\1")))


@given(units=units)
def test_units_are_found_by_start_code_and_by_length(units: list[bytes]) -> None:
    codes = b"".join(b"\0\0\1" + unit for unit in units)
    assert list(nal_units(codes, 0)) == units
    for size in (2, 4):
        lengths = b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)
        assert list(nal_units(lengths, size)) == units


def test_a_length_past_the_packet_is_odd() -> None:
    with pytest.raises(OddError):
        list(nal_units(b"\0\0\0\7abc", 4))


def slices(*kinds: int, sei: bytes = b"") -> bytes:
    return b"".join(b"\0\0\1" + unit for unit in (sei, *(bytes([k, 1, 1]) for k in kinds)) if unit)


@pytest.mark.parametrize(
    ("packet", "start", "droppable"),
    [
        (slices(0x65), Start.CLEAN, False),
        (slices(0x65, 0x41), Start.CLEAN, False),  # a field pair: IDR and P
        (slices(0x41), Start.NONE, False),
        (slices(0x01), Start.NONE, True),
        (slices(0x01, 0x41), Start.NONE, False),  # one slice of several is referred to
        # recovery_frame_cnt 0 and exact_match_flag 1, then 0; recovery_frame_cnt 1
        (slices(0x41, sei=b"\x06\x06\x01\xc4\x80"), Start.OPEN, False),
        (slices(0x41, sei=b"\x06\x06\x01\x84\x80"), Start.NONE, False),
        (slices(0x41, sei=b"\x06\x06\x01\x54\x80"), Start.NONE, False),
        (slices(0x41, sei=b"\x06\x05\x02\x06\x01\x06\x01\xc4\x80"), Start.OPEN, False),
    ],
)
def test_h264(packet: bytes, start: Start, droppable: bool) -> None:
    facts = h264_facts(b"")(packet)
    assert (facts.start, facts.is_droppable) == (start, droppable)


@pytest.mark.parametrize(
    "packet", [b"", slices(sei=b"\x06\x05\x01\x01"), slices(0xC1), slices(0x0A)]
)
def test_a_packet_of_h264_without_a_picture_or_with_an_end_is_odd(packet: bytes) -> None:
    with pytest.raises(OddError):
        h264_facts(b"")(packet)


def hevc(kind: int, layer: int = 0, temporal: int = 0, first: int = 0x80) -> bytes:
    return b"\0\0\1" + bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | temporal + 1, first, 1])


SPS_OF_TWO_LAYERS = hevc(33, first=0b0000_0010)


@pytest.mark.parametrize(
    ("packet", "start", "droppable"),
    [
        (hevc(19), Start.OPEN, False),
        (hevc(21), Start.OPEN, False),
        (hevc(21, first=0xC0), Start.NONE, False),  # no_output_of_prior_pics_flag
        (hevc(1), Start.NONE, False),
        (hevc(0), Start.NONE, False),  # not of the highest temporal layer
        (hevc(0, temporal=1), Start.NONE, True),
        (hevc(8, temporal=1), Start.NONE, True),
        (hevc(9, temporal=1), Start.NONE, False),
        (hevc(0, temporal=1) + hevc(1, layer=1), Start.NONE, True),
    ],
)
def test_hevc(packet: bytes, start: Start, droppable: bool) -> None:
    facts = hevc_facts(SPS_OF_TWO_LAYERS)(packet)
    assert (facts.start, facts.is_droppable) == (start, droppable)


def test_without_parameters_no_layer_of_hevc_is_the_highest() -> None:
    assert not hevc_facts(b"")(hevc(0)).is_droppable
    read = hevc_facts(b"")
    assert read(hevc(33, first=0) + hevc(19)).headers
    assert read(hevc(0)).is_droppable


@pytest.mark.parametrize("packet", [b"", hevc(39), hevc(1) + hevc(36)])
def test_a_packet_of_hevc_without_a_picture_or_with_an_end_is_odd(packet: bytes) -> None:
    with pytest.raises(OddError):
        hevc_facts(b"")(packet)
