"""Report the problems of an index, and repair them on request."""

import contextlib
from contextlib import ExitStack
from pathlib import Path

from index.discovery import HashedFile, hash_files, scan_videos
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
        videos: Files whose content is compared with the catalog; a repair enters them there.
        no_lock: Repair and delete even where the disk has no locks.

    Returns:
        The exit code: 1 if problems remain, else 0.

    Raises:
        CueframeError: It is no index, or a repair cannot go on.
    """
    with ExitStack() as stack:
        with contextlib.suppress(DamagedError):
            read_profile(index)  # or it is no index
        if purge_quarantine or (repair and not dry_run):
            stack.enter_context(locked(index, "--index", no_lock=no_lock))
        if purge_quarantine:
            say(f"deleted {purge(index)} files of {index}/quarantine")
        files, unreadable = _hashed(videos) if videos else ([], [])
        found = _examined(index, files, unreadable)
        lost: list[str] = []
        if repair and (found.problems or videos):
            lost = to_embed(index, found)
            _repair(index, found, files, dry_run=dry_run, no_lock=no_lock)
            if not dry_run:
                found = _examined(index, files, unreadable)
    if new := [file.path for file in files if file.path not in found.paths]:
        say(
            f"not in the catalog under these paths: {name_some(new)} ({len(new)} of {len(files)} "
            "files); index/build.py adds them"
        )
    if lost:
        say(f"index/build.py has to embed again: {name_some(lost)}")
    wrong = bool(found.problems or lost)
    say("something is wrong" if wrong else "the index is sound")
    return 1 if wrong else 0


def _hashed(videos: Path) -> tuple[list[HashedFile], list[str]]:
    """Hash the files of a place; return them, and a line for each that cannot be read."""
    scan = scan_videos(videos)
    files: list[HashedFile] = []
    unreadable = dict(scan.unreadable)
    for path, result in bar(hash_files(scan.videos), "video", len(scan.videos)):
        if isinstance(result, HashedFile):
            files.append(result)
        else:
            unreadable[str(path)] = f"cannot be read: {result.strerror}"
    return files, [f"{path} {why}; make it readable" for path, why in unreadable.items()]


def _examined(index: Path, files: list[HashedFile], unreadable: list[str]) -> Examination:
    found = examine(index)
    known = {path: file.content_hash for path, file in found.paths.items()}
    found.video_faults = unreadable + [
        f"{file.path} has other content than the catalog says; run index/build.py --rehash on it"
        for file in files
        if known.get(file.path, file.content_hash) != file.content_hash
    ]
    for line in found.problems:
        print(escaped(line))
    return found


def _repair(
    index: Path, found: Examination, videos: list[HashedFile], *, dry_run: bool, no_lock: bool
) -> None:
    steps = list(plan_repair(index, found, videos, no_lock=no_lock))
    for step in steps:
        say(f"to repair: {step.what}")
    if not dry_run:
        for step in bar(steps, "step", len(steps)):
            step.do()
        say("repaired")
