"""Find the video files of questions and of an index, and compare their content."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from index.discovery import SUFFIXES, hash_files, is_as_hashed, is_regular_file, stat_regular
from index.errors import VideoError
from infer.videos.indexed_videos import IndexedVideos
from infer.videos.video_names import comparable, find_video, has_video_ending, tails_of


def content_of(indexed: IndexedVideos, path: Path) -> str:
    """Return the content hash of a file, which is read unless it is as the catalog knows it.

    Raises:
        VideoError: The file cannot be read.
    """
    known = indexed.seen.get(os.path.abspath(path))  # noqa: PTH100 - as index.discovery names paths
    try:
        state = stat_regular(path)
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}") from error
    if known and is_as_hashed(known, state):
        return known.content_hash
    ((_, now),) = hash_files([path])
    if isinstance(now, OSError):
        raise VideoError(f"{path} cannot be read: {now.strerror}") from now
    return now.content_hash


def find_video_file(
    indexed: IndexedVideos, content_hash: str, elsewhere: dict[str, list[str]]
) -> Path:
    """Find a file with the content that was indexed.

    Args:
        indexed: The indexed videos, whose paths are tried last.
        content_hash: Content hash of an indexed video.
        elsewhere: Files to try first, from `infer.videos.video_names.by_tail`; may be empty.

    Raises:
        VideoError: The files are gone, or their content has changed.
    """
    known = indexed.paths[content_hash]
    moved = [path for name in known for path in find_video(name, elsewhere)]
    there = [Path(path) for path in dict.fromkeys([*moved, *known]) if is_regular_file(Path(path))]
    for path in there:
        if content_of(indexed, path) == content_hash:
            return path
    if there:
        raise VideoError(f"{there[0]} has changed since it was indexed; run index/build.py again")
    raise VideoError(f"{known[0]} is gone; say with --videos DIR where the video files are now")


def file_in(folder: Path, video_path: str, aliases: Sequence[str] = ()) -> Path | None:
    """Find the file in a folder that a question means, by the longest tail of its path.

    The name may lack a video's ending. Then come the other names of the video, in order.
    """
    for name in (video_path, *aliases):
        tails = list(dict.fromkeys([name, *tails_of(name)]))
        paths = (on_disk(folder / tail) for tail in tails)
        if file := next(filter(is_regular_file, paths), None):
            return file
        for path in () if has_video_ending(name) else (on_disk(folder / tail) for tail in tails):
            if file := _videos_by_stem(path.parent).get(comparable(path.name)):
                return file
    return None


def _videos_by_stem(folder: Path) -> dict[str, Path]:
    """Return the videos of a folder by their names without ending, the first of several by name."""
    try:
        return _listed(folder, folder.stat().st_mtime_ns)
    except (OSError, ValueError):  # ValueError: no folder can have such a name
        return {}


@functools.lru_cache(maxsize=64)  # many questions ask for the same folder
def _listed(folder: Path, _mtime_ns: int) -> dict[str, Path]:
    files = [one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES]
    return {comparable(one.stem): one for one in sorted(files, reverse=True)}


def on_disk(path: Path) -> Path:
    """Return a path as the disk spells it, where only the form of its characters differs.

    What is there as it is written stays, and so does what has no namesake (`comparable`).
    """
    if str(path).isascii() or _is_there(path):
        return path
    folder = on_disk(path.parent)
    if path.name.isascii():
        return folder / path.name
    try:
        alike = [one for one in folder.iterdir() if comparable(one.name) == comparable(path.name)]
    except (OSError, ValueError):  # ValueError: no file can have such a name
        alike = []
    return min(alike, default=path)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True
