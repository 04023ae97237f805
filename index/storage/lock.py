"""One writer at a time for a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import CueframeError


@contextmanager
def locked(folder: Path, flag: str) -> Iterator[None]:
    """Lock a folder for writing; the operating system holds the lock, so a killed run leaves none.

    Args:
        folder: The folder; created if it is missing.
        flag: The flag that names it, for the error message.

    Raises:
        CueframeError: Another run holds the lock, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise CueframeError(
            f"{folder} cannot be written ({error.strerror}); name another with {flag}"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CueframeError(
                f"another run is writing {folder}; wait for its end, or name another with {flag}"
            ) from error
        yield
