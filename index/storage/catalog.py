"""The catalog of an index: the content of each path, and the status of each content.

INDEX/catalog.sqlite can be rebuilt from the vector files and the videos. One process writes it.
Several paths of one content are one video; a video's number is never reused, because FAISS ids are
made of it. Each row has a hash of its values, so that a damaged one is noticed when it is read.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from index.discovery import HashedFile
from index.errors import CueframeError, DamagedError
from index.storage.sealed_file import hash_of_sealed
from index.storage.sqlite_file import connect_to_read, connect_to_write
from index.storage.store import Vectors, stored_path, vectors_path

_PATH = "path, size, mtime_ns, content_hash, inode, ctime_ns"
_FORMER_PATH = "path, size, mtime_ns, content_hash"
"""Before version 2."""
_VIDEO = "number, content_hash, status, duration_s, frames, file_bytes, warnings, error, file_hash"
_TABLES = """
CREATE TABLE IF NOT EXISTS videos (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    content_hash TEXT NOT NULL UNIQUE,
    status       TEXT NOT NULL CHECK (status IN ('indexed', 'failed')),
    duration_s   REAL,
    frames       INTEGER,
    file_bytes   INTEGER,  -- of the vector file: a cut one is told without opening it
    warnings     TEXT NOT NULL DEFAULT '[]',
    error        TEXT,
    file_hash    TEXT,     -- of the vector file, as its first bytes say
    row_hash     TEXT      -- of the values before
);
CREATE TABLE IF NOT EXISTS paths (
    path         TEXT PRIMARY KEY,  -- a BLOB where it is not UTF-8
    size         INTEGER NOT NULL,
    mtime_ns     INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    inode        INTEGER,
    ctime_ns     INTEGER,  -- NULL: the next build hashes the file again
    row_hash     TEXT
);
"""
_HASHED = f"""
CREATE TEMP TRIGGER video_added AFTER INSERT ON videos BEGIN
    UPDATE videos SET row_hash = xxh3({_VIDEO}) WHERE number = NEW.number;
END;
CREATE TEMP TRIGGER video_changed AFTER UPDATE OF {_VIDEO} ON videos BEGIN
    UPDATE videos SET row_hash = xxh3({_VIDEO}) WHERE number = NEW.number;
END;
CREATE TEMP TRIGGER path_added AFTER INSERT ON paths BEGIN
    UPDATE paths SET row_hash = xxh3({_PATH}) WHERE path = NEW.path;
END;
"""
"""Of the connection, not of the file: what another program changes is noticed."""
_UPGRADES = (
    f"""
ALTER TABLE videos ADD COLUMN file_hash TEXT;
ALTER TABLE videos ADD COLUMN row_hash TEXT;
ALTER TABLE paths ADD COLUMN row_hash TEXT;
UPDATE videos SET row_hash = xxh3({_VIDEO});
UPDATE paths SET row_hash = xxh3({_FORMER_PATH});
""",
    f"""
ALTER TABLE paths ADD COLUMN inode INTEGER;
ALTER TABLE paths ADD COLUMN ctime_ns INTEGER;
UPDATE paths SET row_hash = xxh3({_PATH}) WHERE row_hash IS xxh3({_FORMER_PATH});
""",
)
"""From each `user_version` to the next: since 1 rows have hashes, since 2 paths inode and ctime.

A row that is not what was written stays so."""
_VERSION = len(_UPGRADES)
_OUT_OF_REACH = {
    sqlite3.SQLITE_BUSY: "wait until no other process holds it",
    sqlite3.SQLITE_FULL: "make room",
    sqlite3.SQLITE_NOMEM: "close other programs",
    sqlite3.SQLITE_READONLY_ROLLBACK: "a killed run left its journal, which a build or --repair "
    "takes in: give it rights to write",
} | dict.fromkeys(
    (
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH),
        *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL),
    ),
    "look at its rights and its disk",
)
"""Results of SQLite that say nothing about the content of the file, and what to do."""


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
    file_hash: str | None = None
    """Of the vector file (`index.storage.sealed_file`)."""


def has_whole_file(index: Path, video: VideoRow) -> bool:
    """Return whether a video's vector file is there with all its bytes; it is not opened."""
    try:
        return vectors_path(index, video.content_hash).stat().st_size == video.file_bytes
    except OSError:
        return False


