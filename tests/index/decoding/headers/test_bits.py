"""Numbers of some bits, against the same bits as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.decoding.headers.bits import Bits


@given(data=st.binary(min_size=1, max_size=20), counts=st.lists(st.integers(0, 12)))
def test_bits_are_read_from_the_highest(data: bytes, counts: list[int]) -> None:
    text = "".join(f"{byte:08b}" for byte in data)
    bits = Bits(data)
    for count in counts:
        if count > len(text):
            with pytest.raises(IndexError):
                bits.read(count)
            return
        assert bits.read(count) == int(text[:count] or "0", 2)
        text = text[count:]


@given(numbers=st.lists(st.integers(0, 2**16)))
def test_exp_golomb_codes(numbers: list[int]) -> None:
    text = "".join(f"{n + 1:b}".rjust(2 * (n + 1).bit_length() - 1, "0") for n in numbers)
    text += "0" * (-len(text) % 8)
    bits = Bits(bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)))
    assert [bits.unsigned_exp_golomb() for _ in numbers] == numbers
