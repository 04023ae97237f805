"""Bytes are looked at before HDF5 opens a file, and values come from this very file."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError, DamagedError
from index.storage.sealed_file import hash_of_sealed, read_sealed, write_sealed

CONTENT = "ab" + "1" * 30
ARRAYS = {"one": np.arange(12, dtype=np.float16).reshape(3, 4), "two": np.arange(3.0)}
ATTRIBUTES = {"text": "đường", "bytes": b"\xff", "number": 3, "real": 0.1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in its place in an index."""
    file = tmp_path / "vectors" / "ab" / f"{CONTENT}.h5"
    write_sealed(file, CONTENT, ARRAYS, ATTRIBUTES)
    return file


def read(path: Path, content: str = CONTENT) -> tuple[dict[str, Any], dict[str, Any]]:
    return read_sealed(path, content, tuple(ARRAYS))


def refusal(path: Path, content: str = CONTENT) -> str:
    with pytest.raises(
        DamagedError, match=r"is damaged .*; python index/check\.py .* --repair"
    ) as e:
        read(path, content)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_what_was_written_comes_back(path: Path) -> None:
    arrays, attributes = read(path)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert attributes["text"] == "đường"
    assert os.fsencode(attributes["bytes"]) == b"\xff"
    assert (attributes["number"], attributes["real"]) == (3, 0.1)


def test_the_first_line_says_whose_it_is(path: Path) -> None:
    line = path.read_bytes().split(b"\n")[0].decode()
    assert line == (
        f"Cueframe vectors of {CONTENT}, xxh3 of the bytes after these 512: {hash_of_sealed(path)}"
    )


def test_other_programs_can_read_it(path: Path) -> None:
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["one"][:], ARRAYS["one"])


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_bit_anywhere_is_noticed(place: float, bit: int, tmp_path_factory: Any) -> None:
    file = tmp_path_factory.mktemp("bits") / "vectors" / "ab" / f"{CONTENT}.h5"
    write_sealed(file, CONTENT, ARRAYS, ATTRIBUTES)
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file.write_bytes(data)
    refusal(file)


@pytest.mark.parametrize("more", [b"\0", b"noise"])
def test_appended_bytes_are_noticed(path: Path, more: bytes) -> None:
    with path.open("ab") as file:
        file.write(more)
    refusal(path)


def test_the_file_of_another_content_is_refused(path: Path) -> None:
    assert f"it holds the vectors of {CONTENT}" in refusal(path, "cd" + "1" * 30)


def test_hdf5_never_opens_a_damaged_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    monkeypatch.setattr(h5py, "File", lambda *_: pytest.fail("it was opened"))
    refusal(path)


def links(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["one"] = ARRAYS["one"]
    file["one"] = h5py.ExternalLink(str(folder / "other.h5"), "one")


def storage(file: h5py.File, folder: Path) -> None:
    (folder / "raw").write_bytes(ARRAYS["one"].tobytes())
    external = [(str(folder / "raw"), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("one", (3, 4), np.float16, external=external)


def virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["one"] = ARRAYS["one"]
    layout = h5py.VirtualLayout((3, 4), np.float16)
    layout[:] = h5py.VirtualSource(folder / "other.h5", "one", (3, 4))
    file.create_virtual_dataset("one", layout)


def soft(file: h5py.File, folder: Path) -> None:
    file["other"] = ARRAYS["one"]
    file["one"] = h5py.SoftLink("/other")


@pytest.mark.parametrize("make", [links, storage, virtual, soft, h5py.File.create_group])
def test_values_from_elsewhere_are_refused_in_a_file_without_seal_too(
    make: Any, tmp_path: Path
) -> None:
    file = tmp_path / "vectors" / "ab" / f"{CONTENT}.h5"
    file.parent.mkdir(parents=True)
    with h5py.File(file, "w") as opened:
        opened["two"] = ARRAYS["two"]
        make(opened, "one" if make is h5py.File.create_group else tmp_path)
    assert "one is no array in this file" in refusal(file)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    file = tmp_path / "vectors" / "ab" / f"{CONTENT}.h5"
    file.parent.mkdir(parents=True)
    with h5py.File(file, "w") as opened:
        for name, array in ARRAYS.items():
            opened[name] = array
    np.testing.assert_array_equal(read(file)[0]["one"], ARRAYS["one"])
    assert hash_of_sealed(file) is None


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_damage(path: Path, kind: str) -> None:
    path.unlink()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(DamagedError, match="is no file"):
        read(path)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(24, "Too many")]
)
def test_a_file_out_of_reach_is_not_called_damaged(
    path: Path, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> bytes:
        raise error

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(CueframeError, match=r"cannot be read \(.*\); it may be sound") as caught:
        read(path)
    assert not isinstance(caught.value, DamagedError)


def test_a_missing_file_is_one_line(path: Path) -> None:
    path.unlink()
    with pytest.raises(CueframeError, match=r"is missing; index/build\.py embeds") as caught:
        read(path)
    assert not isinstance(caught.value, DamagedError)


@pytest.mark.parametrize("hint", ["x.mp4", "xe tải đỏ.mp4", "", b"\xff\xfe.mp4"])
def test_the_bytes_are_those_that_hdf5_writes_to_a_file(path: Path, hint: str | bytes) -> None:
    """So that files of earlier versions are the same to the byte."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "embeddings": rng.normal(size=(50, 2, 24)).astype(np.float16),
        "time_s": np.arange(50) / 2,
    }
    attributes: dict[str, Any] = {
        "schema": 2,
        "profile": "{}" * 100,
        "path_hint": hint,
        "duration_s": 25.0,
    }
    write_sealed(path, CONTENT, arrays, attributes)
    plain = path.with_name("plain.h5")
    with h5py.File(plain, "w", userblock_size=512, locking=False) as file:
        for name, array in arrays.items():
            file[name] = array
        file.attrs.update(attributes)
    assert path.read_bytes()[512:] == plain.read_bytes()[512:]
