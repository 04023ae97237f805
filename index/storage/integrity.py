"""Find the problems of the files of an index; each problem is one line.

F: frames of a video, T: tiles of a frame, D: width of a vector.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index.errors import CueframeError
from index.storage.catalog import VideoRow, all_paths, all_videos, open_catalog
from index.storage.faiss_index import (
    as_held,
    faiss_path,
    frame_ids,
    held_ids,
    open_search,
    split_ids,
)
from index.storage.store import Profile, Vectors, read_vectors, vectors_path

UNIT_LENGTH_TOLERANCE = 2e-3
"""float16 keeps eleven bits, so a unit vector's length is off by less than this."""


def index_problems(index: Path, profile: Profile) -> Iterator[str]:
    """Yield all problems of an index."""
    for file in vector_files(index):
        yield from vector_problems(index, file.stem, profile)
    try:
        with closing(open_catalog(index, must_exist=True)) as catalog:
            videos, paths = all_videos(catalog), all_paths(catalog)
    except CueframeError as error:
        yield str(error)
        return
    for video in videos.values():
        if video.status == "indexed":
            yield from _video_problems(index, video)
    for path, seen in paths.items():
        if seen.content_hash not in videos:
            yield f"the catalog has {path}, but not its video; run index/build.py on it"
    yield from _search_problems(index, {v.number: v for v in videos.values()})


def vector_files(index: Path) -> list[Path]:
    """All vector files, in order of name."""
    return sorted((index / "vectors").glob("*/*.h5"))


def vector_problems(index: Path, content_hash: str, profile: Profile) -> Iterator[str]:
    """Yield the problem of one vector file, if it has any."""
    try:
        vectors = read_vectors(index, content_hash)
    except CueframeError as error:
        yield str(error)
        return
    fault = _first_problem(vectors, profile)
    if vectors.content_hash != content_hash:
        fault = f"holds the vectors of {vectors.content_hash}"
    if fault:
        yield (
            f"the vector file {vectors_path(index, content_hash)} {fault}; "
            "--repair deletes it, and index/build.py embeds the video again"
        )


def _first_problem(vectors: Vectors, profile: Profile) -> str:
    embeddings, time_s, end_s = vectors.embeddings, vectors.time_s, vectors.end_s
    if vectors.profile.key != profile.key:
        return "was made by another profile"
    if embeddings.dtype != np.float16 or embeddings.shape != (len(time_s), 1, profile.width):
        return f"has {embeddings.dtype} {embeddings.shape}, not float16 (F, 1, {profile.width})"
    if not len(time_s) or time_s[0] < 0 or not (np.diff(time_s) > 0).all():
        return "has times that do not ascend from 0"
    if end_s.shape != time_s.shape or (end_s <= time_s).any() or (end_s[:-1] > time_s[1:]).any():
        return "has frames that end before they begin or after the next one begins"
    lengths = np.linalg.norm(embeddings.astype(np.float32), axis=-1)
    if not np.isfinite(lengths).all():
        return "has values that are not finite"
    if np.abs(lengths - 1).max() > UNIT_LENGTH_TOLERANCE:
        return f"has vectors that are not of unit length (one is {lengths.min():.3f})"
    return ""


def _video_problems(index: Path, video: VideoRow) -> Iterator[str]:
    """Yield the differences between the catalog and a vector file."""
    path = vectors_path(index, video.content_hash)
    if not path.is_file():
        yield f"the vector file {path} is missing; run index/build.py again"
        return
    try:
        vectors = read_vectors(index, video.content_hash)
    except CueframeError:
        return  # already reported
    said = (video.frames, video.duration_s, video.file_bytes)
    true = (len(vectors.time_s), vectors.metadata.duration_s, path.stat().st_size)
    if said != true:
        yield f"the catalog says (frames, s, bytes) {said} of {path}, which has {true}; --repair"


def _search_problems(index: Path, videos: dict[int, VideoRow]) -> Iterator[str]:
    """Yield the differences between frames.faiss and the catalog or the vector files."""
    try:
        search = open_search(index)
    except CueframeError as error:
        yield str(error)
        return
    name = faiss_path(index)
    ids = held_ids(search)
    flat: Any = faiss.downcast_index(search.index)
    stored = faiss.rev_swig_ptr(flat.get_xb(), search.ntotal * search.d)
    stored = stored.reshape(search.ntotal, search.d)  # (all frames, D) float32
    place = {int(i): row for row, i in enumerate(ids)}
    for number in np.unique(split_ids(ids).number).tolist():
        if number not in videos or videos[number].status != "indexed":
            yield f"{name} has vectors of video {number}, which the catalog has not; --repair"
    for number, video in videos.items():
        if video.status != "indexed":
            continue
        try:
            vectors = read_vectors(index, video.content_hash)
        except CueframeError:
            continue  # already reported
        wanted = frame_ids(number, *vectors.embeddings.shape[:2]).tolist()
        rows = [place[i] for i in wanted if i in place]
        held = int((split_ids(ids).number == number).sum())
        if len(rows) != len(wanted) or held != len(wanted):
            yield f"{name} has {held} of {len(wanted)} vectors of video {number}; --repair"
        elif not np.array_equal(stored[rows], as_held(vectors.embeddings)):
            yield f"{name} has other vectors of video {number} than its file; --repair"
