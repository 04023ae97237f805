"""A stranger's program in bounds: a chat template may never end, or fill the memory.

It runs as Python bytecode, and a signal of the process's timer ends it.
"""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_LIMIT_S = 5.0
"""Seconds of computing; a template takes milliseconds."""
_LIMIT_BYTES = 2 << 30


class _TimeIsUp(BaseException):
    """Raised by the timer; no Exception, since a program may pass over those."""


@contextmanager
def bounded() -> Iterator[None]:
    """Bound what the block computes and holds.

    Time is bounded in the main thread alone, since only there a signal can be handled.

    Raises:
        TimeoutError, MemoryError: The block takes more.
    """
    limits = resource.getrlimit(resource.RLIMIT_AS)
    _lower_memory(limits)
    try:
        if threading.current_thread() is threading.main_thread():
            with _timed():
                yield
        else:
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@contextmanager
def _timed() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _LIMIT_S)
    try:
        yield
    except _TimeIsUp as up:
        raise TimeoutError(f"it takes more than {_LIMIT_S:g} s") from up
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _lower_memory(limits: tuple[int, int]) -> None:
    """Let the address space grow by `_LIMIT_BYTES` at most, where its size can be read."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    wanted = int(statm.read_text().split()[0]) * resource.getpagesize() + _LIMIT_BYTES
    if all(limit == resource.RLIM_INFINITY or wanted < limit for limit in limits):
        resource.setrlimit(resource.RLIMIT_AS, (wanted, limits[1]))
