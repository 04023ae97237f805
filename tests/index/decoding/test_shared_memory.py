import errno
import os
from typing import Any

import numpy as np
import pytest

from index.decoding.shared_memory import mapped, reserved_memory


def test_what_one_mapping_writes_the_other_reads() -> None:
    with reserved_memory(5) as memory:
        one, other = mapped(memory.fileno()), mapped(memory.fileno())
    one[:] = np.arange(5)
    assert other.tolist() == [0, 1, 2, 3, 4]


def test_it_is_all_there_before_it_is_written() -> None:
    """Else the first write to a page that cannot be had ends the process."""
    with reserved_memory(1 << 20) as memory:
        state = os.fstat(memory.fileno())
        assert state.st_blocks * 512 >= 1 << 20


def test_where_there_is_none_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names alone
    with pytest.raises(OSError, match="No space"):
        reserved_memory(1)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
