"""Videos of a build are recorded some at a time, and none is lost."""

from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index import recording as module
from index.decoding.frame_types import VideoMetadata
from index.recording import Recorder, recording
from index.storage.atomic_write import sync_files
from index.storage.catalog import Catalog, VideoRow, all_videos, open_catalog, put_videos, row_of
from index.storage.faiss_index import FaissUpdate, held_ids, open_search, split_ids
from index.storage.store import Profile, Vectors, write_profile, write_vectors

WIDTH = 8
PROFILE = Profile(
    model="m",
    fingerprint="f" * 32,
    width=WIDTH,
    fps=2.0,
    resize="exact",
    view="center",
    dtype="float32",
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "index").mkdir()
    write_profile(tmp_path / "index", PROFILE)
    return tmp_path / "index"


@pytest.fixture
def catalog(index: Path) -> Iterator[Catalog]:
    with closing(open_catalog(index)) as catalog:
        yield catalog


def put(recorder: Recorder, number: int) -> Vectors:
    """Write the vector file of a video, and give it to the recorder."""
    embeddings = np.zeros((number + 1, 1, WIDTH), np.float16)
    embeddings[..., number % WIDTH] = 1
    times = np.arange(number + 1, dtype=np.float64)
    vectors = Vectors(
        embeddings=embeddings,
        time_s=times,
        end_s=times + 1,
        content_hash=f"{number:032x}",
        path_hint=f"{number}.mp4",
        profile=PROFILE,
        metadata=VideoMetadata(duration_s=number + 1.0, start_s=0.0, width=64, height=36),
    )
    write_vectors(recorder.index, vectors, synced=False)
    recorder.put(f"{number}.mp4", row_of(recorder.index, vectors), embeddings)
    return vectors


def in_another_connection(index: Path) -> set[str]:
    with closing(open_catalog(index, must_exist=True)) as catalog:
        return set(all_videos(catalog))


def test_all_are_there_at_the_end(index: Path, catalog: Catalog) -> None:
    search = FaissUpdate(index, WIDTH)
    with recording(index, catalog, search) as recorder:
        videos = [put(recorder, number) for number in range(5)]
        failed = VideoRow(content_hash="e" * 32, status="failed", error="it is broken")
        recorder.put("bad.mp4", failed, None)
        assert in_another_connection(index) == set()
    search.write()
    rows = all_videos(catalog)
    assert [rows[video.content_hash].frames for video in videos] == [1, 2, 3, 4, 5]
    assert rows["e" * 32].error == "it is broken"
    assert [row.content_hash for row in recorder.rows] == [*map(_content, videos), "e" * 32]
    assert recorder.unrecorded == {}
    held = open_search(index)
    assert held.videos == {rows[video.content_hash].number: _content(video) for video in videos}
    numbers = split_ids(held_ids(held.faiss)).number.tolist()
    assert sorted(numbers) == [
        n for n, frames in zip(held.videos, range(1, 6), strict=True) for _ in range(frames)
    ]


def _content(video: Vectors) -> str:
    return video.content_hash


@pytest.mark.parametrize(
    ("bound", "value"), [("_MOST_VIDEOS", 3), ("_MOST_BYTES", 60), ("_LONGEST_S", -1.0)]
)
def test_they_wait_no_longer_than_each_bound(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, bound: str, value: float
) -> None:
    monkeypatch.setattr(module, bound, value)
    with recording(index, catalog, FaissUpdate(index, WIDTH)) as recorder:
        for number in range(3):
            put(recorder, number)
        assert recorder._syncing
        wait([recorder._syncing])
        put(recorder, 3)  # by then the disk has the first ones
        assert len(in_another_connection(index)) >= 3


def test_what_waits_is_recorded_by_a_run_that_is_interrupted(index: Path, catalog: Catalog) -> None:
    def interrupted() -> None:
        with recording(index, catalog) as recorder:
            put(recorder, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(in_another_connection(index)) == 1


def test_files_are_on_the_disk_before_the_catalog_knows_them(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, record = sync_files, put_videos

    def synced(paths: Iterator[Path]) -> None:
        paths = iter(found := list(paths))
        done.extend(path.stem for path in found)
        sync(paths)

    def recorded(catalog: Catalog, rows: list[VideoRow]) -> list[int]:
        assert {row.content_hash for row in rows} <= set(done)
        done.append("catalog")
        return record(catalog, rows)

    monkeypatch.setattr(module, "sync_files", synced)
    monkeypatch.setattr(module, "put_videos", recorded)
    with recording(index, catalog) as recorder:
        put(recorder, 0)
        put(recorder, 1)
    assert done == [f"{0:032x}", f"{1:032x}", "catalog"]
    with recording(index) as follower:  # another process writes the catalog
        put(follower, 2)
    assert done[3:] == [f"{2:032x}"]
    assert len(follower.rows) == 1


def test_one_that_cannot_be_recorded_costs_itself(
    index: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = put_videos

    def refusing(catalog: Catalog, rows: list[VideoRow]) -> list[int]:
        if any(row.frames == 2 for row in rows):
            raise ValueError("an odd\nname")
        return record(catalog, rows)

    monkeypatch.setattr(module, "put_videos", refusing)
    with recording(index, catalog, FaissUpdate(index, WIDTH)) as recorder:
        for number in range(3):
            put(recorder, number)
    assert [row.frames for row in recorder.rows] == [1, 3]
    assert recorder.unrecorded == {"1.mp4": "ValueError: an odd name"}
    assert len(in_another_connection(index)) == 2
