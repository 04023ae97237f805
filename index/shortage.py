"""Out of memory, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from index.errors import CueframeError


@contextmanager
def naming_memory(flags: str) -> Iterator[None]:
    """Out of memory becomes one line that says which flag to lower."""
    try:
        yield
    except RuntimeError as error:
        out = isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
        if not out:
            raise
        first = str(error).strip().split("\n")[0]
        raise CueframeError(f"out of memory ({first}); lower {flags}") from error
