"""Repair an index: move away what is damaged, and make anew what is derived.

Nothing is deleted. What a file holds that cannot be used is moved to INDEX/quarantine/; a file that
cannot be read now may be sound and stays.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from index.discovery import HashedFile, hash_files
from index.errors import CueframeError
from index.storage.catalog import (
    all_paths,
    all_videos,
    forget_videos,
    open_catalog,
    put_paths,
    put_video,
    salvaged_paths,
)
from index.storage.faiss_index import FaissUpdate, faiss_path
from index.storage.integrity import Examination, SoundFile
from index.storage.quarantine import move_away
from index.storage.store import Profile, vectors_path, write_profile

_NEVER_SEEN = -1
"""Size and mtime of a path known only by its hint, so that the next build hashes the file."""


class Step(NamedTuple):
    """A step of a repair."""

    what: str
    """A line that says what it does."""
    do: Callable[[], object]


def plan_repair(
    index: Path, found: Examination, videos: Sequence[HashedFile], *, no_lock: bool = False
) -> Iterator[Step]:
    """Yield the steps that mend what was found, to be done in this order.

    The paths and failures of a readable catalog are kept, and the paths that can still be read of a
    damaged one. A vector file to which no path leads is added under its path hint, unless that file
    has other content by now; not so the files of videos that have left a readable catalog.

    Args:
        index: Folder of the index, locked with `index.storage.lock.locked` while steps are done.
        found: From `index.storage.integrity.examine`.
        videos: Files that were found besides those of the hints.
        no_lock: As for `index.storage.catalog.open_catalog`.

    Raises:
        CueframeError: A file that all steps need cannot be read now.
    """
    profile = found.profile
    assert profile is not None
    for name in ("catalog.sqlite", faiss_path(index).name):
        if reason := found.out_of_reach.get(index / name):
            raise CueframeError(reason)
    if found.profile_fault:
        path = index / "profile.json"
        if path.exists():
            yield _away(index, path, found.profile_fault)
        yield Step(
            f"{path}: made again from {len(found.sound)} vector files, which name the model "
            f"{profile.model}",
            lambda: write_profile(index, profile),
        )
    for path, why in found.unusable.items():
        yield _away(index, path, why)
    catalog = index / "catalog.sqlite"
    kept: list[HashedFile] = []
    if found.videos is None:
        kept = salvaged_paths(catalog) if catalog.is_file() else []
        if os.path.lexists(catalog):
            yield _away(index, catalog, found.catalog_faults[0])
    if found.catalog_faults or found.unusable or videos:
        what = "made again from" if found.videos is None else "brought up to"
        yield Step(
            f"{catalog}: {what} {len(found.sound)} vector files",
            lambda: _mend_catalog(index, found, [*kept, *videos], no_lock),
        )
    anew = found.search_faults or found.unusable or found.videos is None
    if anew and faiss_path(index).exists():
        why = found.search_faults[0] if found.search_faults else "videos left the index"
        yield _away(index, faiss_path(index), why)
    if anew or videos:
        what = "made anew" if anew else "brought up to the catalog"
        yield Step(f"{faiss_path(index)}: {what}", lambda: _mend_search(index, profile, no_lock))


def to_embed(index: Path, found: Examination) -> list[str]:
    """Return the names of the videos that an index/build.py has to embed again after a repair."""
    bad = {path.stem for path in found.unusable}
    lost = {
        content
        for content, video in (found.videos or {}).items()
        if video.status == "indexed"
        and content not in found.sound
        and not found.waits_for(vectors_path(index, content))
    }
    names = {seen.content_hash: path for path, seen in found.paths.items()}
    return sorted(names.get(content, f"a video of content {content}") for content in bad | lost)


def _away(index: Path, path: Path, why: str) -> Step:
    return Step(f"{path}: moved to quarantine/", lambda: move_away(index, path, why))


def _mend_catalog(index: Path, found: Examination, files: list[HashedFile], no_lock: bool) -> None:
    """Bring the catalog up to the sound vector files; rows of files out of reach stay.

    As after a build, a video to which no path leads is forgotten; its vector file stays.
    """
    sound = found.sound
    with closing(open_catalog(index, no_lock=no_lock)) as catalog:
        put_paths(catalog, files)
        known = {seen.content_hash for seen in all_paths(catalog).values()}
        wanted = sound.keys() if found.videos is None else found.videos.keys() | found.unknown
        put_paths(catalog, _hinted([sound[name] for name in sound if name in wanted - known]))
        known = {seen.content_hash for seen in all_paths(catalog).values()}
        forget_videos(
            catalog,
            [
                content
                for content, video in all_videos(catalog).items()
                if video.status == "indexed"
                and content not in known & sound.keys()
                and not found.waits_for(vectors_path(index, content))
            ],
        )
        for content in sorted(known & sound.keys()):
            put_video(catalog, sound[content].row)


def _mend_search(index: Path, profile: Profile, no_lock: bool) -> None:
    with closing(open_catalog(index, no_lock=no_lock)) as catalog:
        search = FaissUpdate(index, profile.width)
        search.keep_only(all_videos(catalog).values())
        search.add_missing(all_videos(catalog).values(), profile)
        search.write()


def _hinted(orphans: list[SoundFile]) -> Iterator[HashedFile]:
    """Yield the path hints of vector files, except of files that have other content by now."""
    by_path = {Path(file.path_hint): file.row.content_hash for file in orphans}
    present = [path for path in by_path if path.is_file()]
    for path, result in hash_files(present):
        if isinstance(result, HashedFile) and result.content_hash == by_path[path]:
            yield result
    for path in by_path.keys() - set(present):
        yield HashedFile(str(path), _NEVER_SEEN, _NEVER_SEEN, by_path[path])
