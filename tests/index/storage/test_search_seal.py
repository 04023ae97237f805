"""The end of frames.faiss tells a file that is not what was written."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.storage import search_seal
from index.storage.search_seal import add_seal, read_seal

VIDEOS = {1: "ab" * 16, 70: "cd" * 16}


def sealed(path: Path, size: int = 1000) -> Path:
    path.write_bytes(os.urandom(size))
    add_seal(path, VIDEOS)
    return path


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
def test_the_videos_come_back(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_seal, "_BLOCK_BYTES", 100)
    assert read_seal(sealed(tmp_path / "f", size)) == VIDEOS


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_bit_anywhere_is_noticed(
    place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = sealed(tmp_path_factory.mktemp("bits") / "f", 200)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"no hashes|was written|were written"):
        read_seal(path)


@given(keep=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_noticed(keep: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = sealed(tmp_path_factory.mktemp("cut") / "f", 200)
    os.truncate(path, int(keep * path.stat().st_size))
    with pytest.raises(ValueError, match=r"end|hashes"):
        read_seal(path)


def test_two_ends_are_not_one(tmp_path: Path) -> None:
    path = sealed(tmp_path / "f")
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="no hashes stand"):
        read_seal(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    with pytest.raises(ValueError, match="no file"):
        read_seal(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        read_seal(tmp_path / "g")
