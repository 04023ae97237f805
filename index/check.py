"""Check an index, and mend what is derived.

Usage: python index/check.py INDEX [--videos VIDEOS] [--repair]

Opens every vector file and compares it with the catalog and the search index; each thing that is
wrong is one line on stdout. With --repair the search index and the catalog are made anew from the
vector files; damaged vector files are deleted, and the next index/build.py embeds those videos.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from index.cli import run


@dataclass(kw_only=True, slots=True)
class CheckConfig:
    """Flags of index/check.py."""

    index: tyro.conf.Positional[Path]
    """Folder of the index."""
    videos: Path | None = None
    """Folder, video or text file of paths, in which --repair looks for the videos."""
    repair: bool = False
    """Make catalog and search index anew, and delete damaged vector files."""


def check(config: CheckConfig) -> int:
    """Say what is wrong, and mend it when asked; returns 1 when something is wrong after all."""
    from index.faults import index_faults
    from index.lock import locked
    from index.repair import repair
    from index.store import read_profile

    profile = read_profile(config.index)
    found = _print(index_faults(config.index, profile))
    if found and config.repair:
        with locked(config.index, "--index"):
            for line in repair(config.index, profile, config.videos):
                print(f"repaired: {line}", file=sys.stderr)
        found = _print(index_faults(config.index, profile))
    print("something is wrong" if found else "the index is sound", file=sys.stderr)
    return 1 if found else 0


def _print(lines: Iterator[str]) -> int:
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007 - the count is what is wanted
        print(line)
    return count


if __name__ == "__main__":
    run(check, CheckConfig, __doc__)
