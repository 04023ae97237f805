"""What frames.faiss holds of each video, to be compared with the vector files.

D: width of a vector.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from index.storage.catalog import VideoRow
from index.storage.faiss_index import (
    SearchIndex,
    faiss_path,
    frame_ids,
    held_ids,
    open_search,
    split_ids,
)


@dataclass(frozen=True)
class HeldVectors:
    """An open frames.faiss, to be compared with the vector files."""

    path: Path
    index: SearchIndex
    stored: npt.NDArray[np.float32]
    """(all frames, D)"""
    order: npt.NDArray[np.int64]
    """Places of the ids, ascending."""
    ids: npt.NDArray[np.int64]
    """All ids, ascending."""

    def vectors_of(self, row: VideoRow) -> npt.NDArray[np.float32] | None:
        """Return its vectors of a video in the order of their ids; None if it has none."""
        if self.index.videos.get(row.number) != row.content_hash:
            return None
        bounds = [frame_ids(row.number, 1)[0], frame_ids(row.number + 1, 1)[0]]
        first, end = np.searchsorted(self.ids, bounds)
        return self.stored[self.order[first:end]]

    def surplus(self, videos: dict[str, VideoRow]) -> list[str]:
        """Name the videos that it has and the catalog has not."""
        known = {video.number for video in videos.values() if video.status == "indexed"}
        numbers = self.index.videos.keys() | set(np.unique(split_ids(self.ids).number).tolist())
        return [
            f"{self.path} has vectors of video {number}, which the catalog has not; --repair"
            for number in sorted(numbers - known)
        ]


def open_held(index: Path) -> HeldVectors:
    """Open frames.faiss, as `index.storage.faiss_index.open_search` does."""
    search = open_search(index)
    flat: Any = faiss.downcast_index(search.faiss.index)
    stored = faiss.rev_swig_ptr(flat.get_xb(), search.faiss.ntotal * search.faiss.d)
    ids = held_ids(search.faiss)
    order = np.argsort(ids, kind="stable")
    return HeldVectors(
        faiss_path(index),
        search,
        stored.reshape(search.faiss.ntotal, search.faiss.d),
        order,
        ids[order],
    )
