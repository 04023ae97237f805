"""An SQLite file is read and written where its disk has no locks, but not in the midst of a change.

That the kernel's own refusal is met so, tests/faults/test_bare_machines.py shows.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from index.errors import CueframeError
from index.storage.sqlite_file import connect_to_read, connect_to_write

KIND = sqlite3.Connection


def made(path: Path) -> Path:
    with closing(connect_to_write(path, KIND, no_lock=False)) as connection, connection:
        connection.execute("CREATE TABLE numbers (n)")
        connection.execute("INSERT INTO numbers VALUES (7)")
    return path


def numbers(connection: sqlite3.Connection) -> list[tuple[int]]:
    return connection.execute("SELECT n FROM numbers").fetchall()


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on, the disk has none."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    return lambda: monkeypatch.setattr(fcntl, "lockf", refuse)


def test_it_is_read_in_memory_and_written_with_no_lock_alone(
    tmp_path: Path, no_locks: Callable[[], None]
) -> None:
    path = made(tmp_path / "a.sqlite")
    before = path.read_bytes()
    no_locks()
    with closing(connect_to_read(path, KIND)) as connection:
        assert numbers(connection) == [(7,)]
        connection.execute("DELETE FROM numbers")
        connection.commit()
    assert path.read_bytes() == before
    with pytest.raises(CueframeError, match=r"a\.sqlite cannot be locked .* --no-lock"):
        connect_to_write(path, KIND, no_lock=False)
    with closing(connect_to_write(path, KIND, no_lock=True)) as connection, connection:
        connection.execute("INSERT INTO numbers VALUES (8)")
    with closing(connect_to_read(path, KIND)) as connection:
        assert numbers(connection) == [(7,), (8,)]


def test_one_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, no_locks: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "a.sqlite")
    no_locks()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO numbers VALUES (8)")
        with pytest.raises(CueframeError, match="is being written, or a run was killed"):
            connect_to_read(path, KIND)
        writer.execute("COMMIT")

    looked = os.fstat

    def change(file: int) -> os.stat_result:
        state = looked(file)
        os.utime(path, ns=(0, state.st_mtime_ns + 1))
        return state

    monkeypatch.setattr("os.fstat", change)
    with pytest.raises(CueframeError, match="is being written"):
        connect_to_read(path, KIND)


def test_an_empty_file_is_an_empty_database(tmp_path: Path, no_locks: Callable[[], None]) -> None:
    (tmp_path / "a.sqlite").touch()
    no_locks()
    with closing(connect_to_read(tmp_path / "a.sqlite", KIND)) as connection:
        assert connection.execute("SELECT * FROM sqlite_master").fetchall() == []


def test_the_longest_path(tmp_path: Path) -> None:
    name = "a.sqlite"
    missing = 504 - len(str(tmp_path)) - len(f"///{name}")
    folder = tmp_path / ("d" * (missing // 2)) / ("e" * (missing - missing // 2))
    folder.mkdir(parents=True)
    assert len(str(folder / name)) == 504
    made(folder / name)
    (folder.parent / f"{folder.name}e").mkdir()
    with pytest.raises(CueframeError, match="505 bytes, and SQLite takes 504"):
        made(folder.parent / f"{folder.name}e" / name)
