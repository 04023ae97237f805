"""Atomic writes: a file is there whole or not at all.

Every file is written under a temporary name, synced and renamed: a process killed with -9 while an
HDF5 file is open for writing leaves it unreadable (measured: 15 times of 15).
"""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from index.discovery import SUFFIXES
from index.errors import CueframeError


@contextmanager
def explain_unwritable(path: Path) -> Iterator[None]:
    """Turn an error of writing a file within the block into one line that names it.

    Raises:
        CueframeError: The file cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # Pillow's, of a picture that its format cannot hold
            raise
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> CueframeError:
    reason = error.strerror if isinstance(error, OSError) else error
    return CueframeError(f"{path} cannot be written ({reason}); make room or rights, and run again")


@contextmanager
def written_whole(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`, synced and renamed to it when the block succeeds.

    Args:
        path: The file.
        synced: Whether it is on the disk when the block ends. Several files are synced faster
            together, by `sync_files`; until then the system may lose one when the power fails, or
            parts of it, but not when the process is killed.

    Raises:
        CueframeError: The file cannot be written; an existing one stays as it was.
    """
    _refuse_special(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        if synced:
            _sync_file(temporary)
        temporary.replace(path)
        if synced:
            _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # RuntimeError: FAISS on a full disk
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until files that were written without it are on the disk.

    Raises:
        CueframeError: The disk has no room for one, or does not answer.
    """
    paths = list(paths)
    for path in paths:
        with explain_unwritable(path):
            _sync_file(path)
    for folder in dict.fromkeys(path.parent for path in paths):
        with explain_unwritable(folder):
            _sync_folder(folder)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks sync files alone
            raise
    finally:
        os.close(folder)


def _remove_leftovers(path: Path) -> None:
    """Delete what killed processes have left of a file under their temporary names."""
    begin, end = f".{path.name}.", ".tmp"
    with os.scandir(path.parent) as entries:
        found = [one.name for one in entries if one.name.startswith(begin)]
    for name in found:
        process = name[len(begin) : -len(end)]
        if not (name.endswith(end) and re.fullmatch(r"\d{1,7}", process)):
            continue
        try:
            os.kill(int(process), 0)  # asks whether the process lives
        except ProcessLookupError:
            path.with_name(name).unlink(missing_ok=True)
        except PermissionError:  # it does, as another user's
            continue


def make_folder(path: Path, what: str) -> None:
    """Make a folder and those above it, unless they are there.

    Args:
        path: The folder.
        what: The flag or argument that names it, for the error message.

    Raises:
        CueframeError: It cannot be made, or is no folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CueframeError(
            f"{what} {path} is no folder and cannot be made ({error.strerror}); name another"
        ) from error


def refuse_unwritable(path: Path, flag: str) -> None:
    """Check, before the work starts, that a file can be written; create its folder.

    Args:
        path: The file.
        flag: The flag that names it, for the error message.

    Raises:
        CueframeError: It is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise CueframeError(f"{flag} {path} is a folder; name a file")
    attempt = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        attempt.touch()
        attempt.unlink()
    except OSError as error:
        raise CueframeError(
            f"{flag} {path} cannot be written ({error.strerror}); make room or rights, or name "
            "another file"
        ) from error


def refuse_overwriting(
    outputs: Mapping[str, Path | None], inputs: Mapping[str, Iterable[Path | None]]
) -> None:
    """Check, before the work starts, that no output is one of the inputs, another one or a device.

    Args:
        outputs: Files or folders that will be written, by flag; None where a flag is not given.
        inputs: Files that are read, by what they are: "the questions"; of a folder, all in it.

    Raises:
        CueframeError: What is read would be written, be it by way of a link, or a file is written
            twice. What is there and has the ending of a video counts as read. Or an output is
            neither a file nor a folder.
    """
    read = {path.resolve(): what for what, paths in inputs.items() for path in paths if path}
    for flag, path in outputs.items():
        if path is None:
            continue
        _refuse_special(path, flag)
        own = path.resolve()
        folders = (place for place in own.parents if place.is_dir())
        what = next((read[place] for place in (own, *folders) if place in read), None)
        if what is None and path.suffix.lower() in SUFFIXES and path.exists():
            what = "a video"
        if what:
            raise CueframeError(f"{flag} {path} would overwrite {what}; name another file")
        read[own] = f"what {flag} writes"


def _refuse_special(path: Path, flag: str = "") -> None:
    """Refuse a device or a pipe: a file renamed to its place would replace /dev/null itself."""
    with contextlib.suppress(OSError, ValueError):  # what cannot be looked at cannot be replaced
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            named = f"{flag} {path}".strip()
            raise CueframeError(f"{named} is a device or a pipe; name a file")


def folder_of(model: str | None) -> Path | None:
    """Return the folder of a model, None where a name on the hub or nothing is given."""
    return Path(model) if model and os.path.isdir(model) else None  # noqa: PTH112 - Path.is_dir raises where a name is too long
