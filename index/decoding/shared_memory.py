"""Memory that two processes share, without a name and without a folder.

A file in /dev/shm or in the temporary folder would do too, but containers make those small, or
read-only; and where a disk is full, writing to a mapped file ends a process by SIGBUS ("Bus
error"). Here the pages are reserved before they are mapped.
"""

import mmap
import os
from typing import BinaryIO

import numpy as np
import numpy.typing as npt


def reserved_memory(size: int) -> BinaryIO:
    """Return a file of `size` bytes in memory, to be passed to another process and mapped.

    Raises:
        OSError: There is not as much memory.
    """
    file = os.fdopen(os.memfd_create("cueframe"), "r+b", buffering=0)
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        file.close()
        raise
    return file


def mapped(file: int) -> npt.NDArray[np.uint8]:
    """Return the bytes of a file by its descriptor; they stay when the file is closed."""
    return np.frombuffer(mmap.mmap(file, 0), dtype=np.uint8)
