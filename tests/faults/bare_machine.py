"""A machine that lacks something, seen by this process and its children alone.

`refuse_locks` lets the kernel refuse every lock of a file, as some network folders do: a filter of
seccomp answers `flock` and `fcntl` with the error, so that Python, SQLite and HDF5 all meet it.
`mount` lays a disk over a folder in a mount namespace of its own.
"""

import ctypes
import os
import platform
import struct
import subprocess

_FLOCK_AND_FCNTL = {"x86_64": (73, 72), "aarch64": (32, 25)}
"""Numbers of the system calls."""
_SET_LOCK, _SET_LOCK_AND_WAIT = 6, 7
"""Commands of `fcntl`; SQLite uses the first."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""Instructions of BPF."""
_ERROR, _ALLOW = 0x00050000, 0x7FFF0000
_NUMBER, _SECOND_ARGUMENT = 0, 24
"""Bytes of `seccomp_data` at which these stand."""
_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_locks(number: int) -> None:
    """Let every lock of a file fail with this error from now on."""
    flock, fcntl = _FLOCK_AND_FCNTL[platform.machine()]
    code = [  # (instruction, lines to skip if so, if not, value)
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, 4, 0, flock),
        (_IF_EQUAL, 0, 4, fcntl),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_IF_EQUAL, 1, 0, _SET_LOCK),
        (_IF_EQUAL, 0, 1, _SET_LOCK_AND_WAIT),
        (_RETURN, 0, 0, _ERROR | number),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = _Program(len(code), b"".join(struct.pack("HBBI", *line) for line in code))
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0))


def mount(folder: str, options: str) -> None:
    """Lay a disk over a folder, for this process and its children; root alone can."""
    _checked(_libc.unshare(_CLONE_NEWNS))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", *options.split(), folder], check=True)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
