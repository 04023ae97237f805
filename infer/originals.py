"""The video files behind questions and an index: where they are, and whether they are the same."""

import os
from pathlib import Path

from index.errors import VideoError
from index.files import hash_files
from infer.indexed import Library
from infer.questions import by_tail, find_video


def content_of(library: Library, path: Path) -> str:
    """The content hash of a file; one whose size and mtime the catalog knows is not read.

    Raises:
        VideoError: It cannot be read.
    """
    known = library.seen.get(os.path.abspath(path))  # noqa: PTH100 - as index.files names paths
    try:
        state = path.stat()
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}") from error
    if known and (known.size, known.mtime_ns) == (state.st_size, state.st_mtime_ns):
        return known.content_hash
    ((_, now),) = hash_files([path])
    if isinstance(now, OSError):
        raise VideoError(f"{path} cannot be read: {now.strerror}") from now
    return now.content_hash


def find_original(library: Library, content_hash: str, elsewhere: dict[str, list[str]]) -> Path:
    """A file with the content that was indexed.

    Args:
        library: The catalog's paths are tried last.
        content_hash: Of an indexed video.
        elsewhere: `infer.questions.by_tail` of the files among which to look first; may be empty.

    Raises:
        VideoError: Its files are gone, or hold something else by now.
    """
    known = library.paths[content_hash]
    moved = [path for name in known for path in find_video(name, elsewhere)]
    there = [Path(path) for path in dict.fromkeys([*moved, *known]) if Path(path).is_file()]
    for path in there:
        if content_of(library, path) == content_hash:
            return path
    if there:
        raise VideoError(f"{there[0]} has changed since it was indexed; run index/build.py again")
    raise VideoError(f"{known[0]} is gone; say with --videos DIR where the video files are now")


def file_in(folder: Path, video_path: str) -> Path | None:
    """The file in a folder that a question means, by the longest tail of its path."""
    paths = (folder / tail for tail in (video_path, *by_tail([video_path])))
    return next((path for path in paths if path.is_file()), None)
