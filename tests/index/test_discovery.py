"""Which files count as videos, and their content hashes."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xxhash

from index.discovery import (
    HashedFile,
    as_hashed,
    change_since,
    hash_files,
    is_as_hashed,
    is_regular_file,
    list_videos,
    scan_videos,
    stat_regular,
)
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
    for name, line in (
        ("gone", "does not exist; name a folder"),
        ("empty", "holds no video file; name another"),
        ("empty.txt", "names no video; write one path a line"),
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


@pytest.mark.parametrize("name", ["film.gif", "tape.dv", "a.apng", "b.3g2", "c.M2T", "d.dvr-ms"])
def test_endings_under_which_ffmpeg_expects_a_video(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert list_videos(tmp_path) == [tmp_path / name]


def test_what_is_left_out_is_listed(folder: Path) -> None:
    scan = scan_videos(folder)
    names = [str(Path(path).relative_to(folder)) for path in scan.left_out]
    assert names == ["deep/.DS_Store", "deep/._d.ts", "mp4", "notes.txt", "picture.png"]
    scan = scan_videos(folder, all_files=True)
    assert [Path(path).name for path in scan.left_out] == ["._d.ts"]
    assert len(scan.videos) == 5 + 4


def test_the_index_within_the_folder_is_not_searched(folder: Path) -> None:
    (folder / "index").mkdir()
    (folder / "index" / "catalog.sqlite").write_text("")
    scan = scan_videos(folder, all_files=True, without=folder / "deep" / ".." / "index")
    assert not any("catalog.sqlite" in str(path) for path in [*scan.videos, *scan.left_out])
    assert folder / "deep" / "d.ts" in scan.videos


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


IRREGULAR = [
    (a_fifo, "FIFO"),
    (a_socket, "socket"),
    (a_link_to_a_device, "device"),
    (a_link_to_a_fifo, "FIFO"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("make", "kind"), IRREGULAR)
def test_what_is_no_regular_file_is_never_opened(
    make: Callable[[Path], None], kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # a socket's path is short
    odd = Path("z.mp4")
    make(odd)
    scan = scan_videos(folder)
    assert f"{folder / odd} (a {kind})" in scan.left_out
    assert len(scan.videos) == 5
    ((_, result),) = hash_files([odd])
    assert isinstance(result, OSError)
    assert result.strerror == f"it is a {kind}, not a regular file"
    assert not is_regular_file(odd)
    with pytest.raises(CueframeError, match=f"z.mp4 cannot be read: it is a {kind}, not a regular"):
        list_videos(odd)
    Path("list.txt").write_text(f"b.mp4\n{odd}\n")
    assert list_videos(Path("list.txt")) == [folder / "b.mp4", folder / odd]


AGAIN = "(a link to a folder that is not searched again)"
ABOVE = "(a link to a folder above it)"


def names_of(folder: Path) -> tuple[list[str], list[str]]:
    """What a folder gives, and which links of it are left out."""
    scan = scan_videos(folder, without=folder / "index")
    taken = [os.path.relpath(path, folder) for path in scan.videos]
    return taken, [os.path.relpath(line, folder) for line in scan.left_out if "(a link" in line]


OWN = ["a.MKV", "b.mp4", "deep/d.ts", "deep/er/c.webm", "x.h264"]


@pytest.mark.timeout(20)
def test_a_folder_is_searched_once_however_many_links_lead_to_it(folder: Path) -> None:
    other = folder.parent / "other"
    (other / "sub").mkdir(parents=True)
    for name in ("1.mp4", "sub/2.mp4"):
        (other / name).write_text(name)
    (folder / "again").symlink_to("deep")
    (folder / "deep/up").symlink_to("..")
    (folder / "deep/er/here").symlink_to(".")
    (folder / "out").symlink_to(folder.parent)
    (folder / "p").symlink_to(other / "sub")
    (folder / "q").symlink_to(other)
    (folder / "r").symlink_to(folder / "q")
    (other / "sub/back").symlink_to(folder)
    (other / "sub/above").symlink_to(other)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    taken, left_out = names_of(folder)
    assert taken == sorted([*OWN, "p/2.mp4", "q/1.mp4"])
    assert left_out == [
        *(f"again {AGAIN}", f"deep/er/here {ABOVE}", f"deep/up {ABOVE}", f"out {ABOVE}"),
        *(f"p/above {ABOVE}", f"p/back {AGAIN}", f"r {AGAIN}"),
    ]
    assert names_of(other)[0] == sorted(
        ["1.mp4", "sub/2.mp4", *(f"sub/back/{name}" for name in OWN)]
    )


def test_a_folder_of_links_is_a_folder_of_what_they_lead_to(folder: Path) -> None:
    links = folder.parent / "links"
    links.mkdir()
    for n, place in enumerate((folder / "deep", folder / "deep/er", folder / "b.mp4")):
        (links / f"{n}{place.suffix}").symlink_to(place)
    assert names_of(links) == (["0/d.ts", "0/er/c.webm", "2.mp4"], [f"1 {AGAIN}"])


def test_a_link_to_the_index_is_not_followed(folder: Path) -> None:
    (folder / "index").mkdir()
    (folder / "index/a.mp4").write_text("")
    (folder / "link").symlink_to("index")
    assert names_of(folder) == (OWN, [f"link {AGAIN}"])


def lock(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Refuse to list folders of a name."""
    scandir = os.scandir

    def locked(path: Path | str) -> object:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)


