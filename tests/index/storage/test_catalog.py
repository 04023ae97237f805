"""The ledger: numbers that are never reused, paths that follow the files."""

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from index.discovery import HashedFile
from index.errors import CueframeError, DamagedError
from index.storage.catalog import (
    VideoRow,
    all_paths,
    all_videos,
    forget_paths,
    forget_videos,
    open_catalog,
    put_paths,
    put_video,
    salvaged_paths,
)

DONE = VideoRow(
    content_hash="aa",
    duration_s=4.5,
    frames=9,
    file_bytes=1234,
    warnings=("truncated: 1 s", "đường"),
)
LOST = VideoRow(content_hash="bb", status="failed", error="has no video stream")


def numbers(index: Path) -> dict[str, int]:
    with closing(open_catalog(index)) as catalog:
        return {content: video.number for content, video in all_videos(catalog).items()}


def test_videos_come_back_as_they_were_with_a_number(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        put_video(catalog, DONE)
        put_video(catalog, LOST)
    with closing(open_catalog(tmp_path, must_exist=True)) as catalog:
        assert all_videos(catalog) == {
            "aa": replace(DONE, number=1),
            "bb": replace(LOST, number=2),
        }


def test_a_video_keeps_its_number_when_it_is_put_again(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        for content in ("aa", "bb", "cc"):
            put_video(catalog, replace(LOST, content_hash=content))
        put_video(catalog, replace(DONE, content_hash="bb", number=77))
        assert all_videos(catalog)["bb"] == replace(DONE, content_hash="bb", number=2)
        put_video(catalog, replace(LOST, content_hash="bb"))
        assert all_videos(catalog)["bb"] == replace(LOST, number=2)  # nothing of before is left


def test_a_number_is_never_given_again(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        for content in ("aa", "bb", "cc"):
            put_video(catalog, replace(DONE, content_hash=content))
        forget_videos(catalog, ["cc", "aa", "unknown"])
    with closing(open_catalog(tmp_path)) as catalog:  # not even after it was closed
        put_video(catalog, replace(DONE, content_hash="cc"))
        assert numbers(tmp_path) == {"bb": 2, "cc": 4}
        forget_videos(catalog, ["bb", "cc"])
        put_video(catalog, DONE)
    assert numbers(tmp_path) == {"aa": 5}


def test_paths_follow_the_files(tmp_path: Path) -> None:
    first, second = HashedFile("/v/đ.mp4", 10, 2**62, "aa"), HashedFile("/v/b.mp4", 2**40, 5, "aa")
    with closing(open_catalog(tmp_path)) as catalog:
        put_paths(catalog, [first, second])
        assert all_paths(catalog) == {first.path: first, second.path: second}
        changed = HashedFile("/v/b.mp4", 11, 6, "bb")
        put_paths(catalog, [changed])
        assert all_paths(catalog) == {first.path: first, changed.path: changed}
        forget_paths(catalog, ["/v/b.mp4", "/v/unknown.mp4"])
    with closing(open_catalog(tmp_path)) as catalog:
        assert all_paths(catalog) == {first.path: first}


def test_what_was_put_is_on_disk_at_once(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog, closing(open_catalog(tmp_path)) as other:
        put_video(catalog, DONE)
        put_paths(catalog, [HashedFile("/a", 1, 1, "aa")])
        assert list(all_videos(other)) == ["aa"]
        assert list(all_paths(other)) == ["/a"]


def test_a_missing_catalog_is_made_or_named(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match=r"catalog\.sqlite is missing; .* --repair"):
        open_catalog(tmp_path, must_exist=True)
    assert not (tmp_path / "catalog.sqlite").exists()
    with closing(open_catalog(tmp_path)) as catalog:
        assert (all_videos(catalog), all_paths(catalog)) == ({}, {})


@pytest.mark.parametrize(
    "content", [b"no database, but some text", b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_malformed_catalog_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(content)
    with pytest.raises(CueframeError, match=r"is damaged .* --repair makes it anew") as caught:
        open_catalog(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5, 0.8])
def test_a_cut_catalog_is_one_line(keep: float, tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        for number in range(3):
            put_video(catalog, replace(LOST, content_hash=f"{number}", error="x" * 20_000))
        put_paths(catalog, [HashedFile(f"/videos/{number}", 1, 1, "0") for number in range(1000)])
    path = tmp_path / "catalog.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(CueframeError, match="--repair makes it anew"):
        read_all(tmp_path)


def read_all(index: Path) -> None:
    with closing(open_catalog(index)) as catalog:
        all_videos(catalog)
        all_paths(catalog)


def changed_behind(index: Path, sql: str) -> None:
    with closing(sqlite3.connect(index / "catalog.sqlite")) as catalog, catalog:
        catalog.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE videos SET number = 7 WHERE number = 1",
        "UPDATE videos SET status = 'failed' WHERE number = 1",
        "UPDATE videos SET frames = 10 WHERE number = 1",
        "UPDATE videos SET warnings = '[]' WHERE number = 1",
        "UPDATE videos SET file_hash = 'f' WHERE number = 1",
        "UPDATE videos SET error = '' WHERE number = 1",
        "UPDATE videos SET row_hash = NULL WHERE number = 1",
        "UPDATE paths SET path = '/b'",
        "UPDATE paths SET content_hash = 'bb'",
        "UPDATE paths SET mtime_ns = mtime_ns + 1",
        "UPDATE paths SET inode = 5",
        "UPDATE paths SET ctime_ns = 5",
        "ALTER TABLE paths RENAME COLUMN size TO sice",
        "DROP TABLE paths",
    ],
)
def test_what_another_program_changes_is_noticed(tmp_path: Path, sql: str) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        put_video(catalog, DONE)
        put_paths(catalog, [HashedFile("/a", 1, 1, "aa")])
    read_all(tmp_path)
    changed_behind(tmp_path, sql)
    with pytest.raises(DamagedError, match="--repair makes it anew"):
        read_all(tmp_path)


def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        for number in range(40):
            put_video(catalog, replace(DONE, content_hash=f"{number:032x}"))
        put_paths(catalog, [HashedFile(f"/đ/{n}.mp4", n, n, f"{n:032x}") for n in range(40)])
        before = all_videos(catalog), all_paths(catalog)
    path = tmp_path / "catalog.sqlite"
    data, draw = path.read_bytes(), random.Random(3)
    noticed = 0
    for _ in range(300):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            with closing(open_catalog(tmp_path, must_exist=True)) as catalog:
                assert (all_videos(catalog), all_paths(catalog)) == before
        except DamagedError:
            noticed += 1
    assert noticed > 50


OLD = """
CREATE TABLE videos (
    number INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('indexed', 'failed')), duration_s REAL, frames INTEGER,
    file_bytes INTEGER, warnings TEXT NOT NULL DEFAULT '[]', error TEXT
);
CREATE TABLE paths (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    content_hash TEXT NOT NULL
);
INSERT INTO videos VALUES (3, 'aa', 'indexed', 4.5, 9, 1234, '["truncated: 1 s"]', NULL);
INSERT INTO paths VALUES ('/a', 1, 2, 'aa');
"""


def test_a_catalog_of_an_earlier_version_is_read_as_it_is_and_upgraded_by_a_build(
    tmp_path: Path,
) -> None:
    path = tmp_path / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as catalog:
        catalog.executescript(OLD)
    data = path.read_bytes()
    row = VideoRow(
        content_hash="aa",
        number=3,
        duration_s=4.5,
        frames=9,
        file_bytes=1234,
        warnings=("truncated: 1 s",),
    )
    with closing(open_catalog(tmp_path, must_exist=True)) as catalog:
        assert all_videos(catalog) == {"aa": row}
    assert path.read_bytes() == data
    with closing(open_catalog(tmp_path)) as catalog:
        put_video(catalog, LOST)
    with closing(open_catalog(tmp_path, must_exist=True)) as catalog:
        assert all_videos(catalog) == {"aa": row, "bb": replace(LOST, number=4)}
        assert list(all_paths(catalog)) == ["/a"]


VERSION_1 = """
CREATE TABLE videos (
    number INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('indexed', 'failed')), duration_s REAL, frames INTEGER,
    file_bytes INTEGER, warnings TEXT NOT NULL DEFAULT '[]', error TEXT, file_hash TEXT,
    row_hash TEXT
);
CREATE TABLE paths (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    content_hash TEXT NOT NULL, row_hash TEXT
);
INSERT INTO videos VALUES (
    3, 'aa', 'failed', NULL, NULL, NULL, '[]', 'broken', NULL, 'VIDEO_HASH'
);
INSERT INTO paths VALUES ('/a', 1, 2, 'aa', 'PATH_HASH');
PRAGMA user_version = 1;
"""
"""A row's hash is xxh3_64 of the repr of the tuple of its values."""


def version_1(path: Path, size: int = 1) -> None:
    """Write a catalog of that version, whose path was written with this size."""
    video = (3, "aa", "failed", None, None, None, "[]", "broken", None)
    rows = (video, ("/a", size, 2, "aa"))
    hashes = [xxhash.xxh3_64_hexdigest(repr(row).encode()) for row in rows]
    with closing(sqlite3.connect(path)) as catalog:
        catalog.executescript(
            VERSION_1.replace("VIDEO_HASH", hashes[0]).replace("PATH_HASH", hashes[1])
        )


def test_a_catalog_without_inodes_is_read_as_it_is_and_upgraded_by_a_build(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    version_1(path)
    data = path.read_bytes()
    known = HashedFile("/a", 1, 2, "aa")
    failed = VideoRow(content_hash="aa", number=3, status="failed", error="broken")
    assert salvaged_paths(path) == [known]
    with closing(open_catalog(tmp_path, must_exist=True)) as catalog:
        assert (all_paths(catalog), all_videos(catalog)) == ({"/a": known}, {"aa": failed})
    assert path.read_bytes() == data
    new = HashedFile("/b", 1, 2, "aa", 2**63 - 1, -(2**63))
    with closing(open_catalog(tmp_path)) as catalog:
        put_paths(catalog, [new])
    with closing(open_catalog(tmp_path, must_exist=True)) as catalog:
        assert all_paths(catalog) == {"/a": known, "/b": new}
    assert salvaged_paths(path) == [known, new]


@pytest.mark.parametrize("must_exist", [True, False])
def test_an_upgrade_does_not_bless_what_was_damaged_before(
    must_exist: bool, tmp_path: Path
) -> None:
    version_1(tmp_path / "catalog.sqlite", size=7)
    with (
        closing(open_catalog(tmp_path, must_exist=must_exist)) as catalog,
        pytest.raises(DamagedError, match="a row of paths is not what was written"),
    ):
        all_paths(catalog)


@pytest.mark.parametrize("must_exist", [True, False])
def test_a_catalog_of_a_later_version_is_not_taken_for_an_older_one(
    must_exist: bool, tmp_path: Path
) -> None:
    open_catalog(tmp_path).close()
    changed_behind(tmp_path, "PRAGMA user_version = 3")
    data = (tmp_path / "catalog.sqlite").read_bytes()
    with pytest.raises(CueframeError, match="written by a later Cueframe") as caught:
        open_catalog(tmp_path, must_exist=must_exist)
    assert not isinstance(caught.value, DamagedError)  # which a repair would move away
    assert (tmp_path / "catalog.sqlite").read_bytes() == data


def test_paths_come_and_go_together_or_not_at_all(tmp_path: Path) -> None:
    old, new = HashedFile("/old", 1, 1, "aa", 5, 6), HashedFile("/new", 1, 1, "aa", 5, 7)
    with closing(open_catalog(tmp_path)) as catalog:
        put_paths(catalog, [old])
        catalog.execute(
            "CREATE TEMP TRIGGER fails BEFORE DELETE ON paths BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(CueframeError):
            put_paths(catalog, [new], ["/old"])
        assert all_paths(catalog) == {"/old": old}
        catalog.execute("DROP TRIGGER fails")
        put_paths(catalog, [new], ["/old"])
        assert all_paths(catalog) == {"/new": new}


def test_an_empty_file_is_no_catalog_to_read(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").touch()
    with pytest.raises(DamagedError, match="it is empty"):
        open_catalog(tmp_path, must_exist=True)
    with closing(open_catalog(tmp_path)) as catalog:
        assert all_videos(catalog) == {}


def test_a_full_disk_is_not_called_damage(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        pages = catalog.execute("PRAGMA page_count").fetchone()[0]
        catalog.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CueframeError, match="is full\\); make room, and run again") as caught:
            put_video(catalog, replace(LOST, error="x" * 100_000))
        assert not isinstance(caught.value, DamagedError)
        assert all_videos(catalog) == {}


def test_what_can_be_read_of_a_damaged_catalog_is_salvaged(tmp_path: Path) -> None:
    with closing(open_catalog(tmp_path)) as catalog:
        put_paths(catalog, [HashedFile(f"/videos/{n}", 1, 1, "0") for n in range(1000)])
    changed_behind(tmp_path, "UPDATE paths SET size = 2 WHERE path = '/videos/7'")
    names = {file.path for file in salvaged_paths(tmp_path / "catalog.sqlite")}
    assert names == {f"/videos/{n}" for n in range(1000) if n != 7}
    data = (tmp_path / "catalog.sqlite").read_bytes()
    (tmp_path / "catalog.sqlite").write_bytes(data[: len(data) // 2])
    some = {file.path for file in salvaged_paths(tmp_path / "catalog.sqlite")}
    assert some < names
    (tmp_path / "catalog.sqlite").write_bytes(b"no database")
    assert salvaged_paths(tmp_path / "catalog.sqlite") == []
