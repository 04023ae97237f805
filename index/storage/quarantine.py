"""What a repair takes out of an index is moved to INDEX/quarantine/, never deleted.

quarantine/log.jsonl                   a line each: when, from where, to where, why
quarantine/20260311-120500-abcd….h5    the file
"""

import json
import os
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
    """Delete what is in the quarantine; return how many files that were.

    Raises:
        CueframeError: A file cannot be deleted, or the quarantine is a link to another place.
    """
    folder = index / _FOLDER
    if folder.is_symlink():
        raise CueframeError(f"{folder} is a link; delete what it leads to yourself")
    count = 0
    try:
        for path in sorted(folder.glob("*")) if folder.is_dir() else []:
            if path.is_dir() and not path.is_symlink():
                raise CueframeError(f"{path} is a folder; delete it yourself")
            path.unlink()
            count += path.name != _LOG
    except OSError as error:
        raise CueframeError(
            f"{folder} cannot be emptied ({error.strerror}); see its rights, and run again"
        ) from error
    return count
