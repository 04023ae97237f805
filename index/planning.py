"""Plan a build: compare the files with the catalog, and hash only those that are new to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from index.discovery import HashedFile, hash_files, stat_regular
from index.errors import CueframeError
from index.storage.catalog import (
    Catalog,
    VideoRow,
    all_paths,
    all_videos,
    forget_paths,
    forget_videos,
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
) -> Plan:
    """Update the catalog's paths and sort the videos by what is to be done.

    A file with unchanged size and mtime is not read. Contents to which no path leads any more are
    removed from the catalog here; a vector file that the catalog does not know (after an
    interrupted run, or when the catalog was lost) is adopted.
    """
    plan = Plan()
    seen = _look(catalog, files, plan)
    if prune:
        forget_paths(catalog, [path for path in all_paths(catalog) if _gone(path)])
    videos = all_videos(catalog)
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
        elif _whole(index, video) if video else _adopt(index, catalog, content, profile):
            plan.reused.append(content)
        else:
            if indexed:
                stale.add(content)  # a new number, so that FAISS takes the new vectors
            plan.jobs.append(first[content])
    forget_videos(catalog, stale)
    plan.dropped = bool(stale)
    plan.jobs.sort(key=lambda job: (-job.size, job.path))
    return plan


def _look(catalog: Catalog, files: Iterable[Path], plan: Plan) -> list[HashedFile]:
    """Return every readable file with its content hash, and update the catalog's paths."""
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
        if entry and (entry.size, entry.mtime_ns) == (state.st_size, state.st_mtime_ns):
            seen.append(entry)
        else:
            unknown.append(path)
    fresh: list[HashedFile] = []
    for path, result in hash_files(unknown):
        if isinstance(result, OSError):
            plan.unreadable[str(path)] = f"cannot be read: {result.strerror}"
        else:
            fresh.append(result)
    put_paths(catalog, fresh)
    contents = {s.content_hash for s in fresh}
    renamed = (p for p, s in known.items() if s.content_hash in contents and _gone(p))
    forget_paths(catalog, renamed)
    return seen + fresh


def _gone(path: str) -> bool:
    """Return whether there is no such file; one out of reach, in a locked folder, is not gone."""
    try:
        return not Path(path).is_file()
    except OSError:
        return False


def _whole(index: Path, video: VideoRow) -> bool:
    try:
        return vectors_path(index, video.content_hash).stat().st_size == video.file_bytes
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
