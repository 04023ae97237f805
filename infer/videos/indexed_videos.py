"""The indexed videos, and the one that the path in a question means."""

import functools
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PureWindowsPath

from index.discovery import HashedFile, is_regular_file
from index.errors import VideoError
from index.messages import name_some
from index.storage.catalog import VideoRow, all_paths, all_videos, open_catalog
from infer.videos.video_names import by_tail, comparable, find_video


@dataclass(frozen=True, kw_only=True)
class IndexedVideos:
    """The indexed videos, as the catalog listed them when it was read."""

    seen: dict[str, HashedFile]
    """Files by path."""
    videos: dict[str, VideoRow]
    """Videos by content hash."""
    paths: dict[str, list[str]]
    """Paths by content hash."""
    tails: dict[str, list[str]]
    """All paths by tail, from `infer.videos.video_names.by_tail`."""

    @cached_property
    def namesakes(self) -> dict[str, list[str]]:
        """Paths by `name_without_ending`."""
        found: dict[str, list[str]] = {}
        for path in self.seen:
            found.setdefault(name_without_ending(path), []).append(path)
        return found

    @cached_property
    def is_there(self) -> Callable[[str], bool]:
        """Tells whether a path leads to a file now; each path is looked at once."""
        return functools.cache(lambda path: is_regular_file(Path(path)))


def read_indexed_videos(index: Path) -> IndexedVideos:
    """Read the catalog of an index.

    Raises:
        CueframeError: The catalog is missing or damaged.
    """
    with closing(open_catalog(index, must_exist=True)) as catalog:
        seen, videos = all_paths(catalog), all_videos(catalog)
    paths: dict[str, list[str]] = {}
    for path, known in seen.items():
        paths.setdefault(known.content_hash, []).append(path)
    return IndexedVideos(seen=seen, videos=videos, paths=paths, tails=by_tail(seen))


def name_without_ending(path: str) -> str:
    """Return a file's name without ending, alike for x.mp4, X.MP4 and x.webm."""
    return comparable(PureWindowsPath(path).stem).casefold()


def find_indexed(
    indexed: IndexedVideos, video_path: str, aliases: Sequence[str] = ()
) -> tuple[str, VideoRow]:
    """Find the indexed video with the longest common tail, and the path under which it is known.

    Several paths of one content are one video; the first by name is returned. Of paths of different
    content those count whose files are there, if any: a build keeps videos whose files are gone.
    Other names of the video are tried in order where none has the first.

    Raises:
        VideoError: There is none, there are several of different content, or it has no vectors.
    """
    paths = paths_meant(indexed, video_path, aliases)
    if not paths:
        similar = indexed.namesakes.get(name_without_ending(video_path), [])
        hint = f"{name_some(similar)} is; name that, or " if similar else ""
        raise VideoError(
            f"{video_path} is not in the index; {hint}add it with python index/build.py VIDEOS"
        )
    contents = {indexed.seen[path].content_hash for path in paths}
    if len(contents) > 1:
        raise VideoError(
            f"{video_path} may mean {len(contents)} different videos: {name_some(paths)}; "
            "give more of the path"
        )
    video = indexed.videos.get(contents.pop())
    if video is None:
        raise VideoError(f"{paths[0]} has no vectors yet; run index/build.py again")
    if video.status != "indexed":
        raise VideoError(f"{paths[0]} could not be indexed: {video.error}")
    return paths[0], video


def paths_meant(indexed: IndexedVideos, video_path: str, aliases: Sequence[str] = ()) -> list[str]:
    """Return the indexed paths that a question may mean, as `find_indexed` says; none: it has none.

    They are of several contents only where the question does not tell which.
    """
    found = (find_video(name, indexed.tails) for name in (video_path, *aliases))
    paths = next(filter(None, found), [])
    if len({indexed.seen[path].content_hash for path in paths}) > 1:
        return list(filter(indexed.is_there, paths)) or paths
    return paths
