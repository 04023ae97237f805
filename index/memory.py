"""Out-of-memory errors as one line, and the memory that a process has taken."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from index.errors import CueframeError


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out, on a GPU or on the host."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


@contextmanager
def explain_out_of_memory(flags: str) -> Iterator[None]:
    """Turn an out-of-memory error into one line that says which flags to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        first = str(error).strip().split("\n")[0]
        raise CueframeError(f"out of memory ({first}); lower {flags}") from error


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that this process has taken so far: on a GPU its, else the host's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    # Kibibytes, as Linux counts.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
