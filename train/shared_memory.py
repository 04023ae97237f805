"""Room in /dev/shm, through which worker processes hand over what they have read.

A container has 64 MB of it unless it is given more.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from index.errors import CueframeError

SHARED = Path("/dev/shm")  # noqa: S108 - looked at, never written by name
_LOCKS_BYTES = 2**20
"""Of the workers' queues: 8 pages of 4 KiB, and 3 more for each worker."""


def room_bytes(sizes: Sequence[int], held: int) -> int:
    """Return the room for a number of batches, of tensors of these sizes in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    return held * sum(-(-size // page) * page for size in sizes) + _LOCKS_BYTES


def refuse_small_room(need_bytes: int, shared: Path = SHARED) -> None:
    """Compare what all processes of this machine need with what is free, where there is /dev/shm.

    Args:
        need_bytes: What one process needs; all call this before any of them takes it.
        shared: The folder.

    Raises:
        CueframeError: Too little is free.
    """
    if not shared.is_dir():
        return
    room = os.statvfs(shared)
    free = room.f_bavail * room.f_frsize
    need = need_bytes * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if need > free:
        whole = room.f_blocks * room.f_frsize - free + need
        raise CueframeError(
            f"reading pictures ahead needs {_mib(need)} MiB of {shared}, and {free // 2**20} MiB "
            "are free; choose --num_workers 0, or enlarge it (docker run --shm-size "
            f"{_mib(whole)}m)"
        )


def _mib(size: int) -> int:
    return -(-size // 2**20)
