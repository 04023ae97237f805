"""What a repair takes out of an index is moved to INDEX/quarantine/, never deleted.

quarantine/log.jsonl                   a line each: when, from where, to where, why
quarantine/20260311-120500-abcd….h5    the file
"""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

from index.errors import CueframeError

_FOLDER, _LOG = "quarantine", "log.jsonl"
_BESIDE = ("-journal", "-wal", "-shm")
"""Endings of files that SQLite would take for those of a new database under the old name."""


def move_away(index: Path, path: Path, why: str) -> Path:
    """Move a file of an index to its quarantine, with a line that says why.

    Returns:
        Where it is now.

    Raises:
        CueframeError: It cannot be moved; it is where it was.
    """
    folder = index / _FOLDER
    try:
        folder.mkdir(exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target, more = folder / f"{stamp}-{path.name}", 1
        while os.path.lexists(target):
            more += 1
            target = folder / f"{stamp}-{more}-{path.name}"
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "from": str(path.relative_to(index)),
            "to": target.name,
            "why": why,
        }
        # The line comes first, so that no file is without one after a kill.
        with (folder / _LOG).open("a", errors="backslashreplace") as log:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")
            log.flush()
            os.fsync(log.fileno())
        for ending in _BESIDE:
            beside = path.with_name(path.name + ending)
            if beside.exists():
                beside.rename(target.with_name(target.name + ending))
        path.rename(target)
    except OSError as error:
        raise CueframeError(
            f"{path} cannot be moved to {folder} ({error.strerror}); make room or rights, and run "
            "again"
        ) from error
    return target


def purge(index: Path) -> int:
    """Delete what was moved to the quarantine, and nothing else; return how many files that were.

    Raises:
        CueframeError: A file cannot be deleted, or the quarantine is a link to another place.
    """
    folder = index / _FOLDER
    if folder.is_symlink():
        raise CueframeError(f"{folder} is a link; delete what it leads to yourself")
    count = 0
    try:
        for name in _moved(folder / _LOG):
            for path in (folder / f"{name}{ending}" for ending in ("", *_BESIDE)):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif os.path.lexists(path):
                    path.unlink()
                else:
                    continue
                count += 1
        (folder / _LOG).unlink(missing_ok=True)
    except OSError as error:
        raise CueframeError(
            f"{folder} cannot be emptied ({error.strerror}); see its rights, and run again"
        ) from error
    return count


def _moved(log: Path) -> list[str]:
    """Return the names in the log, as far as its lines can be read."""
    names = []
    for line in log.read_bytes().splitlines() if log.is_file() else []:
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            name = json.loads(line)["to"]
            if isinstance(name, str) and Path(name).name == name:
                names.append(name)
    return names
