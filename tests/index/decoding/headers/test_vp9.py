"""VP9: the bits of frame headers, made by hand."""

import pytest

from index.decoding.headers.packet_facts import OddError, Start
from index.decoding.headers.vp9 import vp9_facts

REST = bytes(12)


@pytest.mark.parametrize(
    ("first", "start", "shown"),
    [
        (0b10_00_0_0_1_0, Start.CLEAN, True),
        (0b10_00_0_0_0_0, Start.CLEAN, False),
        (0b10_00_0_1_1_0, Start.NONE, True),
        (0b10_00_0_1_0_0, Start.NONE, False),
        (0b10_00_1_0_0_0, Start.NONE, True),  # an existing frame
        (0b10_10_0_0_1_0, Start.CLEAN, True),  # profile 1
        (0b10_11_0_0_0_1, Start.CLEAN, True),  # profile 3 has a bit more
        (0b10_11_0_0_1_1, Start.NONE, True),
        (0b10_11_0_1_0_0, Start.NONE, True),
    ],
)
def test_vp9(first: int, start: Start, shown: bool) -> None:
    facts = vp9_facts(bytes([first]) + REST)
    assert (facts.start, facts.is_droppable, facts.is_shown) == (start, False, shown)


def test_a_superframe_is_shown() -> None:
    assert vp9_facts(bytes([0b10_00_0_1_0_0]) + REST + b"\xc9").is_shown


def test_another_marker_is_odd() -> None:
    with pytest.raises(OddError):
        vp9_facts(b"\x42" + REST)