def test_a_linked_folder_that_cannot_be_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "other").mkdir()
    (folder / "link").symlink_to(folder.parent / "other")
    lock(monkeypatch, "link")
    scan = scan_videos(folder)
    assert scan.unreadable == {str(folder / "link"): "cannot be read: Permission denied"}


def test_a_subfolder_that_cannot_be_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(monkeypatch, "er")
    scan = scan_videos(folder)
    assert scan.unreadable == {str(folder / "deep/er"): "cannot be read: Permission denied"}
    assert len(scan.videos) == 4
    with pytest.raises(CueframeError, match=r"holds no video file that can be read \(.*/er cannot"):
        scan_videos(folder / "deep/er")


def test_what_lies_deeper_than_a_path_can_say_is_told(folder: Path) -> None:
    """Folders and files can be made there from within, step by step."""
    here, depth, name = os.open(folder, os.O_RDONLY), 0, "d" * 250
    while depth < 17:
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, depth = inner, depth + 1
        for own in ("v.mp4", "link.mp4"):
            os.close(os.open(own, os.O_CREAT, dir_fd=here))
    os.symlink(".", "folder", dir_fd=here)
    os.close(here)
    found = scan_videos(folder)
    assert set(scan_videos(folder).unreadable.values()) == {"cannot be read: File name too long"}
    assert len([path for path in found.videos if path.name == "v.mp4"]) == 16
    errors = [result for _, result in hash_files(found.videos) if isinstance(result, OSError)]
    assert [error.strerror for error in errors] == ["File name too long"] * len(errors)
    shutil.rmtree(folder / name)