class Catalog(sqlite3.Connection):
    """An open catalog; make it with `open_catalog`."""

    path: Path


def open_catalog(index: Path, *, must_exist: bool = False, no_lock: bool = False) -> Catalog:
    """Open INDEX/catalog.sqlite; create it if it is missing.

    Args:
        index: Folder of the index.
        must_exist: Open it only to read; one of an earlier version stays as it is then.
        no_lock: Write it even where the disk has no locks.

    Raises:
        DamagedError: It is missing although it must exist, or is not what was written.
        CueframeError: It cannot be used now, as when another process holds it.
    """
    path = index / "catalog.sqlite"
    with _explained(path):
        strange = path.exists() and not path.is_file()  # who opens a FIFO waits for its writer
        if strange or (must_exist and not path.is_file()):
            raise DamagedError(
                f"{path} is {'no file' if strange else 'missing'}; python index/check.py {index} "
                "--repair makes it from the vectors"
            )
        if must_exist:
            catalog = connect_to_read(path, Catalog)
        else:
            catalog = connect_to_write(path, Catalog, no_lock=no_lock)
    try:
        with _explained(path):
            # A build looks at SQLite's own indexes too, since it writes by them.
            _check(catalog, "quick_check" if must_exist else "integrity_check")
            if must_exist:
                catalog = _upgraded_copy(catalog)
            catalog.create_function("xxh3", -1, _xxh3, deterministic=True)
            _upgrade(catalog, must_exist)
            catalog.executescript(_HASHED)
    except BaseException:
        catalog.close()
        raise
    catalog.path = path
    return catalog


