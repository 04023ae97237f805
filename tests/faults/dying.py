"""A command that dies just before its Nth file operation, or whose files may not grow.

`inflict` is called in the process that becomes the command. It counts what changes files: opening
one to write, renaming, removing, making folders, syncing, statements of SQLite that change
something, and the calls with which HDF5, FAISS, torch and safetensors write. Each is logged, so
that a run without a kill tells how many there are and what the Nth is. Without a warm process:

    python tests/faults/dying.py KILL_AT ONLY SCRIPT FLAGS …
"""

import builtins
import ctypes
import functools
import io
import os
import resource
import runpy
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults import bare_machine

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
"""Events of `sys.addaudithook`; os.replace is a rename, and os.unlink a removal."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_READING = ("SELECT", "PRAGMA", "EXPLAIN")
_NO_FILES = ("/dev/", "/proc/", "/sys/")


@dataclass(frozen=True)
class Faults:
    """What befalls a process."""

    kill_at: int = 0
    """Number of the operation before which it dies, from 1; 0: none."""
    only: str = ""
    """Operations on files whose names do not end so do not count."""
    file_bytes: int = 0
    """No file may grow beyond this; 0: any."""
    unprivileged: bool = False
    """Rights of files bind it, though it is root."""
    no_locks: int = 0
    """The error that each attempt to lock a file ends with; 0: files can be locked."""
    disks: tuple[tuple[str, str], ...] = ()
    """Folders over which it alone sees a disk, each with the options of `mount`."""
    temporary: str = ""
    """Its folder of temporary files; "": the usual one."""
    late_s: float = 0.0
    """How much later than now it is for it."""


def inflict(faults: Faults, log: int) -> None:
    """Prepare this process; each operation becomes a line in the file descriptor `log`."""
    for folder, options in faults.disks:
        bare_machine.mount(folder, options)
    if faults.temporary:
        os.environ["TMPDIR"], tempfile.tempdir = faults.temporary, None
    if faults.no_locks:
        bare_machine.refuse_locks(faults.no_locks)
    if faults.unprivileged:
        _heed_rights()
    if faults.late_s:
        now_ns = time.time_ns
        time.time_ns = lambda: now_ns() + int(faults.late_s * 1e9)
    if faults.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (faults.file_bytes, faults.file_bytes))
    count = 0

    def note(what: str, at_the_end: Callable[[], object] = bool) -> None:
        nonlocal count
        count += what.endswith(faults.only)
        os.write(log, what.replace("\n", " ").encode(errors="replace") + b"\n")
        if count == faults.kill_at and what.endswith(faults.only):
            at_the_end()
            os.kill(os.getpid(), signal.SIGKILL)

    def heard(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if isinstance(path, str) and flags & _WRITES and not path.startswith(_NO_FILES):
                note(f"open {path}")
        elif event in _CHANGES:
            note(f"{event} {args[0]}")

    _note_files(note)
    _note_statements(note)
    for owner, name in _writers():
        setattr(owner, name, _noted(getattr(owner, name), note, f"{owner.__name__}.{name}"))
    sys.addaudithook(heard)


def _note_files(note: Callable[..., None]) -> None:
    """Let each write of a file opened by Python be an operation; the last one is half done."""

    class Noted(io.FileIO):
        def write(self, data: Any) -> int:
            half = bytes(data)[: len(data) // 2]
            note(f"write {self.name}", lambda: io.FileIO.write(self, half))
            return super().write(data)

    def opening(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        ours = not isinstance(file, int) and not str(file).startswith(_NO_FILES)
        if not ours or (mode.strip("btwax") and mode != "a+b") or "r" in mode:
            return plain(file, mode, buffering, encoding, errors, newline, *args, **kwargs)
        raw = Noted(os.fspath(file), mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, encoding, errors, newline)

    plain = io.open
    builtins.open = io.open = opening


def _note_statements(note: Callable[..., None]) -> None:
    def noted(text: str) -> None:
        if not text.lstrip().upper().startswith(_READING):
            note(f"sqlite {text.split(maxsplit=1)[0]}")

    def connected(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(noted)
        return connection

    connect = sqlite3.connect
    setattr(sqlite3, "connect", connected)  # noqa: B010 - its type is overloaded


def _writers() -> list[tuple[Any, str]]:
    """Functions that write without telling Python."""
    import faiss
    import h5py
    import safetensors.torch
    import torch

    return [
        (os, "fsync"),
        (h5py.Group, "__setitem__"),
        (h5py.AttributeManager, "update"),
        (h5py.File, "close"),
        (faiss, "write_index"),
        (torch, "save"),
        (safetensors.torch, "serialize_file"),
    ]


def _noted(call: Callable[..., Any], note: Callable[[str], None], name: str) -> Callable[..., Any]:
    @functools.wraps(call)
    def noting(*args: Any, **kwargs: Any) -> Any:
        if name != "File.close" or args[0].mode != "r":
            note(name)
        return call(*args, **kwargs)

    return noting


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


_VERSION = 0x20080522
_SETS = 6
"""Effective, permitted and inheritable capabilities, each in two words."""


def _heed_rights() -> None:
    """Give up root's power to read and write what its rights forbid; others never had it."""
    if os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    none = (ctypes.c_uint32 * _SETS)()
    if libc.capset(ctypes.byref(_Header(_VERSION, 0)), none):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    _, at, only, *sys.argv = sys.argv
    inflict(Faults(kill_at=int(at), only=only), os.open(os.devnull, os.O_WRONLY))
    runpy.run_path(sys.argv[0], run_name="__main__")
