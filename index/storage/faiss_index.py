"""frames.faiss: the vectors of all videos, for exact search across them.

A vector's id is made of its video's number in the catalog, its frame's row and its tile, so ids
stay the same when other videos are removed. The file is derived: it can be rebuilt from the vector
files at any time.

F: frames of a video, T: tiles of a frame, D: width of a vector.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

from index.arrays import Bools
from index.errors import CueframeError, DamagedError
from index.storage.atomic_write import written_whole
from index.storage.catalog import VideoRow
from index.storage.search_seal import add_seal, read_seal
from index.storage.store import Profile, read_own_vectors

_TILE_BITS = 6
"""`index.models.tiling.MOST_TILES` of them."""
_ROW_BITS = 26
"""67 million rows: a year of video at two frames a second."""


def faiss_path(index: Path) -> Path:
    """Return the path of the search index."""
    return index / "frames.faiss"


def frame_ids(number: int, frames: int, tiles: int = 1) -> npt.NDArray[np.int64]:
    """Return the ids (F·T,) of a video's vectors, in the order of its rows and their tiles."""
    rows = (np.int64(number) << _ROW_BITS) + np.arange(frames, dtype=np.int64)
    return ((rows[:, None] << _TILE_BITS) + np.arange(tiles, dtype=np.int64)).reshape(-1)


class FrameIds(NamedTuple):
    """The parts of ids, all of the same shape."""

    number: npt.NDArray[np.int64]
    """Number of the video in the catalog."""
    row: npt.NDArray[np.int64]
    tile: npt.NDArray[np.int64]


def split_ids(ids: npt.NDArray[np.int64]) -> FrameIds:
    """Split ids into their parts."""
    rows = ids >> _TILE_BITS
    return FrameIds(rows >> _ROW_BITS, rows & ((1 << _ROW_BITS) - 1), ids & ((1 << _TILE_BITS) - 1))


class SearchIndex(NamedTuple):
    """An open frames.faiss."""

    faiss: Any
    """`IndexIDMap` of the vectors (all frames, D)."""
    videos: dict[int, str]
    """Content hash by number of the videos whose vectors it holds."""


def open_search(index: Path, *, mapped: bool = True) -> SearchIndex:
    """Open frames.faiss, memory-mapped (ten times faster to open) or to be changed.

    Raises:
        DamagedError: It is missing, or not what was written.
        CueframeError: It cannot be read now.
    """
    with _explained(index):
        path = faiss_path(index)
        videos = read_seal(path)
        return SearchIndex(_read(path, mapped), videos)


def videos_held(index: Path) -> dict[int, str]:
    """Compare all bytes of frames.faiss with their hashes; return its videos, as `SearchIndex`.

    Raises:
        DamagedError, CueframeError: As `open_search`.
    """
    with _explained(index):
        return read_seal(faiss_path(index))


@contextmanager
def _explained(index: Path) -> Iterator[None]:
    path = faiss_path(index)
    again = f"python index/check.py {index} --repair makes it anew, and so does index/build.py"
    try:
        yield
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing; {again}") from error
    except OSError as error:
        raise CueframeError(
            f"{path} cannot be read ({error.strerror}); make it readable, and run again"
        ) from error
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path} is damaged ({error}); {again}") from error


def _read(path: Path, mapped: bool) -> Any:
    if mapped:
        with contextlib.suppress(RuntimeError):  # the disk may not map files, as some FUSE disks
            return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    return faiss.read_index(str(path))


def held_ids(search: Any) -> npt.NDArray[np.int64]:
    """Return the ids of all vectors, in storage order."""
    ids: npt.NDArray[np.int64] = faiss.vector_to_array(search.id_map)
    return ids


def search_within(inside: Bools) -> Any:
    """Return the parameters of a search of some vectors alone: which of all, in storage order.

    For `SearchIndex.faiss.index`, whose results are places in that order.
    """
    untyped: Any = faiss  # its types are those of C++
    bits = np.packbits(inside, bitorder="little")
    return untyped.SearchParameters(sel=untyped.IDSelectorBitmap(bits))


def as_held(embeddings: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Return a video's vectors (F, T, D) as frames.faiss holds them: (F·T, D)."""
    return embeddings.reshape(-1, embeddings.shape[-1]).astype(np.float32)


class FaissUpdate:
    """An update of frames.faiss, to hold the indexed videos of a catalog and no others."""

    def __init__(self, index: Path, width: int) -> None:
        """Open frames.faiss, or start a new one if it is missing or damaged; `width` is D."""
        self._index = index
        self._width = width
        self._changed = False
        self._faiss: Any = None
        """None until something changes: all vectors in memory."""
        self._videos: dict[int, str] = {}
        try:
            self._videos = videos_held(index)
        except DamagedError:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._faiss, self._videos = faiss.IndexIDMap(faiss.IndexFlatIP(self._width)), {}
        self._changed = True

    def _opened(self) -> Any:
        if self._faiss is None:
            try:
                self._faiss = open_search(self._index, mapped=False).faiss
            except DamagedError:  # `add_missing` adds the vectors of all videos again
                self._begin_anew()
        return self._faiss

    def keep_only(self, videos: Iterable[VideoRow]) -> bool:
        """Drop the vectors of all but the indexed videos among these; return whether any were."""
        wanted = {v.number: v.content_hash for v in videos if v.status == "indexed"}
        kept = {n: content for n, content in self._videos.items() if wanted.get(n) == content}
        dropped = len(kept) < len(self._videos)
        if dropped:
            held = self._opened()
            ids = held_ids(held)
            held.remove_ids(ids[~np.isin(split_ids(ids).number, list(kept))])
            self._changed = True
        self._videos = kept if self._videos else {}
        return dropped

    def add(self, number: int, content_hash: str, embeddings: npt.NDArray[np.float16]) -> None:
        """Add a video's vectors (F, T, D)."""
        self.add_all([(number, content_hash, embeddings)])

    def add_all(self, videos: Sequence[tuple[int, str, npt.NDArray[np.float16]]]) -> None:
        """Add the vectors (F, T, D) of videos, each with its number and content hash."""
        if not videos:
            return
        held = np.concatenate([as_held(embeddings) for _, _, embeddings in videos])
        ids = np.concatenate([frame_ids(n, *of_one.shape[:2]) for n, _, of_one in videos])
        self._opened().add_with_ids(held, ids)
        self._videos |= {number: content_hash for number, content_hash, _ in videos}
        self._changed = True

    def add_missing(self, videos: Iterable[VideoRow], profile: Profile) -> dict[str, str]:
        """Add the indexed videos that are missing, from their vector files.

        Returns:
            Content hash to reason, of those whose vector file cannot be used.
        """
        wanted = {video.number: video for video in videos if video.status == "indexed"}
        failed: dict[str, str] = {}
        for number in sorted(wanted.keys() - self._videos.keys()):
            content = wanted[number].content_hash
            try:
                vectors = read_own_vectors(self._index, profile, content)
            except CueframeError as error:
                failed[content] = str(error)
            else:
                self.add(number, content, vectors.embeddings)
        return failed

    def write(self) -> None:
        """Write frames.faiss if it has changed."""
        if not self._changed:
            return
        with written_whole(faiss_path(self._index)) as temporary:
            faiss.write_index(self._faiss, str(temporary))
            add_seal(temporary, self._videos)
        self._changed = False
