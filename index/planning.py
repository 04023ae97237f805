"""Plan a build: compare the files with the catalog, and hash only those that are new to it."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from index.discovery import HashedFile, hash_files, is_as_hashed, stat_regular
from index.errors import CueframeError
from index.progress import bar
from index.storage.catalog import (
    Catalog,
    all_paths,
    all_videos,
    forget_paths,
    forget_videos,
    has_whole_file,
    put_paths,
    put_video,
    row_of,
)
from index.storage.store import Profile, read_own_vectors, vectors_path

Job = HashedFile
"""A video to decode, as it was when its content was hashed."""


@dataclass(kw_only=True)
class Plan:
    """The plan of a build; every requested video is in one of the first four fields."""

    jobs: list[Job] = field(default_factory=list)
    """One for each content, under the first of its paths."""
    reused: list[str] = field(default_factory=list)
    """Content hashes."""
    failed: dict[str, str] = field(default_factory=dict)
    """Path to reason, of videos that failed before and are not tried again."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Path to reason, of files that could not be hashed."""
    paths: dict[str, list[str]] = field(default_factory=dict)
    """All requested paths of a content, by its hash."""
    hashed: int = 0
    """Number of files that were read for their hash."""
    dropped: bool = False
    """True if videos left the catalog, so that FAISS has to follow at once."""


def make_plan(
    index: Path,
    catalog: Catalog,
    files: Iterable[Path],
    *,
    profile: Profile,
    retry: bool,
    prune: bool,
    rehash: bool,
) -> Plan:
    """Update the catalog's paths and sort the videos by what is to be done.

    A file that is as it was when it was hashed (`is_as_hashed`) is not read again, unless `rehash`
    says so. Contents to which no path leads any more are removed from the catalog here; a vector
    file that the catalog does not know (after an interrupted run, or when the catalog was lost) is
    adopted.
    """
    plan = Plan()
    videos = all_videos(catalog)
    seen = _look(catalog, files, plan, videos, rehash=rehash)
    if prune:
        forget_paths(catalog, [path for path in all_paths(catalog) if _gone(path)])
    alive = {known.content_hash for known in all_paths(catalog).values()}
    stale = {content for content in videos if content not in alive}
    for known in seen:
        plan.paths.setdefault(known.content_hash, []).append(known.path)
    first = {known.content_hash: known for known in reversed(seen)}
    for content, paths in plan.paths.items():
        video = videos.get(content)
        indexed = video is not None and video.status == "indexed"
        if video is not None and not indexed and not retry:
            plan.failed |= dict.fromkeys(paths, video.error or "")
        elif has_whole_file(index, video) if video else _adopt(index, catalog, content, profile):
            plan.reused.append(content)
        else:
            if indexed:
                stale.add(content)  # a new number, so that FAISS takes the new vectors
            plan.jobs.append(first[content])
    forget_videos(catalog, stale)
    plan.dropped = bool(stale)
    plan.jobs.sort(key=lambda job: (-job.size, job.path))
    return plan


def _look(
    catalog: Catalog, files: Iterable[Path], plan: Plan, videos: Container[str], *, rehash: bool
) -> list[HashedFile]:
    """Return every readable file with its content hash, and update the catalog's paths.

    A path whose file is gone leaves the catalog where a file of its content is seen, since it was
    renamed or moved; and where it is of none of the known `videos`, so that nothing is lost.
    """
    known = all_paths(catalog)
    seen: list[HashedFile] = []
    unknown: list[Path] = []
    for path in files:
        try:
            state = stat_regular(path)
        except OSError as error:
            plan.unreadable[str(path)] = f"cannot be read: {error.strerror}"
            continue
        entry = known.get(str(path))
        if entry and is_as_hashed(entry, state) and not rehash:
            seen.append(entry)
        else:
            unknown.append(path)
    fresh: list[HashedFile] = []
    plan.hashed = len(unknown)
    for path, result in bar(hash_files(unknown), "file", len(unknown)):
        if isinstance(result, OSError):
            plan.unreadable[str(path)] = f"cannot be read: {result.strerror}"
        else:
            fresh.append(result)
    there = {file.path: file.content_hash for file in seen + fresh}
    contents = set(there.values())
    forgotten = [
        path
        for path, file in known.items()
        if path not in there
        and (file.content_hash in contents or file.content_hash not in videos)
        and _gone(path)
    ]
    put_paths(catalog, fresh, forgotten)
    return seen + fresh


def _gone(path: str) -> bool:
    """Return whether there is no such file; one out of reach, in a locked folder, is not gone."""
    try:
        return not Path(path).is_file()
    except OSError:
        return False


def _adopt(index: Path, catalog: Catalog, content_hash: str, profile: Profile) -> bool:
    """Add a vector file that the catalog does not know; return False if none is usable."""
    if not vectors_path(index, content_hash).is_file():
        return False
    try:
        vectors = read_own_vectors(index, profile, content_hash)
    except CueframeError:
        return False
    put_video(catalog, row_of(index, vectors))
    return True
