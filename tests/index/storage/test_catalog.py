"""The ledger: numbers that are never reused, paths that follow the files."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from index.discovery import HashedFile
from index.errors import CueframeError
from index.storage.catalog import (
    VideoRow,
    all_paths,
    all_videos,
    forget_paths,
    forget_videos,
    open_catalog,
    put_paths,
    put_video,
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
