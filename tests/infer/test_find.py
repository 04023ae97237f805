"""find.py against every vector of the index, compared one by one in numpy."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.storage.search_seal import add_seal
from index.storage.store import read_vectors, vectors_path, write_vectors
from tests.fixtures_infer import (
    KINDS,
    as_a_user,
    ran,
    refused,
    seen_as,
    stored,
    text_vectors,
    world,
)

Capture = pytest.CaptureFixture[str]
Frame = tuple[str, float, float]
TEXT = "a car  left of the\nbridge"


def every_frame(skip: str = "none") -> list[Frame]:
    """Video, time and score of all frames but those of one video, the best first."""
    here = world()
    (text,) = text_vectors(here.model, [" ".join(TEXT.split())])
    frames: list[Frame] = []
    for name in KINDS:
        if name not in ("bad.mp4", skip):
            vectors, time_s, _ = stored(here.index, here.videos / name)
            scores = (vectors @ text).tolist()
            frames += zip(
                [str(here.videos / name)] * len(scores), time_s.tolist(), scores, strict=True
            )
    return sorted(frames, key=lambda frame: -frame[2])


def same(records: list[dict[str, object]], frames: list[Frame]) -> None:
    """Scores agree; where they are clearly apart, so does their order."""
    assert len(records) == len(frames)
    assert all(list(record) == ["video", "time_s", "score"] for record in records)
    found = [(r["video"], r["time_s"], r["score"]) for r in records]
    scores = [score for _, _, score in frames]
    assert [score for _, _, score in found] == pytest.approx(scores, abs=2e-6)
    gaps = np.abs(np.diff([np.inf, *scores, -np.inf])) > 1e-5
    for n, (one, other) in enumerate(zip(found, frames, strict=True)):
        if gaps[n] and gaps[n + 1]:
            assert one[:2] == other[:2]


@pytest.mark.parametrize("top", [1, 7, 10_000])
def test_the_same_as_comparing_every_vector(capsys: Capture, top: int) -> None:
    result = ran(capsys, "find.py", TEXT, "--index", world().index, "--top", top)
    assert (result.code, result.err) == (0, "")
    same(result.records, every_frame()[:top])


def test_a_video_without_a_row_in_the_catalog_is_told(capsys: Capture, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_frame()[0][0])
    content = seen_as(index, best).content_hash
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        catalog.execute("DELETE FROM videos WHERE content_hash = ?", (content,))
    catalog.close()
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 12)
    assert result.code == 1
    same(result.records, every_frame(str(best.relative_to(world().videos)))[:12])
    line = (
        f"failed: {best}: not searched, since frames.faiss lacks their frames; run index/build.py "
        "again\n"
    )
    assert line in result.err


@pytest.mark.parametrize("tables", [("videos", "paths"), ("paths",)])
def test_a_catalog_of_before_the_last_build_is_told(
    capsys: Capture, tmp_path: Path, tables: tuple[str, ...]
) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_frame()[0][0])
    content = seen_as(index, best).content_hash
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        for table in tables:
            catalog.execute(f"DELETE FROM {table} WHERE content_hash = ?", (content,))
    catalog.close()
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 12)
    assert result.code == 1
    same(result.records, every_frame(str(best.relative_to(world().videos)))[:12])
    assert "has frames of 1 videos that the catalog does not know" in result.err


def test_frames_of_another_vector_than_the_files_are_not_shown(
    capsys: Capture, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_frame()[0][0])
    vectors = read_vectors(index, seen_as(index, best).content_hash)
    write_vectors(index, replace(vectors, embeddings=-vectors.embeddings))
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 10_000)
    assert result.code == 1
    same(result.records, every_frame(str(best.relative_to(world().videos))))
    assert "frames.faiss has other vectors of" in result.err


def test_a_damaged_vector_file_is_told(capsys: Capture, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_frame()[0][0])
    vectors_path(index, seen_as(index, best).content_hash).write_bytes(b"")
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 10_000)
    assert result.code == 1
    same(result.records, every_frame(str(best.relative_to(world().videos))))
    assert result.err.startswith("failed: the vector file ")
    assert result.err.count("\n") == 1


def test_a_long_text_is_told(capsys: Capture) -> None:
    asked = ("find.py", "car " * 80, "--index", world().index, "--top", 2)
    result = ran(capsys, *asked, "--long-text", "truncate")
    assert result.code == 0
    assert len(result.records) == 2
    assert result.err.startswith("warning: the model reads 77 tokens")
    result = ran(capsys, *asked)
    assert result.err.startswith("the text is longer than the 77 tokens that the model reads; it")


def test_of_a_long_text_the_best_window_finds(capsys: Capture) -> None:
    """All frames, each with the score of the sentence that it fits best."""
    sentences = ["car " * 20 + "passes.", "bus " * 20 + "stops."]
    flags = ("--index", world().index, "--top", 10_000)
    parts = [ran(capsys, "find.py", one, *flags).records for one in sentences]
    best: dict[tuple[str, float], float] = {}
    for hit in [*parts[0], *parts[1]]:
        at = hit["video"], hit["time_s"]
        best[at] = max(best.get(at, -1.0), hit["score"])
    for top in (10_000, 3):
        flags = ("--index", world().index, "--top", top)
        found = ran(capsys, "find.py", " ".join(sentences), *flags).records
        assert [hit["score"] for hit in found] == pytest.approx(
            sorted(best.values(), reverse=True)[:top], abs=2e-6
        )
        for hit in found:
            assert hit["score"] == pytest.approx(best[hit["video"], hit["time_s"]], abs=2e-6)


@pytest.mark.parametrize(
    ("text", "flags", "wanted"),
    [
        (" \n", (), "TEXT is blank"),
        ("caf\udce9", (), "TEXT is not UTF-8"),
        ("car", ("--top", 0), "--top is 0"),
        ("car", ("--top", -1), "--top is -1"),
        ("car", ("--index", "nowhere"), "nowhere is no index"),
        ("car", ("--model", "nowhere"), "nowhere is no folder here"),
    ],
)
def test_wrong_calls(capsys: Capture, text: str, flags: tuple[object, ...], wanted: str) -> None:
    index = () if "--index" in flags else ("--index", world().index)
    refused(ran(capsys, "find.py", text, *index, *flags), wanted)


@pytest.mark.parametrize(("data", "wanted"), [(None, "is missing"), (b"xx", "is damaged")])
def test_no_search_file(capsys: Capture, tmp_path: Path, data: bytes | None, wanted: str) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    (index / "frames.faiss").unlink()
    if data is not None:
        (index / "frames.faiss").write_bytes(data)
    refused(ran(capsys, "find.py", TEXT, "--index", index), f"frames.faiss {wanted}", "--repair")


def test_an_index_without_frames(capsys: Capture, tmp_path: Path) -> None:
    import faiss

    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    faiss.write_index(faiss.IndexIDMap(faiss.IndexFlatIP(64)), str(index / "frames.faiss"))
    add_seal(index / "frames.faiss", {})
    refused(ran(capsys, "find.py", TEXT, "--index", index), "holds no frames")


def test_as_a_user() -> None:
    done = as_a_user("find.py", TEXT, "--index", world().index, "--top", "3")
    assert (done.code, done.err) == (0, "")
    same(done.records, every_frame()[:3])
