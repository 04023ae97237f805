"""Reading numbers of some bits from bytes, the highest bit first."""


class Bits:
    """A place in bytes; past their end an IndexError."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        """Return the next bits as a number; 0 for none."""
        self._left -= count
        if self._left < 0:
            raise IndexError("past the end")
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned_exp_golomb(self) -> int:
        """Return the next ue(v) of ITU-T H.264, clause 9.1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)
