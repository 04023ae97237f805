"""Connect to an SQLite file, also on a disk that has no locks.

There, SQLite calls the file busy, for ever (ENOLCK), or says "disk I/O error". A file that nobody
writes can be read all the same: its bytes are copied into memory.
"""

import os
import sqlite3
from pathlib import Path
from typing import BinaryIO, TypeVar

from index.errors import CueframeError
from index.storage.lock import why_unlockable, without_locks

_LONGEST_PATH = 504
"""Bytes; SQLite has room for 512, and the journal's name is longer by 8."""

Connection = TypeVar("Connection", bound=sqlite3.Connection)


def connect_to_write(path: Path, kind: type[Connection], *, no_lock: bool) -> Connection:
    """Connect to a file, which is made if it is missing.

    Args:
        path: The file.
        kind: Class of the connection.
        no_lock: Go on without locks where the disk has none; the caller knows of no other writer.

    Raises:
        CueframeError: The disk has none.
        OSError, sqlite3.Error: The file cannot be opened to write.
    """
    uri = f"{_uri(path)}?mode=rwc"
    with path.open("ab+") as file:
        refused = why_unlockable(file)
    if refused and not no_lock:
        raise without_locks(path, refused)
    return sqlite3.connect(uri + ("&nolock=1" if refused else ""), uri=True, factory=kind)


def connect_to_read(path: Path, kind: type[Connection]) -> Connection:
    """Connect to a file, or to a copy of it in memory where the disk has no locks.

    Raises:
        CueframeError: The disk has none, and somebody is writing the file, or was killed so.
        OSError, sqlite3.Error: The file cannot be opened.
    """
    with path.open("rb") as file:
        if why_unlockable(file):
            return _copied(path, file, kind)
    # Where a killed run left its journal, SQLite first undoes what that had begun: hence "rw".
    return sqlite3.connect(f"{_uri(path)}?mode=rw", uri=True, factory=kind)


def _uri(path: Path) -> str:
    whole = path.absolute()
    if (size := len(os.fsencode(whole))) > _LONGEST_PATH:
        raise CueframeError(
            f"{path} has a path of {size} bytes, and SQLite takes {_LONGEST_PATH}; give the index "
            "a shorter one"
        )
    return whole.as_uri()


def _copied(path: Path, file: BinaryIO, kind: type[Connection]) -> Connection:
    before = os.fstat(file.fileno())
    data = file.read()
    after = os.fstat(file.fileno())
    same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(data))
    # A transaction changes the file while its journal is there.
    if not same or path.with_name(f"{path.name}-journal").exists():
        raise CueframeError(
            f"{path} is being written, or a run was killed while it wrote, and no lock tells which "
            "on this disk; wait for the end of that run, or call it again"
        )
    copy = sqlite3.connect(":memory:", factory=kind)
    if data:
        copy.deserialize(data)
    return copy
