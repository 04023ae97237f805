"""Host memory from which a GPU copies by itself, without the driver's own copy in between."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch


def pin(memory: npt.NDArray[np.uint8]) -> Callable[[], object]:
    """Pin memory that is mapped here, and perhaps in other processes; return what unpins it.

    Where the system refuses, as under a limit on locked memory, it stays as it is: copies are then
    right, too, and slower.

    Args:
        memory: The whole mapping; it must outlive its pinning.
    """
    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]  # a module of C functions
    place = memory.ctypes.data
    if runtime.cudaHostRegister(place, memory.nbytes, 0) != runtime.cudaError.success:
        return lambda: None
    return partial(runtime.cudaHostUnregister, place)
