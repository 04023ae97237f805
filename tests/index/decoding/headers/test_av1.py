"""AV1: headers made bit by bit, as the specification lists their fields."""

import pytest

from index.decoding.headers.av1 import av1_facts
from index.decoding.headers.packet_facts import Start


def packed(*fields: tuple[int, int]) -> bytes:
    """Numbers of so many bits, then zeros."""
    text = "".join(f"{number:0{bits}b}" for number, bits in fields if bits)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)) + bytes(8)


def obu(kind: int, content: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(content)]) + content


def sequence(*, id_bits: int = 0, tools: int = 2, timing: int = 0) -> bytes:
    ids = [(1, 1), (id_bits - 3, 4), (0, 3)] if id_bits else [(0, 1)]
    select = [(1, 1)] if tools == 2 else [(0, 1), (tools, 1)]
    integer_mv = [(1, 1)] if tools else []
    return obu(
        1,
        packed(
            *[(0, 3), (0, 1), (0, 1), (timing, 1)],  # profile, still, reduced, timing
            *[(0, 1), (0, 5), (0, 12), (8, 5), (0, 1)],  # one operating point of level 8
            *[(8, 4), (8, 4), (319, 9), (179, 9)],
            *ids,
            *[(0, 3), (0, 4), (1, 1), (0, 2)],  # with order hints
            *select,
            *integer_mv,
            (6, 3),  # 7 bits of order hints
        ),
    )


def frame(
    kind: int, refresh: int, *, shown: int = 1, id_bits: int = 0, tools: int = 2, resilient: int = 0
) -> bytes:
    screen = [(1, 1)] if tools == 2 else []
    integer_mv = [(0, 1)] if tools else []
    primary = [] if resilient or kind == 2 else [(7, 3)]
    return obu(
        6,
        packed(
            *[(0, 1), (kind, 2), (shown, 1), (resilient, 1), (0, 1)],
            *screen,
            *integer_mv,
            *[(0, id_bits), (0, 1), (5, 7)],
            *primary,
            (refresh, 8),
        ),
    )


@pytest.mark.parametrize("id_bits", [0, 9])
@pytest.mark.parametrize("tools", [0, 1, 2])
@pytest.mark.parametrize("resilient", [0, 1])
def test_a_frame_that_refreshes_nothing_is_droppable(
    id_bits: int, tools: int, resilient: int
) -> None:
    read = av1_facts(b"\x81\0\0\0" + sequence(id_bits=id_bits, tools=tools))
    for kind in (1, 2):
        for refresh in (0, 1, 128):
            one = frame(kind, refresh, id_bits=id_bits, tools=tools, resilient=resilient)
            facts = read(one)
            assert (facts.start, facts.is_droppable) == (Start.NONE, refresh == 0)
            assert not read(one + frame(1, 255, id_bits=id_bits, tools=tools)).is_droppable


def test_frames_of_unknown_headers_are_kept() -> None:
    assert not av1_facts(b"")(frame(1, 0)).is_droppable
    assert not av1_facts(sequence(timing=1))(frame(1, 0)).is_droppable
    read = av1_facts(sequence())
    assert read(frame(1, 0)).is_droppable
    assert not read(frame(1, 0, shown=0)).is_droppable
    assert not read(frame(3, 0)).is_droppable  # a switch frame refreshes all
    assert not read(obu(6, packed((1, 1)))).is_droppable  # an existing frame is shown


def test_a_shown_key_frame_with_its_sequence_is_a_start() -> None:
    read = av1_facts(b"")
    key = read(sequence() + frame(0, 255))
    assert key.start is Start.CLEAN
    assert len(key.headers) == 1
    assert read(frame(0, 255)).start is Start.NONE
    assert read(sequence() + frame(0, 255, shown=0)).start is Start.NONE
    assert read(sequence() + frame(1, 1) + frame(0, 255)).start is Start.NONE


def test_a_length_past_the_packet_cannot_be_read() -> None:
    with pytest.raises(IndexError):
        av1_facts(b"")(b"\x32\x7f\0")
