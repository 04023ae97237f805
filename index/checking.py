"""Report the problems of an index, and repair them on request."""

import sys
from collections.abc import Iterable
from pathlib import Path

from index.storage.integrity import index_problems
from index.storage.lock import locked
from index.storage.repair import repair_index
from index.storage.store import read_profile


def check_index(index: Path, *, repair: bool = False, videos: Path | None = None) -> int:
    """Print each problem of an index as a line on stdout; after a repair, those that remain.

    Args:
        index: Folder of the index.
        repair: Call `index.storage.repair.repair_index` if there are problems.
        videos: Where a repair looks for the videos, besides their recorded paths.

    Returns:
        The exit code: 1 if problems remain, else 0.
    """
    profile = read_profile(index)
    found = _print(index_problems(index, profile))
    if found and repair:
        with locked(index, "--index"):
            for line in repair_index(index, profile, videos):
                print(f"repaired: {line}", file=sys.stderr)
        found = _print(index_problems(index, profile))
    print("something is wrong" if found else "the index is sound", file=sys.stderr)
    return 1 if found else 0


def _print(lines: Iterable[str]) -> int:
    """Print lines as they come; return how many there were."""
    count = 0
    for line in lines:
        print(line)
        count += 1
    return count
