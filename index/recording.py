"""Record what became of the videos of a build: catalog and search index, some videos at a time.

A vector file is whole as soon as it has its name, and a build that finds one which the catalog does
not know takes it in. So what a killed run had not recorded yet is not encoded again. A row is
written only when its vector file is on the disk.

F: frames of a video, T: tiles of a frame, D: width of a vector.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index.boundary import costs_one
from index.storage.atomic_write import sync_files
from index.storage.catalog import Catalog, VideoRow, put_videos
from index.storage.faiss_index import FaissUpdate
from index.storage.store import vectors_path

_MOST_VIDEOS = 64
_MOST_BYTES = 64 << 20
"""Of vectors that wait in memory."""
_LONGEST_S = 2.0


@dataclass(frozen=True)
class _Waiting:
    path: str
    row: VideoRow
    vectors: npt.NDArray[np.float16] | None


@dataclass
class Recorder:
    """Takes the videos of this process as they finish; make it with `recording`."""

    index: Path
    catalog: Catalog | None
    """None where another process writes it: vector files are only synced then."""
    search: FaissUpdate | None
    _thread: ThreadPoolExecutor
    """Waits for the disk."""
    rows: list[VideoRow] = field(default_factory=list)
    """Of the videos that are recorded."""
    unrecorded: dict[str, str] = field(default_factory=dict)
    """Path to reason, of videos that failed and whose content is not at fault."""
    _waiting: list[_Waiting] = field(default_factory=list)
    _since_s: float = 0.0
    _synced: list[_Waiting] = field(default_factory=list)
    _syncing: "Future[None] | None" = None

    def put(self, path: str, row: VideoRow, vectors: npt.NDArray[np.float16] | None) -> None:
        """Take a video: its path, its row and, where it has any, its vectors (F, T, D)."""
        if not self._waiting:
            self._since_s = time.monotonic()
        self._waiting.append(_Waiting(path, row, vectors))
        waiting_bytes = sum(
            0 if one.vectors is None else one.vectors.nbytes for one in self._waiting
        )
        if (
            len(self._waiting) >= _MOST_VIDEOS
            or waiting_bytes > _MOST_BYTES
            or time.monotonic() - self._since_s > _LONGEST_S
        ):
            self._sync()
        elif self._syncing is not None and self._syncing.done():
            self._finish()

    def flush(self) -> None:
        """Record all that waits.

        Raises:
            CueframeError: The disk is full, or the catalog cannot be written.
        """
        self._sync()
        self._finish()

    def _sync(self) -> None:
        """Let a thread wait for the disk, once the one before is done; the encoder goes on."""
        self._finish()
        self._synced, self._waiting = self._waiting, []
        written = [one.row.content_hash for one in self._synced if one.row.status == "indexed"]
        paths = [vectors_path(self.index, content) for content in written]
        self._syncing = self._thread.submit(sync_files, paths)

    def _finish(self) -> None:
        """Enter what is on the disk by now into catalog and search index."""
        if self._syncing is None:
            return
        syncing, self._syncing = self._syncing, None
        waiting, self._synced = self._synced, []
        syncing.result()
        failed: dict[str, str] = {}
        with costs_one(failed, "together"):
            self._record(waiting)
        if failed:  # by one of them, so that the others are recorded
            for one in waiting:
                with costs_one(self.unrecorded, one.path):
                    self._record([one])

    def _record(self, waiting: Sequence[_Waiting]) -> None:
        rows = [one.row for one in waiting]
        if self.catalog is not None:
            numbers = put_videos(self.catalog, rows)
            if self.search is not None:
                self.search.add_all(
                    [
                        (number, one.row.content_hash, one.vectors)
                        for number, one in zip(numbers, waiting, strict=True)
                        if one.row.status == "indexed" and one.vectors is not None
                    ]
                )
        self.rows += rows


@contextmanager
def recording(
    index: Path, catalog: Catalog | None = None, search: FaissUpdate | None = None
) -> Iterator[Recorder]:
    """Yield a recorder; at the end, also of a run that is interrupted, all that waits is recorded.

    Args:
        index: Folder of the index.
        catalog: Its catalog, in the process that writes it.
        search: Its search index, likewise.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        recorder = Recorder(index, catalog, search, thread)
        try:
            yield recorder
        finally:
            recorder.flush()
