"""Work shared over the cores of one machine, item by item."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def in_processes(work: Callable[[Item], Done], items: Sequence[Item], processes: int) -> list[Done]:
    """Do the work for each item, some at once, each in a process; with 1, all in this one."""
    if processes == 1:
        return [*map(work, items)]
    spawning = multiprocessing.get_context("spawn")
    with spawning.Pool(processes) as pool:  # which ends its processes on any error or signal
        return pool.map(work, items, chunksize=1)


def cores() -> int:
    """Return the number of the machine's cores."""
    return os.cpu_count() or 1
