"""Copies between host and GPU that neither pass through other memory nor wait for other work."""

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


def fetch(tensor: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Begin to copy a tensor to the host; return what waits for that and gives the copy.

    It does not wait for work that is queued on the GPU later, as `tensor.cpu()` does when it is
    called later.
    """
    host = tensor.to("cpu", non_blocking=True)  # from a GPU into pinned memory
    if tensor.device.type != "cuda":
        return lambda: host
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's
    ready.record()

    def wait() -> torch.Tensor:
        ready.synchronize()
        return host

    return wait
