"""frames.faiss: stable ids, kept up to date without reading twice, exact."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CueframeError
from index.storage import faiss_index
from index.storage.catalog import VideoRow
from index.storage.faiss_index import (
    FaissUpdate,
    faiss_path,
    frame_ids,
    held_ids,
    open_search,
    split_ids,
)
from index.storage.store import Profile, Vectors, read_own_vectors, write_vectors
from tests.index.storage.test_store import METADATA, PROFILE

WIDTH = PROFILE.width


class Index:
    """Vector files of some videos, and how often they were read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.vectors: dict[int, np.ndarray] = {}
        self.videos: dict[int, VideoRow] = {}
        self.read: list[str] = []

        def noted(index: Path, profile: Profile, content_hash: str) -> object:
            self.read.append(content_hash)
            return read_own_vectors(index, profile, content_hash)

        monkeypatch.setattr(faiss_index, "read_own_vectors", noted)

    def add(self, number: int, frames: int) -> None:
        drawn = np.random.default_rng(number).normal(size=(frames, WIDTH))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        self.vectors[number] = drawn.astype(np.float16)[:, None]
        self.videos[number] = VideoRow(content_hash=f"{number:032x}", number=number, frames=frames)
        write_vectors(
            self.folder,
            Vectors(
                content_hash=f"{number:032x}",
                profile=PROFILE,
                path_hint="/v.mp4",
                embeddings=self.vectors[number],
                time_s=np.arange(frames, dtype=np.float64),
                end_s=np.arange(frames, dtype=np.float64) + 0.5,
                metadata=METADATA,
            ),
        )

    def remove(self, number: int) -> None:
        del self.vectors[number], self.videos[number]

    def update(self) -> int:
        """Bring frames.faiss up to date; returns how many videos were read from their files."""
        before = len(self.read)
        update = FaissUpdate(self.folder, WIDTH)
        update.keep_only(self.videos.values())
        update.add_missing(self.videos.values(), PROFILE)
        update.write()
        return len(self.read) - before

    def content(self) -> dict[int, bytes]:
        """Id to float32 vector, as the file holds them."""
        opened = open_search(self.folder, mapped=False).faiss
        stored = opened.index.reconstruct_n(0, opened.ntotal)
        ids = held_ids(opened).tolist()
        assert len(set(ids)) == len(ids) == opened.ntotal
        return {i: row.tobytes() for i, row in zip(ids, stored, strict=True)}

    def expected(self) -> dict[int, bytes]:
        return {
            i: row.tobytes()
            for number, vectors in self.vectors.items()
            for i, row in zip(
                frame_ids(number, *vectors.shape[:2]).tolist(),
                vectors.reshape(-1, WIDTH).astype(np.float32),
                strict=True,
            )
        }


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path, monkeypatch)
    for number, frames in ((1, 5), (2, 1), (3, 40), (7, 12)):
        made.add(number, frames)
    return made


@given(number=st.integers(1, 2**31 - 1), frames=st.integers(1, 50), tiles=st.integers(1, 64))
def test_an_id_tells_the_video_the_row_and_the_tile(number: int, frames: int, tiles: int) -> None:
    ids = frame_ids(number, frames, tiles)
    assert ids.dtype == np.int64
    numbers, rows, places = split_ids(ids)
    assert (numbers == number).all()
    assert rows.tolist() == np.repeat(range(frames), tiles).tolist()
    assert places.tolist() == list(range(tiles)) * frames


def test_all_indexed_videos_are_in_it(index: Index) -> None:
    index.videos[9] = VideoRow(content_hash="f" * 32, number=9, status="failed", error="broken")
    assert index.update() == 4
    assert index.content() == index.expected()


def test_only_new_videos_are_read(index: Index) -> None:
    index.update()
    assert len(index.read) == 4
    index.read.clear()
    before = faiss_path(index.folder).stat()
    assert index.update() == 0
    assert index.read == []
    assert faiss_path(index.folder).stat().st_mtime_ns == before.st_mtime_ns  # nothing to write
    index.add(11, 3)
    assert index.update() == 1
    assert index.read == [f"{11:032x}"]
    assert index.content() == index.expected()


