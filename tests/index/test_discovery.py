"""Which files count as videos, and their content hashes."""

import os
from pathlib import Path

import pytest
import xxhash

from index.discovery import HashedFile, hash_files, list_videos
from index.errors import CueframeError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "videos"
    for name in ("b.mp4", "a.MKV", "deep/er/c.webm", "deep/d.ts", "x.h264"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(name.encode())
    for name in ("notes.txt", "deep/._d.ts", "picture.png", "mp4", "deep/.DS_Store"):
        (made / name).write_bytes(b"no video")
    return made


def test_a_folder_is_searched_deep_in_order_of_name(folder: Path) -> None:
    found = list_videos(folder)
    assert all(path.is_absolute() for path in found)
    assert [str(path.relative_to(folder)) for path in found] == [
        "a.MKV",
        "b.mp4",
        "deep/d.ts",
        "deep/er/c.webm",
        "x.h264",
    ]


def test_a_single_file_is_taken_whatever_its_name(folder: Path) -> None:
    assert list_videos(folder / "b.mp4") == [folder / "b.mp4"]
    assert list_videos(folder / "mp4") == [folder / "mp4"]


def test_paths_are_made_absolute_without_following_links(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "deep" / "link.mp4").symlink_to(folder / "b.mp4")
    monkeypatch.chdir(folder / "deep")
    assert list_videos(Path("../b.mp4")) == [folder / "b.mp4"]
    assert list_videos(Path("link.mp4")) == [folder / "deep" / "link.mp4"]
    assert len(list_videos(Path())) == 3


@pytest.mark.parametrize("name", ["list.txt", "videos.LST", "videos.list"])
def test_a_list_gives_its_paths_once_each_in_its_order(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{folder}/x.h264", "", "  videos/b.mp4  ", f"{folder}/b.mp4", "/gone/đường.mp4"]
    (tmp_path / name).write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert list_videos(tmp_path / name) == [
        folder / "x.h264",
        folder / "b.mp4",
        Path("/gone/đường.mp4"),
    ]


def test_nothing_to_index_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("/videos/déjà.mp4".encode("latin-1"))
    for name, line in (
        ("gone", "does not exist; name a folder"),
        ("empty", "holds no video file; name another"),
        ("empty.txt", "names no video; write one path a line"),
        ("latin.txt", "is no UTF-8 text file of paths"),
    ):
        with pytest.raises(CueframeError, match=line) as caught:
            list_videos(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_hashes_are_of_the_content(folder: Path) -> None:
    big = folder / "big.mp4"
    big.write_bytes(os.urandom(9 * 2**20) + b"end")  # more than a block
    (folder / "copy.mp4").write_bytes(big.read_bytes())
    (folder / "empty.mp4").write_bytes(b"")
    paths = [folder / name for name in ("copy.mp4", "b.mp4", "empty.mp4", "big.mp4")]
    results = list(hash_files(paths))
    assert [path for path, _ in results] == paths
    for path, seen in results:
        assert isinstance(seen, HashedFile)
        state = path.stat()
        assert (seen.path, seen.size, seen.mtime_ns) == (
            str(path),
            state.st_size,
            state.st_mtime_ns,
        )
        assert seen.content_hash == xxhash.xxh3_128_hexdigest(path.read_bytes())


def test_a_file_that_cannot_be_read_harms_no_other(folder: Path) -> None:
    results = dict(hash_files([folder / "gone.mp4", folder / "b.mp4", folder / "deep"]))
    assert isinstance(results[folder / "gone.mp4"], FileNotFoundError)
    assert isinstance(results[folder / "deep"], IsADirectoryError)
    assert isinstance(results[folder / "b.mp4"], HashedFile)