def test_an_unfitting_folder_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(CueframeError, match=r"no video file; left out: .*notes\.md; .*--all-files"):
        list_videos(tmp_path)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (b"caf\xe9.mp4\nb.mp4\n", [b"caf\xe9.mp4", b"b.mp4"]),
        ("\ufeffđường.mp4\r\n".encode(), ["đường.mp4".encode()]),
        ("đường.mp4\r\nb.mp4".encode("utf-16"), ["đường.mp4".encode(), b"b.mp4"]),
        (b"two\nlines.mp4\0 b.mp4\0", [b"two\nlines.mp4", b" b.mp4"]),
        ("a\u2028b\x0cc.mp4\n".encode(), ["a\u2028b\x0cc.mp4".encode()]),
        (b"a\0b.mp4\nc.mp4\n", [b"a\0b.mp4", b"c.mp4"]),
    ],
)
def test_a_list_is_read_as_bytes(written: bytes, names: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(written)
    found = list_videos(tmp_path / "list.txt")
    assert [os.fsencode(path.name) for path in found] == names


@pytest.mark.parametrize("name", ["a\0b.mp4", "a\ud800.mp4"])
def test_a_name_that_no_file_can_have_harms_no_other(name: str, folder: Path) -> None:
    with pytest.raises(OSError, match="no file can have such a name"):
        stat_regular(folder / name)
    results = dict(hash_files([folder / name, folder / "b.mp4"]))
    assert isinstance(results[folder / name], OSError)
    assert isinstance(results[folder / "b.mp4"], HashedFile)


@pytest.mark.parametrize("how", ["grows", "shrinks", "is written over"])
def test_a_file_that_changes_while_it_is_hashed_has_no_hash(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing, calm = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for path in (changing, calm):
        path.write_bytes(b"A" * 300)
    digest = xxhash.xxh3_128

    def meddle() -> None:
        with changing.open("r+b") as file:
            if how == "shrinks":
                file.truncate(200)
            else:
                file.seek(0, os.SEEK_END if how == "grows" else os.SEEK_SET)
                file.write(b"B" * 100)
        os.utime(changing, (2, 2))

    class Meddling:
        """Changes the file between its second and its third block."""

        def __init__(self) -> None:
            self.blocks = 0
            self.digest = digest()

        def update(self, block: bytes) -> None:
            self.blocks += 1
            self.digest.update(block)
            if self.blocks == 2:
                meddle()

        def hexdigest(self) -> str:
            return self.digest.hexdigest()

    monkeypatch.setattr("index.discovery._BLOCK_BYTES", 100)
    monkeypatch.setattr("index.discovery.xxhash.xxh3_128", Meddling)
    ((_, now),) = hash_files([changing])
    assert isinstance(now, OSError)
    assert now.strerror == "it changes while it is read; run again when it is complete"
    monkeypatch.undo()
    for path, result in hash_files([changing, calm]):
        assert isinstance(result, HashedFile)
        assert result.content_hash == digest(path.read_bytes()).hexdigest()


def test_only_a_file_that_changed_a_while_ago_is_known_by_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"A")
    now_ns = path.stat().st_ctime_ns
    for later_s, known in ((0, False), (1.9, False), (2.1, True), (-2.1, True)):
        monkeypatch.setattr("time.time_ns", lambda later_s=later_s: now_ns + int(later_s * 1e9))
        ((_, seen),) = hash_files([path])
        assert isinstance(seen, HashedFile)
        assert is_as_hashed(seen, path.stat()) == known


def test_numbers_of_a_state_fit_into_64_bits_with_a_sign(tmp_path: Path) -> None:
    numbers = {"st_size": 1, "st_mtime_ns": 2**63, "st_ino": 2**64 - 2, "st_ctime_ns": 2**63 + 5}
    state: Any = SimpleNamespace(**numbers)  # no disk here has these
    seen = as_hashed(tmp_path, state, "aa")
    for number in (seen.size, seen.mtime_ns, seen.inode, seen.ctime_ns):
        assert number is not None
        assert -(2**63) <= number < 2**63
    assert is_as_hashed(seen, state)


def test_what_became_of_a_file_since_it_was_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"A")
    ((_, seen),) = hash_files([path])
    assert isinstance(seen, HashedFile)
    assert change_since(seen) == ""
    os.utime(path, (1, 1))
    assert change_since(seen) == ""
    path.write_bytes(b"B")
    assert change_since(seen) == "was replaced while it was read; run again"
    path.unlink()
    assert change_since(seen) == "was moved or deleted while it was read; run again"
    path.mkdir()
    assert change_since(seen) == "was moved or deleted while it was read; run again"


def test_a_link_to_a_folder_inside_the_index_is_left_out(tmp_path: Path) -> None:
    for name in ("videos/a.mp4", "videos/index/vectors/ab/x.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    link = tmp_path / "videos/link"
    link.symlink_to("index/vectors")
    scan = scan_videos(tmp_path / "videos", all_files=True, without=tmp_path / "videos/index")
    assert scan.videos == [tmp_path / "videos/a.mp4"]
    assert scan.left_out == [f"{link} (a link to a folder that is not searched again)"]
