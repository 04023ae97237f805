"""Files of an index appear whole or not at all, and a damaged one is a line, never a traceback."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from index.decoding.frame_types import VideoMetadata
from index.errors import CueframeError
from index.storage.atomic_write import written_whole
from index.storage.store import (
    Profile,
    Vectors,
    read_own_vectors,
    read_profile,
    read_vectors,
    vectors_fault,
    vectors_path,
    write_profile,
    write_vectors,
)
from tests.paths import ROOT

HASH = "ab" + "0" * 30
METADATA = VideoMetadata(
    duration_s=4.0, start_s=0.125, width=320, height=180, warnings=["truncated: ü", "b"]
)
PROFILE = Profile(
    model="openai/clip",
    fingerprint="f" * 32,
    width=16,
    fps=2.0,
    resize="exact",
    view="center",
    dtype="float32",
)


def embeddings(frames: int = 8, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(frames, 16))
    unit: np.ndarray = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)
    return unit[:, None]


def write(index: Path, seed: int = 0, **changes: Any) -> Path:
    values = {
        "content_hash": HASH,
        "profile": PROFILE,
        "path_hint": "/videos/đường phố.mp4",
        "embeddings": embeddings(seed=seed),
        "time_s": np.arange(8) / 2,
        "end_s": np.arange(8) / 2 + 0.04,
        "metadata": METADATA,
    }
    write_vectors(index, Vectors(**{**values, **changes}))
    return vectors_path(index, HASH)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert path == tmp_path / "vectors" / "ab" / f"{HASH}.h5"
    vectors = read_vectors(tmp_path, HASH)
    assert (vectors.embeddings == embeddings()).all()
    assert (vectors.time_s == np.arange(8) / 2).all()
    assert (vectors.end_s == np.arange(8) / 2 + 0.04).all()
    assert vectors.embeddings.shape == (8, 1, 16)
    assert vectors.embeddings.dtype == np.dtype("float16")
    assert vectors.time_s.dtype == np.dtype("float64")
    assert (vectors.content_hash, vectors.path_hint) == (HASH, "/videos/đường phố.mp4")
    assert (vectors.profile, vectors.metadata) == (PROFILE, METADATA)


def test_the_file_is_what_others_may_rely_on(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path)) as file:
        assert set(file) == {"embeddings", "time_s", "end_s"}
        assert file["embeddings"].shape == (8, 1, 16)
        assert json.loads(file.attrs["profile"]) == PROFILE.model_dump()
        assert set(file.attrs) == {
            *("schema", "profile", "content_hash", "path_hint", "duration_s", "start_s"),
            *("width", "height", "warnings", "hash"),
        }
        for name in file:
            assert file[name].chunks is None  # contiguous, so it can be mapped
            assert file[name].compression is None


TILES = PROFILE.model_copy(update={"view": "tiles"})


@pytest.mark.parametrize(
    ("profile", "shape", "wanted"),
    [
        (PROFILE, (8, 1, 16), ""),
        (PROFILE, (8, 3, 16), "(8, 3, 16), not float16 (F, 1, 16)"),
        (PROFILE, (8, 16), "(8, 16), not float16 (F, 1, 16)"),
        (PROFILE, (7, 1, 16), "(7, 1, 16), not float16 (F, 1, 16)"),
        (TILES, (8, 1, 16), ""),
        (TILES, (8, 3, 16), ""),
        (TILES, (8, 64, 16), ""),
        (TILES, (8, 65, 16), "(8, 65, 16), not float16 (F, 1 to 64, 16)"),
        (TILES, (8, 0, 16), "(8, 0, 16), not float16 (F, 1 to 64, 16)"),
        (TILES, (8, 3, 8), "(8, 3, 8), not float16 (F, 1 to 64, 16)"),
    ],
)
def test_only_tiles_make_several_vectors_of_a_frame(
    tmp_path: Path, profile: Profile, shape: tuple[int, ...], wanted: str
) -> None:
    drawn = np.random.default_rng(0).normal(size=shape)
    unit = (drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)).astype(np.float16)
    write(tmp_path, profile=profile, embeddings=unit)
    fault = vectors_fault(read_vectors(tmp_path, HASH), 16)
    assert fault == (wanted and f"it has float16 {wanted}")
    if not wanted:
        assert len(read_own_vectors(tmp_path, profile, HASH).tiles) == shape[1]
        unit[5, -1] *= 2
        write(tmp_path, profile=profile, embeddings=unit)
        with pytest.raises(CueframeError, match=r"not of unit length \(one is [12]\."):
            read_own_vectors(tmp_path, profile, HASH)


@pytest.mark.parametrize("name", ["embeddings", "time_s", "end_s"])
def test_a_changed_number_is_noticed(tmp_path: Path, name: str) -> None:
    with h5py.File(write(tmp_path), "r+") as file:
        values = file[name][:]
        values.reshape(-1)[3] += np.asarray(1e-3, values.dtype)
        file[name][...] = values
    with pytest.raises(CueframeError, match="is damaged"):
        read_vectors(tmp_path, HASH)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration_s", 4.5),
        ("start_s", np.nextafter(0.125, 1)),
        ("width", 321),
        ("path_hint", "/videos/x.mp4"),
        ("warnings", "[]"),
        ("profile", PROFILE.model_copy(update={"fps": 3.0}).model_dump_json()),
        ("content_hash", "cd" + "0" * 30),
        ("another", 1),
        ("hash", "0" * 32),
    ],
)
def test_a_changed_attribute_is_noticed(tmp_path: Path, name: str, value: object) -> None:
    with h5py.File(write(tmp_path), "r+") as file:
        file.attrs[name] = value
    with pytest.raises(CueframeError, match="is damaged"):
        read_vectors(tmp_path, HASH)


def test_the_hash_tells_apart_what_looks_alike_in_a_row(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path), "r+") as file:
        values = file["embeddings"][:]
        del file["embeddings"]
        file["embeddings"] = values.reshape(8, 2, 8)  # the same bytes
    with pytest.raises(CueframeError, match="is damaged"):
        read_vectors(tmp_path, HASH)


def test_an_index_of_an_older_schema_is_named_with_the_command_that_builds_the_same(
    tmp_path: Path,
) -> None:
    write_profile(tmp_path, PROFILE)
    path = tmp_path / "profile.json"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    with pytest.raises(CueframeError) as caught:
        read_profile(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is of schema 1, and this version reads schema 2; build it anew with "
        f"python index/build.py VIDEOS --index {tmp_path} --rebuild --model openai/clip --fps 2.0 "
        "--resize exact --view center"
    )


def test_the_same_vectors_are_the_same_file(tmp_path: Path) -> None:
    first = write(tmp_path / "a").read_bytes()
    assert write(tmp_path / "b").read_bytes() == first


def test_a_failure_before_the_end_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    before = path.read_bytes()

    class KilledError(Exception):
        pass

    for place in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*args: object) -> None:
                raise KilledError

            if place == "fsync":
                patch.setattr(os, "fsync", fail)
            else:
                patch.setattr(Path, "replace", fail)
            with pytest.raises(KilledError):
                write(tmp_path, seed=1)
        assert path.read_bytes() == before

    def write_half() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise KilledError

    with pytest.raises(KilledError):
        write_half()
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]
    write(tmp_path, seed=1)
    assert path.read_bytes() != before


def test_a_process_killed_while_it_writes_leaves_what_was_there(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    code = (
        "import os, sys, h5py\n"
        "from pathlib import Path\n"
        "from index.storage.store import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as temporary, h5py.File(temporary, 'w') as file:\n"
        "    file['embeddings'] = [1.0] * 1000\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == -9
    assert path.read_bytes() == before
    assert len(read_vectors(tmp_path, HASH).time_s) == 8


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_text("a file where a folder should be")
    with pytest.raises(CueframeError, match=r"cannot be written .* make room or rights"):
        write(tmp_path)


def refusal(index: Path) -> str:
    with pytest.raises(CueframeError, match=r"is damaged .*--repair|is missing; ") as caught:
        read_vectors(index, HASH)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_vectors_are_one_line(tmp_path: Path) -> None:
    assert HASH in refusal(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_cut_vector_file_is_one_line(share: float, tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refusal(tmp_path)


def test_other_content_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    for other in (b"no HDF5", bytes(len(data)), data[:8] + random.Random(1).randbytes(len(data))):
        path.write_bytes(other)
        refusal(tmp_path)


@pytest.mark.parametrize("name", ["embeddings", "time_s"])
def test_a_dataset_that_is_missing_or_something_else_is_one_line(name: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    with h5py.File(path, "a") as file:
        del file[name]
    refusal(tmp_path)
    with h5py.File(path, "a") as file:
        file.create_group(name)
    refusal(tmp_path)


@pytest.mark.parametrize("name", ["profile", "content_hash", "duration_s", "width", "warnings"])
def test_an_attribute_that_is_missing_or_no_value_is_one_line(name: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    with h5py.File(path, "a") as file:
        del file.attrs[name]
    refusal(tmp_path)
    if name in ("duration_s", "width", "warnings"):
        with h5py.File(path, "a") as file:
            file.attrs[name] = "not a value ["
        refusal(tmp_path)


def test_a_profile_comes_back_as_it_was(tmp_path: Path) -> None:
    write_profile(tmp_path / "new", PROFILE)
    assert read_profile(tmp_path / "new") == PROFILE
    assert names(tmp_path) == ["profile.json"]


def test_a_profiles_key_tells_vectors_apart() -> None:
    same = [{"model": "a/copy"}, {"dtype": "float16"}]
    other: list[dict[str, Any]] = [{"fingerprint": "e" * 32}, {"fps": 2.5}, {"resize": "decoder"}]
    assert {PROFILE.model_copy(update=change).key for change in same} == {PROFILE.key}
    keys = {PROFILE.model_copy(update=change).key for change in other}
    assert len(keys | {PROFILE.key}) == 4


def changed(**changes: Any) -> bytes:
    return json.dumps({**PROFILE.model_dump(), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b"[]", "object"),
        (b"{}", "model: Field required"),
        (changed(fps="two"), "fps: Input should be a valid number"),
        (
            changed(view="round"),
            "view: Input should be 'center', 'stretch', 'pad', 'tiles' or 'native'",
        ),
        (changed(more=1), "more: Extra inputs"),
        (changed(schema_version=3), "schema_version: Input should be 2"),
    ],
)
def test_a_malformed_profile_is_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_bytes(content)
    with pytest.raises(CueframeError, match=r"profile\.json is damaged .*--rebuild") as caught:
        read_profile(tmp_path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_profile_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(CueframeError, match=r"is no index.* make one with"):
        read_profile(tmp_path)