def _check(catalog: Catalog, kind: str) -> None:
    found = catalog.execute(f"PRAGMA {kind}(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))


def _upgrade(catalog: Catalog, must_exist: bool) -> None:
    """Make the tables of a new catalog, or bring those of an earlier version up to this one."""
    version = catalog.execute("PRAGMA user_version").fetchone()[0]
    if version == _VERSION:
        return
    if version > _VERSION:
        raise CueframeError(
            f"the catalog was written by a later Cueframe (its version is {version}, and this one "
            f"knows {_VERSION}); use that one, or name another --index"
        )
    if version < 0:
        raise sqlite3.DatabaseError(f"it is of version {version}")
    old = catalog.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if must_exist and not old:
        raise sqlite3.DatabaseError("it is empty")
    steps = "".join(_UPGRADES[version:]) if old else _TABLES
    catalog.executescript(f"BEGIN; {steps} PRAGMA user_version = {_VERSION}; COMMIT;")


def _upgraded_copy(catalog: Catalog) -> Catalog:
    """Return a copy in memory of a catalog of an earlier version; one of this version itself."""
    if catalog.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return catalog
    with catalog:
        copy = sqlite3.connect(":memory:", factory=Catalog)
        catalog.backup(copy)
    catalog.close()
    return copy


def _xxh3(*values: object) -> str:
    return xxhash.xxh3_64_hexdigest(repr(values).encode(errors="backslashreplace"))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn an error of SQLite into one line: is the file damaged, or out of reach?"""
    try:
        yield
    except OSError as error:
        raise CueframeError(
            f"{path} cannot be used now ({error.strerror}); look at its rights and its disk, and "
            "run again"
        ) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        remedy = _OUT_OF_REACH.get(code) or _OUT_OF_REACH.get(code & 0xFF)
        if remedy:
            raise CueframeError(
                f"{path} cannot be used now ({error}); {remedy}, and run again"
            ) from error
        raise DamagedError(
            f"{path} is damaged ({error}); python index/check.py {path.parent} --repair makes it "
            "anew"
        ) from error


def _rows(catalog: Catalog, table: str, columns: str, order: str) -> list[tuple[Any, ...]]:
    """Return all rows of a table, each of them as it was written."""
    with _explained(catalog.path):
        rows = catalog.execute(
            f"SELECT row_hash IS xxh3({columns}), {columns} FROM {table} ORDER BY {order}"
        ).fetchall()
        if not all(row[0] for row in rows):
            raise sqlite3.DatabaseError(f"a row of {table} is not what was written")
    return [row[1:] for row in rows]


def all_paths(catalog: Catalog) -> dict[str, HashedFile]:
    """Return every known file by its path."""
    rows = _rows(catalog, "paths", _PATH, "path")
    files = (HashedFile(os.fsdecode(path), *rest) for path, *rest in rows)
    return {file.path: file for file in files}


def all_videos(catalog: Catalog) -> dict[str, VideoRow]:
    """Return every known video by its content hash."""
    names = _VIDEO.split(", ")
    videos = [
        dict(zip(names, row, strict=True)) for row in _rows(catalog, "videos", _VIDEO, "number")
    ]
    return {
        video["content_hash"]: VideoRow(
            **video | {"warnings": tuple(json.loads(video["warnings"]))}
        )
        for video in videos
    }


def put_paths(catalog: Catalog, seen: Iterable[HashedFile], forgotten: Iterable[str] = ()) -> None:
    """Add or update paths and drop others, all or none of it.

    The videos to which forgotten paths led stay until `forget_videos`.
    """
    rows = [
        (stored_path(s.path), s.size, s.mtime_ns, s.content_hash, s.inode, s.ctime_ns) for s in seen
    ]
    with _explained(catalog.path), catalog:
        catalog.executemany(
            f"INSERT OR REPLACE INTO paths ({_PATH}) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
        catalog.executemany(
            "DELETE FROM paths WHERE path = ?", [(stored_path(path),) for path in forgotten]
        )


def forget_paths(catalog: Catalog, paths: Iterable[str]) -> None:
    """Drop paths, as `put_paths` does."""
    put_paths(catalog, (), paths)


def put_video(catalog: Catalog, video: VideoRow) -> int:
    """Add or update the row of a video; return its number, which a known video keeps."""
    return put_videos(catalog, [video])[0]


def put_videos(catalog: Catalog, videos: Iterable[VideoRow]) -> list[int]:
    """Add or update the rows of videos, all or none of them; return their numbers."""
    with _explained(catalog.path), catalog:
        return [_put(catalog, video) for video in videos]


def _put(catalog: Catalog, video: VideoRow) -> int:
    found = catalog.execute(
        "INSERT INTO videos (content_hash, status, duration_s, frames, file_bytes, warnings, "
        "error, file_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content_hash) DO "
        "UPDATE SET status = excluded.status, duration_s = excluded.duration_s, "
        "frames = excluded.frames, file_bytes = excluded.file_bytes, "
        "warnings = excluded.warnings, error = excluded.error, "
        "file_hash = excluded.file_hash RETURNING number",
        (
            video.content_hash,
            video.status,
            video.duration_s,
            video.frames,
            video.file_bytes,
            json.dumps(video.warnings),
            video.error,
            video.file_hash,
        ),
    ).fetchone()
    return int(found[0])


def forget_videos(catalog: Catalog, content_hashes: Iterable[str]) -> None:
    """Drop videos; their vector files stay."""
    with _explained(catalog.path), catalog:
        catalog.executemany(
            "DELETE FROM videos WHERE content_hash = ?", [(h,) for h in content_hashes]
        )


def salvaged_paths(path: Path) -> list[HashedFile]:
    """Return the paths that a damaged catalog still has, up to where it cannot be read."""
    found: list[HashedFile] = []
    for columns in (_PATH, _FORMER_PATH):
        with contextlib.suppress(sqlite3.Error), closing(connect_to_read(path, Catalog)) as catalog:
            catalog.create_function("xxh3", -1, _xxh3, deterministic=True)
            rows = catalog.execute(f"SELECT row_hash IS xxh3({columns}), {columns} FROM paths")
            for right, name, *rest in rows:
                if right:
                    found.append(HashedFile(os.fsdecode(name), *rest))
    return found


def row_of(index: Path, vectors: Vectors) -> VideoRow:
    """Return the catalog row of a vector file."""
    path = vectors_path(index, vectors.content_hash)
    return VideoRow(
        content_hash=vectors.content_hash,
        duration_s=vectors.metadata.duration_s,
        frames=len(vectors.time_s),
        file_bytes=path.stat().st_size,
        warnings=tuple(vectors.metadata.warnings),
        file_hash=hash_of_sealed(path),
    )
