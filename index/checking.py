"""Report the problems of an index, and repair them on request."""

import contextlib
from contextlib import ExitStack
from pathlib import Path

from index.errors import DamagedError
from index.messages import escaped, name_some, say
from index.progress import bar
from index.storage.integrity import Examination, examine
from index.storage.lock import locked
from index.storage.quarantine import purge
from index.storage.repair import plan_repair, to_embed
from index.storage.store import read_profile


def check_index(
    index: Path,
    *,
    repair: bool = False,
    dry_run: bool = False,
    purge_quarantine: bool = False,
    videos: Path | None = None,
    no_lock: bool = False,
) -> int:
    """Print each problem of an index as a line on stdout; after a repair, those that remain.

    Args:
        index: Folder of the index.
        repair: Mend the problems, after saying how (`index.storage.repair.plan_repair`).
        dry_run: Only say how.
        purge_quarantine: Delete what earlier repairs moved away.
        videos: Where a repair looks for the videos, besides their recorded paths.
        no_lock: Repair and delete even where the disk has no locks.

    Returns:
        The exit code: 1 if problems remain, else 0.

    Raises:
        CueframeError: It is no index, or a repair cannot go on.
    """
    with ExitStack() as stack:
        if purge_quarantine or (repair and not dry_run):
            with contextlib.suppress(DamagedError):
                read_profile(index)  # or it is no index
            stack.enter_context(locked(index, "--index", no_lock=no_lock))
        if purge_quarantine:
            say(f"deleted {purge(index)} files of {index}/quarantine")
        found = _examined(index)
        lost: list[str] = []
        if repair and (found.problems or videos):
            lost = to_embed(index, found)
            _repair(index, found, videos, dry_run=dry_run, no_lock=no_lock)
            if not dry_run:
                found = _examined(index)
    if lost:
        say(f"index/build.py has to embed again: {name_some(lost)}")
    wrong = bool(found.problems or lost)
    say("something is wrong" if wrong else "the index is sound")
    return 1 if wrong else 0


def _examined(index: Path) -> Examination:
    found = examine(index)
    for line in found.problems:
        print(escaped(line))
    return found


def _repair(
    index: Path, found: Examination, videos: Path | None, *, dry_run: bool, no_lock: bool
) -> None:
    steps = list(plan_repair(index, found, videos, no_lock=no_lock))
    for step in steps:
        say(f"to repair: {step.what}")
    if not dry_run:
        for step in bar(steps, "step", len(steps)):
            step.do()
        say("repaired")
