"""Where a video's file is now, and whether it is still what was indexed."""

import os
import shutil
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from index.discovery import list_videos
from index.errors import VideoError
from infer.videos.indexed_videos import IndexedVideos, read_indexed_videos
from infer.videos.video_files import content_of, file_in, find_video_file, on_disk
from infer.videos.video_names import by_tail
from tests.fixtures_infer import build_index, world

Form = Literal["NFC", "NFD", "NFKC"]


@pytest.fixture
def moved(tmp_path: Path) -> tuple[IndexedVideos, Path]:
    """An index of two videos, and where they lie now: in another folder, with other mtimes."""
    here = world()
    (tmp_path / "old/x").mkdir(parents=True)
    shutil.copy(here.videos / "few.mp4", tmp_path / "old/x/few.mp4")
    shutil.copy(here.videos / "one.mp4", tmp_path / "old/x/one.mp4")
    assert build_index(tmp_path / "old", tmp_path / "index", here.model) == 0
    (tmp_path / "old").rename(tmp_path / "new")
    for path in (tmp_path / "new").rglob("*.mp4"):
        os.utime(path, (0, 0))
    return read_indexed_videos(tmp_path / "index"), tmp_path


def test_known_files_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    indexed = read_indexed_videos(here.index)
    path = here.videos / "b_frames.mp4"
    content = indexed.seen[str(path)].content_hash
    with monkeypatch.context() as patch:
        patch.setattr("infer.videos.video_files.hash_files", lambda _: pytest.fail("hashed"))
        assert content_of(indexed, path) == content
        patch.chdir(path.parent)
        assert content_of(indexed, Path("b_frames.mp4")) == content
        assert find_video_file(indexed, content, {}) == path


def test_files_that_have_changed_places_are_not_taken_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, folder = world(), tmp_path / "videos"
    folder.mkdir()
    sizes = {(here.videos / name).stat().st_size for name in ("few.mp4", "one.mp4")}
    for name in ("few.mp4", "one.mp4"):
        data = (here.videos / name).read_bytes()
        rest = max(sizes) - len(data)  # an atom that players skip
        free = (8 + rest).to_bytes(4, "big") + b"free" + bytes(rest)
        (folder / name).write_bytes(data + free)
        os.utime(folder / name, (0, 0))
    monkeypatch.setattr("index.discovery._TICK_NS", -1)
    assert build_index(folder, tmp_path / "index", here.model) == 0
    indexed = read_indexed_videos(tmp_path / "index")
    few, one = (indexed.seen[str(folder / name)].content_hash for name in ("few.mp4", "one.mp4"))
    assert find_video_file(indexed, few, {}) == folder / "few.mp4"

    (folder / "few.mp4").rename(folder / "t")
    (folder / "one.mp4").rename(folder / "few.mp4")
    (folder / "t").rename(folder / "one.mp4")
    assert content_of(indexed, folder / "few.mp4") == one
    assert content_of(indexed, folder / "one.mp4") == few
    with pytest.raises(VideoError, match=r"few\.mp4 has changed since it was indexed"):
        find_video_file(indexed, few, {})
    names = by_tail(map(str, list_videos(folder)))
    with pytest.raises(VideoError, match=r"one\.mp4 has changed since it was indexed"):
        find_video_file(indexed, one, names)


def test_files_elsewhere_are_found_by_name_and_content(moved: tuple[IndexedVideos, Path]) -> None:
    indexed, folder = moved
    content = indexed.seen[str(folder / "old/x/few.mp4")].content_hash
    with pytest.raises(VideoError, match=r"old/x/few\.mp4 is gone; say with --videos"):
        find_video_file(indexed, content, {})
    new = folder / "new/x/few.mp4"
    assert content_of(indexed, new) == content
    assert find_video_file(indexed, content, by_tail(map(str, list_videos(folder / "new")))) == new

    new.write_bytes(new.read_bytes() + b"more")
    with pytest.raises(VideoError, match=r"new/x/few\.mp4 has changed since it was indexed"):
        find_video_file(indexed, content, by_tail([str(new)]))


def test_of_several_files_of_one_name_the_one_with_the_content(
    moved: tuple[IndexedVideos, Path],
) -> None:
    indexed, folder = moved
    content = indexed.seen[str(folder / "old/x/few.mp4")].content_hash
    (folder / "other/x").mkdir(parents=True)
    shutil.copy(folder / "new/x/one.mp4", folder / "other/x/few.mp4")
    names = by_tail([str(folder / "other/x/few.mp4"), str(folder / "new/x/few.mp4")])
    assert find_video_file(indexed, content, names) == folder / "new/x/few.mp4"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4 cannot be read: No such file"):
        content_of(read_indexed_videos(world().index), tmp_path / "gone.mp4")


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_file_is_found_in_either_form_of_its_name(
    stored: Form, asked: Form, tmp_path: Path
) -> None:
    path = tmp_path / unicodedata.normalize(stored, "é") / unicodedata.normalize("NFD", "phố.mp4")
    path.parent.mkdir()
    path.write_text("")
    name = unicodedata.normalize(asked, "é/phố.mp4")
    assert file_in(tmp_path, f"train/{name}") == path
    assert on_disk(tmp_path / name) == path
    assert file_in(tmp_path, unicodedata.normalize(asked, "é/phở.mp4")) is None


@pytest.mark.parametrize("name", ["a\0é.mp4", "\ud800.mp4", "é" * 300, "/proc/1/é/é.mp4", "é/"])
def test_a_name_that_no_file_has_is_not_found(name: str, tmp_path: Path) -> None:
    assert file_in(tmp_path, name) is None


def test_a_name_that_is_not_utf8_is_found_by_its_replacement(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.write_text("")
    assert file_in(tmp_path, "x/caf\ufffd.mp4") == path