def test_what_goes_leaves_the_others_ids_alone(index: Index) -> None:
    index.update()
    before = index.content()
    index.read.clear()
    index.remove(1)
    index.remove(3)
    assert index.update() == 0
    assert index.read == []
    assert index.content() == index.expected()
    assert index.content().items() <= before.items()
    for number in (2, 7):
        index.remove(number)
    index.update()
    assert index.content() == {}
    index.add(12, 2)
    index.update()
    assert index.content() == index.expected()


def test_a_video_that_failed_leaves(index: Index) -> None:
    index.update()
    del index.vectors[7]
    index.videos[7] = replace(index.videos[7], status="failed")
    index.update()
    assert index.content() == index.expected()


def test_a_changed_video_comes_under_a_new_number(index: Index) -> None:
    index.update()
    index.remove(7)
    index.add(13, 12)
    assert index.update() == 1
    assert index.content() == index.expected()
    assert 7 not in split_ids(np.array(list(index.content()))).number


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
def test_a_lost_or_damaged_file_is_made_anew(index: Index, damage: str) -> None:
    index.update()
    path = faiss_path(index.folder)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "other": b"x" * 100}[damage])
    for mapped in (True, False):
        with pytest.raises(CueframeError, match=r"is (missing|damaged).*; .* --repair") as caught:
            open_search(index.folder, mapped=mapped)
        assert "\n" not in str(caught.value)
        assert ("faiss is missing" in str(caught.value)) == (damage == "missing")
    assert index.update() == 4
    assert index.content() == index.expected()


def test_a_search_equals_brute_force(index: Index) -> None:
    index.update()
    queries = np.random.default_rng(5).normal(size=(20, WIDTH)).astype(np.float32)
    for mapped in (True, False):
        scores, ids = open_search(index.folder, mapped=mapped).faiss.search(queries, 10)
        numbers, rows, _ = split_ids(ids)
        every = np.concatenate([v[:, 0].astype(np.float32) for v in index.vectors.values()])
        names = np.concatenate([frame_ids(n, len(v)) for n, v in index.vectors.items()])
        brute = queries @ every.T
        best = np.argsort(-brute, axis=1)[:, :10]
        assert (ids == names[best]).all()
        assert scores == pytest.approx(np.take_along_axis(brute, best, axis=1), abs=1e-5)
        for query, found, row, score in zip(
            queries, numbers[:, 0], rows[:, 0], scores[:, 0], strict=True
        ):
            vector = index.vectors[int(found)][row, 0].astype(np.float32)
            assert float(query @ vector) == pytest.approx(float(score), abs=1e-5)


def test_a_failed_write_leaves_the_file_as_it_was(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update()
    before = faiss_path(index.folder).read_bytes()
    index.add(20, 4)

    write: Any = faiss.write_index

    def half(opened: object, name: str) -> None:
        Path(name).write_bytes(b"half")
        write(opened, "/dev/full")

    monkeypatch.setattr(faiss, "write_index", half)
    with pytest.raises(CueframeError, match="make room or rights"):
        index.update()
    assert faiss_path(index.folder).read_bytes() == before
    assert sorted(path.name for path in index.folder.iterdir()) == ["frames.faiss", "vectors"]


def test_what_was_dropped_can_come_back_in_the_same_update(index: Index) -> None:
    index.update()
    update = FaissUpdate(index.folder, WIDTH)
    assert update.keep_only([])
    assert not update.keep_only([])
    update.add_missing(index.videos.values(), PROFILE)
    update.write()
    assert index.content() == index.expected()


def test_a_disk_that_does_not_map_files_is_no_damage(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update()
    read = faiss.read_index

    def unmapped(path: str, flags: int = 0) -> Any:
        if flags:
            raise RuntimeError("mmap() failed: No such device")
        return read(path)

    monkeypatch.setattr(faiss, "read_index", unmapped)
    assert open_search(index.folder).faiss.ntotal == len(index.expected())
