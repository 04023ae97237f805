"""One writer at a time for a folder, and what becomes of it on a disk that has no locks.

Some network folders refuse every lock: ENOLCK of NFS without its lock daemon, ENOSYS and EOPNOTSUPP
of FUSE. That is told apart from a lock that another run holds.
"""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from index.errors import CueframeError

_HELD = (errno.EWOULDBLOCK, errno.EACCES)
"""Errors of a lock that another process holds; POSIX allows either. All others are of the disk."""


@contextmanager
def locked(folder: Path, flag: str, *, no_lock: bool = False) -> Iterator[None]:
    """Lock a folder for writing; the operating system holds the lock, so a killed run leaves none.

    Args:
        folder: The folder; created if it is missing.
        flag: The flag that names it, for the error message.
        no_lock: Go on where the disk has no locks. A lock that another run holds counts even so.

    Raises:
        CueframeError: Another run holds the lock, the folder cannot be written, or its disk has no
            locks.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("wb")
    except OSError as error:
        raise CueframeError(
            f"{folder} cannot be written ({error.strerror}); make room or rights, or name another "
            f"with {flag}"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                raise CueframeError(
                    f"another run is writing {folder}; wait for its end, or name another with "
                    f"{flag}"
                ) from error
            if not no_lock:
                raise without_locks(folder, error) from error
        yield


def why_unlockable(file: BinaryIO) -> OSError | None:
    """Return why SQLite cannot lock a file, None where it can.

    It locks by `fcntl`, which a disk may refuse though it has `flock`. Closing the file gives up
    the locks that this process has on it, so ask before SQLite opens it.
    """
    try:
        # SQLite's own locks begin at byte 2**30, so nobody is in the way of this one.
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1)
    except OSError as error:
        return None if error.errno in _HELD else error
    return None


def without_locks(path: Path, error: OSError) -> CueframeError:
    """Return the error of a folder or file that cannot be written since its disk has no locks."""
    return CueframeError(
        f"{path} cannot be locked ({error.strerror}), as is so in some network folders; name one "
        "on another disk, or add --no-lock and let one run at a time write there: two would undo "
        "each other's work"
    )
