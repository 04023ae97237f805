"""A change of a model's files is told without reading its weights."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index.models.files_state import files_state


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("index.discovery._TICK_NS", -1)  # as if it were written a while ago
    monkeypatch.setattr("index.models.files_state._BEGIN_BYTES", 4096)
    shutil.copytree(tiny_model, tmp_path / "model")
    return tmp_path / "model"


def times_kept(path: Path, change: Callable[[], object]) -> None:
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_it_is_the_same_while_nothing_changes(folder: Path) -> None:
    state = files_state(str(folder))
    assert state
    assert state == files_state(str(folder))
    (folder / "notes.md").write_text("of no effect")
    assert state == files_state(str(folder))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_file_of_the_same_size_and_mtime_in_its_place_is_another(folder: Path, name: str) -> None:
    state = files_state(str(folder))
    path = folder / name

    def replace() -> None:
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    times_kept(path, replace)
    assert files_state(str(folder)) != state


def test_without_inode_and_ctime_the_blocks_tell_another_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that gives every file the same."""
    path = folder / "model.safetensors"

    def unchanging(path: Path, _state: os.stat_result, content: str) -> tuple[str, str]:
        return path.name, content

    monkeypatch.setattr("index.models.files_state.as_hashed", unchanging)
    state = files_state(str(folder))
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data), 4):
        data[place] ^= 1  # the last bit of every weight of the second half
    path.write_bytes(data)
    assert files_state(str(folder)) != state


def test_another_version_of_a_library_is_another_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = files_state(str(folder))
    monkeypatch.setattr("index.models.files_state.versions_here", lambda: {"torch": "1.0"})
    assert files_state(str(folder)) not in (state, None)


def test_what_has_just_changed_or_is_not_there_has_none(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert files_state(str(folder)) is None
    assert files_state(str(tmp_path / "none")) is None
    (folder / "distilled.json").write_text("{")
    assert files_state(str(folder)) is None
