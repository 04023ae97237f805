"""Where a search looks: the vectors of frames.faiss that belong to videos of the catalog.

Legend: N vectors that are searched, W query vectors, n vectors found for each, D width of a vector.
"""

import posixpath
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.errors import CueframeError
from index.messages import name_some
from index.storage.faiss_index import FrameIds, held_ids, open_search, search_within, split_ids
from index.storage.store import Profile
from infer.videos.indexed_videos import IndexedVideos
from infer.videos.video_names import comparable, tails_of


class Scope(NamedTuple):
    """What is searched."""

    folder: Path
    """Folder of the index."""
    profile: Profile
    paths: dict[str, str]
    """The path under which a video is shown, by content hash."""
    contents: dict[int, str]
    """The searched videos: content hash by number."""
    held: Any
    """FAISS's `IndexIDMap` of all vectors."""
    within: Any
    """FAISS's parameters of a search of the N vectors alone; None where these are all."""
    ids: FrameIds
    """Whose each vector is, in the order of storage."""
    n_vectors: int
    """N."""
    tiles: int
    """Most tiles that a frame has."""
    failed: list[str]
    """Videos that cannot be searched, and why."""


def open_scope(
    index: Path, profile: Profile, indexed: IndexedVideos, glob: str | None = None
) -> Scope:
    """Open frames.faiss and see which of its vectors are searched.

    Args:
        index: Folder of the index.
        profile: Its profile.
        indexed: Its videos; vectors of other videos are passed over.
        glob: Pattern of the paths of the videos that are searched; None for all.

    Raises:
        CueframeError: frames.faiss is missing, damaged, empty or of another width, or no indexed
            video matches the pattern.
    """
    search, held = open_search(index)
    if search.ntotal == 0 or search.d != profile.width:
        raise CueframeError(
            f"{index} holds no frames of width {profile.width} to search; run index/build.py again"
        )
    paths = _shown_paths(indexed, glob)
    wanted = {
        video.number: content
        for content, video in indexed.videos.items()
        if video.status == "indexed" and content in paths
    }
    contents = {n: content for n, content in wanted.items() if held.get(n) == content}
    lacking = [content for content in paths if content not in indexed.videos]
    lacking += [content for n, content in wanted.items() if n not in contents]
    if glob is not None and not (contents or lacking):
        raise CueframeError(
            f"--videos {glob} matches no indexed video, such as {min(indexed.seen, default='none')}"
            "; give a pattern of the whole path or of its end, in quotes"
        )
    failed: list[str] = []
    numbers = {v.number for content, v in indexed.videos.items() if content in indexed.paths}
    if unknown := held.keys() - numbers:
        failed.append(
            f"frames.faiss has frames of {len(unknown)} videos that the catalog does not know; "
            f"python index/check.py {index} --repair mends that"
        )
    if lacking:
        names = name_some([paths[content] for content in lacking])
        failed.append(
            f"{names}: not searched, since frames.faiss lacks their frames; "
            "run index/build.py again"
        )
    ids = split_ids(held_ids(search))
    inside = np.isin(ids.number, list(contents))  # (all vectors,)
    within = None
    if not inside.all():
        within = search_within(inside)
    tiles = 1 + int(ids.tile.max())
    return Scope(
        *(index, profile, paths, contents, search, within, ids, int(inside.sum()), tiles),
        failed,
    )


def _shown_paths(indexed: IndexedVideos, glob: str | None) -> dict[str, str]:
    """Return by content hash the first path, or the first that a pattern matches."""
    if glob is None:
        return {content: paths[0] for content, paths in indexed.paths.items()}
    pattern = comparable(posixpath.normpath(glob.replace("\\", "/")))
    shown: dict[str, str] = {}
    for content, paths in indexed.paths.items():
        matching = [path for path in paths if _matches(path, pattern)]
        if matching:
            shown[content] = matching[0]
    return shown


def _matches(path: str, pattern: str) -> bool:
    """Return whether a path, or the end of it, matches a pattern or is written as it.

    A name may itself hold the brackets of a pattern.
    """
    name = comparable(path)
    return any(tail == pattern or fnmatchcase(tail, pattern) for tail in (name, *tails_of(name)))


def nearest_vectors(scope: Scope, vectors: Floats, n: int) -> tuple[Floats, Integers]:
    """Find the n vectors that fit each query vector best, exactly but for the last bits of scores.

    vectors (W, D), n ≤ N -> inner products (W, n), the greatest first, and places (W, n) in `ids`.
    """
    scores: npt.NDArray[np.float32]
    scores, places = scope.held.index.search(vectors, n, params=scope.within)
    return scores, places
