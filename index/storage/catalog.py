"""The catalog of an index: the content of each path, and the status of each content.

INDEX/catalog.sqlite can be rebuilt from the vector files and the videos. One process writes it.
Several paths of one content are one video; a video's number is never reused, because FAISS ids are
made of it.
"""

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from index.discovery import HashedFile
from index.errors import CueframeError
from index.storage.store import Vectors, stored_path, vectors_path

_TABLES = """
CREATE TABLE IF NOT EXISTS videos (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    content_hash TEXT NOT NULL UNIQUE,
    status       TEXT NOT NULL CHECK (status IN ('indexed', 'failed')),
    duration_s   REAL,
    frames       INTEGER,
    file_bytes   INTEGER,  -- of the vector file: a cut one is told without opening it
    warnings     TEXT NOT NULL DEFAULT '[]',
    error        TEXT
);
CREATE TABLE IF NOT EXISTS paths (
    path         TEXT PRIMARY KEY,  -- a BLOB where it is not UTF-8
    size         INTEGER NOT NULL,
    mtime_ns     INTEGER NOT NULL,
    content_hash TEXT NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True)
class VideoRow:
    """The catalog row of one video content."""

    content_hash: str
    number: int = 0
    """Assigned by the catalog."""
    status: str = "indexed"
    duration_s: float | None = None
    frames: int | None = None
    file_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


def open_catalog(index: Path, *, must_exist: bool = False) -> sqlite3.Connection:
    """Open INDEX/catalog.sqlite; create it if it is missing.

    Raises:
        CueframeError: It is missing although it must exist, or is not a catalog.
    """
    path = index / "catalog.sqlite"
    if must_exist and not path.is_file():
        raise CueframeError(
            f"{path} is missing; python index/check.py {index} --repair makes it from the vectors"
        )
    connection = sqlite3.connect(path)
    try:
        connection.executescript(_TABLES)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise CueframeError(
            f"{path} cannot be read ({error}); python index/check.py {index} --repair makes it anew"
        ) from error
    return connection


def all_paths(catalog: sqlite3.Connection) -> dict[str, HashedFile]:
    """Return every known file by its path."""
    rows = catalog.execute("SELECT path, size, mtime_ns, content_hash FROM paths ORDER BY path")
    files = (HashedFile(os.fsdecode(path), *rest) for path, *rest in rows)
    return {file.path: file for file in files}


def all_videos(catalog: sqlite3.Connection) -> dict[str, VideoRow]:
    """Return every known video by its content hash."""
    rows = catalog.execute(
        "SELECT content_hash, number, status, duration_s, frames, file_bytes, warnings, error "
        "FROM videos ORDER BY number"
    )
    names = ("content_hash", "number", "status", "duration_s", "frames", "file_bytes")
    return {
        row[0]: VideoRow(
            **dict(zip(names, row, strict=False)), warnings=tuple(json.loads(row[6])), error=row[7]
        )
        for row in rows
    }


def put_paths(catalog: sqlite3.Connection, seen: Iterable[HashedFile]) -> None:
    """Add or update paths."""
    with catalog:
        catalog.executemany(
            "INSERT OR REPLACE INTO paths VALUES (?, ?, ?, ?)",
            [(stored_path(s.path), s.size, s.mtime_ns, s.content_hash) for s in seen],
        )


def forget_paths(catalog: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Drop paths; the videos they led to stay until `forget_videos`."""
    with catalog:
        catalog.executemany("DELETE FROM paths WHERE path = ?", [(stored_path(p),) for p in paths])


def put_video(catalog: sqlite3.Connection, video: VideoRow) -> int:
    """Add or update the row of a video; return its number, which a known video keeps."""
    with catalog:
        found = catalog.execute(
            "INSERT INTO videos (content_hash, status, duration_s, frames, file_bytes, warnings, "
            "error) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content_hash) DO UPDATE SET "
            "status = excluded.status, duration_s = excluded.duration_s, "
            "frames = excluded.frames, file_bytes = excluded.file_bytes, "
            "warnings = excluded.warnings, error = excluded.error RETURNING number",
            (
                video.content_hash,
                video.status,
                video.duration_s,
                video.frames,
                video.file_bytes,
                json.dumps(video.warnings),
                video.error,
            ),
        ).fetchone()
    return int(found[0])


def forget_videos(catalog: sqlite3.Connection, content_hashes: Iterable[str]) -> None:
    """Drop videos; their vector files stay."""
    with catalog:
        catalog.executemany(
            "DELETE FROM videos WHERE content_hash = ?", [(h,) for h in content_hashes]
        )


def row_of(index: Path, vectors: Vectors) -> VideoRow:
    """Return the catalog row of a vector file."""
    return VideoRow(
        content_hash=vectors.content_hash,
        duration_s=vectors.metadata.duration_s,
        frames=len(vectors.time_s),
        file_bytes=vectors_path(index, vectors.content_hash).stat().st_size,
        warnings=tuple(vectors.metadata.warnings),
    )
