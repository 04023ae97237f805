"""frames.faiss: the vectors of all videos, for exact search across them.

A frame's id is its video's number in the catalog and its row, so ids stay when others go. The file
is derived: it is brought up to date from the vector files and can be made anew at any time.

Q: queries, D: width of a vector, N: hits of a query.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from index.catalog import Video
from index.errors import CueframeError
from index.store import read_vectors, written_whole

_ROW_BITS = 32


def faiss_path(index: Path) -> Path:
    """Where the search index lies."""
    return index / "frames.faiss"


def frame_ids(number: int, frames: int) -> npt.NDArray[np.int64]:
    """Ids (F,) of a video's frames."""
    return (np.int64(number) << _ROW_BITS) + np.arange(frames, dtype=np.int64)


def split_ids(
    ids: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Video numbers and rows of frame ids, shapes as given."""
    return ids >> _ROW_BITS, ids & ((1 << _ROW_BITS) - 1)


def open_search(index: Path, *, mapped: bool = True) -> Any:
    """Open frames.faiss, mapped into memory (ten times faster to open) or to be changed.

    Raises:
        CueframeError: It is missing or damaged.
    """
    path = faiss_path(index)
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except RuntimeError as error:
        what = "is damaged" if path.is_file() else "is missing"
        raise CueframeError(
            f"{path} {what}; python index/check.py {index} --repair makes it anew"
        ) from error


def held_ids(search: Any) -> npt.NDArray[np.int64]:
    """Ids of all vectors, in the order in which they lie."""
    ids: npt.NDArray[np.int64] = faiss.vector_to_array(search.id_map)
    return ids


def update_search(index: Path, width: int, videos: Iterable[Video]) -> int:
    """Bring frames.faiss up to date with the indexed videos.

    Vectors of videos that are gone leave; those of new ones are read from their files and added;
    those that are in it are not read again.

    Args:
        index: Folder of the index.
        width: D.
        videos: What shall be in it.

    Returns:
        How many videos were added.
    """
    wanted = {v.number: v for v in videos if v.status == "indexed"}
    try:
        search = open_search(index, mapped=False)
    except CueframeError:
        search = faiss.IndexIDMap(faiss.IndexFlatIP(width))
    ids = held_ids(search)
    numbers = split_ids(ids)[0]
    stale = ids[~np.isin(numbers, list(wanted))]
    if len(stale):
        search.remove_ids(stale)
    missing = sorted(wanted.keys() - set(np.unique(numbers).tolist()))
    for number in missing:
        vectors = read_vectors(index, wanted[number].content_hash)
        search.add_with_ids(
            vectors.embeddings.astype(np.float32), frame_ids(number, len(vectors.time_s))
        )
    if missing or len(stale) or not faiss_path(index).is_file():
        with written_whole(faiss_path(index)) as temporary:
            faiss.write_index(search, str(temporary))
    return len(missing)
