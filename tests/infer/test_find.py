"""find.py against every vector of the index, compared one by one in numpy."""

import shutil
import sqlite3
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from index.decoding.decoders import frames_at
from index.errors import CueframeError
from index.storage.search_seal import add_seal
from index.storage.store import read_vectors, vectors_path, write_vectors
from infer.query_encoder import encode_texts
from tests.fixtures_infer import (
    KINDS,
    as_a_user,
    ends_of,
    ran,
    refused,
    seen_as,
    stored,
    text_vectors,
    world,
)
from tests.moments import plain_moments
from tests.paths import ROOT

Capture = pytest.CaptureFixture[str]
Moment = dict[str, Any]
TEXT = "a car  left of the\nbridge"


def curves(*texts: str) -> dict[str, np.ndarray]:
    """The scores (texts, F) of all frames, by path of the video."""
    here = world()
    vectors = text_vectors(here.model, [" ".join(text.split()) for text in texts])
    paths = [here.videos / name for name in KINDS if name != "bad.mp4"]
    return {str(path): vectors @ stored(here.index, path)[0].T for path in paths}


def moments_of(scores: dict[str, np.ndarray], skip: str = "none") -> list[Moment]:
    """All moments of curves (F,) but those of one video, the best first."""
    here = world()
    found: list[Moment] = []
    for path, curve in scores.items():
        if not path.endswith(skip):
            time_s, end_s = stored(here.index, Path(path))[1], ends_of(here.index, Path(path))
            for peak, first, last in plain_moments(curve.tolist()):
                at = {"start_s": time_s[first], "end_s": end_s[last], "time_s": time_s[peak]}
                found.append({"video": path, **at, "score": curve[peak]})
    return sorted(found, key=lambda m: (-round(m["score"], 6), m["video"], m["time_s"]))


def every_moment(skip: str = "none") -> list[Moment]:
    return moments_of({path: scores[0] for path, scores in curves(TEXT).items()}, skip)


def same(records: list[Moment], moments: list[Moment]) -> None:
    """Scores agree; where they are clearly apart, so does their order."""
    assert len(records) == len(moments)
    assert all(
        list(record) == ["video", "start_s", "end_s", "time_s", "score"] for record in records
    )
    scores = [moment["score"] for moment in moments]
    assert [record["score"] for record in records] == pytest.approx(scores, abs=2e-6)
    gaps = np.abs(np.diff([np.inf, *scores, -np.inf])) > 1e-5
    for n, (one, other) in enumerate(zip(records, moments, strict=True)):
        if gaps[n] and gaps[n + 1]:
            assert one | {"score": 0} == other | {"score": 0}


@pytest.mark.parametrize("top", [1, 7, 10_000])
def test_the_moments_of_every_video(capsys: Capture, top: int) -> None:
    result = ran(capsys, "find.py", TEXT, "--index", world().index, "--top", top)
    assert (result.code, result.err) == (0, "")
    same(result.records, every_moment()[:top])


def test_a_video_without_a_row_in_the_catalog_is_told(capsys: Capture, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_moment()[0]["video"])
    content = seen_as(index, best).content_hash
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        catalog.execute("DELETE FROM videos WHERE content_hash = ?", (content,))
    catalog.close()
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 12)
    assert result.code == 1
    same(result.records, every_moment(str(best.relative_to(world().videos)))[:12])
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
    best = Path(every_moment()[0]["video"])
    content = seen_as(index, best).content_hash
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        for table in tables:
            catalog.execute(f"DELETE FROM {table} WHERE content_hash = ?", (content,))
    catalog.close()
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 12)
    assert result.code == 1
    same(result.records, every_moment(str(best.relative_to(world().videos)))[:12])
    assert "has frames of 1 videos that the catalog does not know" in result.err


def test_frames_of_another_vector_than_the_files_are_not_shown(
    capsys: Capture, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_moment()[0]["video"])
    vectors = read_vectors(index, seen_as(index, best).content_hash)
    write_vectors(index, replace(vectors, embeddings=-vectors.embeddings))
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 10_000)
    assert result.code == 1
    same(result.records, every_moment(str(best.relative_to(world().videos))))
    assert "frames.faiss has other vectors of" in result.err


def test_a_damaged_vector_file_is_told(capsys: Capture, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(world().index, index)
    best = Path(every_moment()[0]["video"])
    vectors_path(index, seen_as(index, best).content_hash).write_bytes(b"")
    result = ran(capsys, "find.py", TEXT, "--index", index, "--top", 10_000)
    assert result.code == 1
    same(result.records, every_moment(str(best.relative_to(world().videos))))
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
    sentences = ["car " * 20 + "passes.", "bus " * 20 + "stops."]
    best = {path: both.max(axis=0) for path, both in curves(*sentences).items()}
    for top in (10_000, 3):
        flags = ("--index", world().index, "--top", top)
        same(ran(capsys, "find.py", " ".join(sentences), *flags).records, moments_of(best)[:top])


def test_what_shall_not_be_seen_counts_half(capsys: Capture) -> None:
    less = {path: of[0] - 0.5 * of[1] for path, of in curves(TEXT, "a bus").items()}
    flags = ("--index", world().index, "--not", "a bus", "--top", 9)
    same(ran(capsys, "find.py", TEXT, *flags).records, moments_of(less)[:9])


def test_events_in_their_order(capsys: Capture) -> None:
    """Of each video the best frames for three texts, one after the other."""
    texts = (TEXT, "a bus", "a bridge")
    wanted: dict[str, tuple[tuple[int, ...], float]] = {}
    for path, scores in curves(*texts).items():
        triples = combinations(range(scores.shape[1]), 3)
        sums = {rows: float(scores[range(3), rows].sum()) for rows in triples}
        if sums:  # one video has a single frame
            wanted[path] = max(sums.items(), key=lambda item: item[1])
    then = [word for text in texts[1:] for word in ("--then", text)]
    result = ran(capsys, "find.py", texts[0], *then, "--index", world().index)
    assert (result.code, result.err) == (0, "")
    assert {record["video"] for record in result.records} == set(wanted)
    shown = [record["score"] for record in result.records]
    assert shown == sorted(shown, reverse=True)
    for record in result.records:
        rows, total = wanted[record["video"]]
        time_s = stored(world().index, Path(record["video"]))[1]
        assert record["score"] == pytest.approx(total / 3, abs=2e-6)
        assert [frame["time_s"] for frame in record["frames"]] == time_s[list(rows)].tolist()
        own = [frame["score"] for frame in record["frames"]]
        assert sum(own) == pytest.approx(total, abs=6e-6)
    flags = ("--index", world().index, "--top", 2)
    assert ran(capsys, "find.py", texts[0], *then, *flags).records == result.records[:2]


def test_a_file_of_texts(capsys: Capture, tmp_path: Path) -> None:
    flags = ("--index", world().index, "--top", 3)
    alone = {text: ran(capsys, "find.py", text, *flags).records for text in (TEXT, "a bus")}
    lines = tmp_path / "texts.txt"
    lines.write_text(f"{' '.join(TEXT.split())}\n\n  a   bus \n")
    result = ran(capsys, "find.py", "--texts", lines, *flags)
    assert (result.code, result.err) == (0, "")
    assert result.records == [
        {"query": " ".join(text.split()), **hit} for text, hits in alone.items() for hit in hits
    ]
    table = tmp_path / "texts.csv"
    table.write_text('id,text\nx,a bus\ny," "\nx,again\n')
    result = ran(capsys, "find.py", "--texts", table, *flags, "--top", 2)
    assert result.code == 1
    assert result.records == [{"query": "x", **hit} for hit in alone["a bus"][:2]]
    assert result.err.count("\n") == 3
    assert "2 of 3 texts cannot be used" in result.err


def test_a_text_that_cannot_be_encoded_costs_itself(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infer.searching import asking

    def encode(encoder: Any, texts: Any, long_text: Any) -> Any:
        if "bad" in texts:
            raise CueframeError("no")
        return encode_texts(encoder, texts, long_text)

    monkeypatch.setattr(asking, "encode_texts", encode)
    (tmp_path / "texts.txt").write_text("a bus\nbad\na car\n")
    result = ran(capsys, "find.py", "--texts", tmp_path / "texts.txt", "--index", world().index)
    assert (result.code, result.err) == (1, "failed: bad: no\n")
    assert [record["query"] for record in result.records] == ["a bus"] * 10 + ["a car"] * 10


def test_like_a_moment_without_an_encoder(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from infer import finding

    monkeypatch.delattr(finding, "load_query_encoder")
    index, path = world().index, world().videos / "b_frames.mp4"
    vectors, time_s, _ = stored(index, path)
    row, at_s = 2, float(time_s[2]) + 0.01
    scores = {p: stored(index, Path(p))[0] @ vectors[row] for p in curves(TEXT)}
    own = [m for m in moments_of(scores) if m["video"] == str(path)]
    wanted = [
        m
        for m in moments_of(scores)
        if m["video"] != str(path) or not m["start_s"] <= time_s[row] < m["end_s"]
    ]
    assert len(own) > len([m for m in wanted if m["video"] == str(path)])
    result = ran(capsys, "find.py", "--like", f"b_frames.mp4@{at_s}", "--index", index)
    assert (result.code, result.err) == (0, "")
    same(result.records, wanted[:10])


def test_a_picture_finds_its_frame(capsys: Capture, tmp_path: Path) -> None:
    path = world().videos / "b_frames.mp4"
    at_s = float(stored(world().index, path)[1][3])
    (frame,) = frames_at(path, [at_s])
    frame.image.save(tmp_path / "a.png")
    turned, exif = frame.image.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    turned.save(tmp_path / "b.png", exif=exif)
    seen = frame.image.convert("RGBA")
    seen.putalpha(255)
    seen.save(tmp_path / "c.webp", lossless=True)
    flags = ("--index", world().index, "--image")
    names = ("a.png", "b.png", "c.webp")
    found = [ran(capsys, "find.py", *flags, tmp_path / name).records for name in names]
    assert found[0] == found[1] == found[2]
    assert found[0][0]["score"] == pytest.approx(1, abs=1e-3)
    assert str(path) in [hit["video"] for hit in found[0] if hit["start_s"] <= at_s < hit["end_s"]]


def test_a_picture_then_a_text_and_a_moment_without_a_text(capsys: Capture, tmp_path: Path) -> None:
    """Each video's best pair of rows; and no moment is left out where the row is on none."""
    path = world().videos / "b_frames.mp4"
    vectors, time_s, _ = stored(world().index, path)
    next(frames_at(path, [float(time_s[1])])).image.save(tmp_path / "a.png")
    flags = ("--index", world().index, "--top", 2)
    found = ran(capsys, "find.py", "--image", tmp_path / "a.png", "--then", "a bus", *flags)
    assert (found.code, len(found.records)) == (0, 2)
    like = {p: stored(world().index, Path(p))[0] @ vectors[1] for p in curves("a bus")}
    for record in found.records:
        first, second = like[record["video"]], curves("a bus")[record["video"]][0]
        best = max(first[a] + second[b] for a, b in combinations(range(len(first)), 2))
        assert record["score"] == pytest.approx(best / 2, abs=2e-3)
    less = {p: like[p] - 0.5 * scores[0] for p, scores in curves("a bus").items()}
    wanted = [
        moment
        for moment in moments_of(less)
        if moment["video"] != str(path) or not moment["start_s"] <= time_s[1] < moment["end_s"]
    ]
    asked = ("--like", f"b_frames.mp4@{time_s[1]}", "--not", "a bus")
    same(ran(capsys, "find.py", *asked, *flags).records, wanted[:2])


def test_some_videos_and_few_moments_of_each(capsys: Capture) -> None:
    index = world().index
    wanted = [m for m in every_moment() if m["video"].endswith("same.mp4")]
    for glob in ("*/same.mp4", ".//?/same.mp4", f"{world().videos}/[xy]/*"):
        result = ran(capsys, "find.py", TEXT, "--index", index, "--videos", glob, "--top", 99)
        assert (result.code, result.err) == (0, "")
        same(result.records, wanted)
    nothing = ran(capsys, "find.py", TEXT, "--index", index, *("--then", TEXT) * 999)
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == "nothing is found: no video has 1000 frames to search\n"
    flags = ("--index", index, "--videos", "same.mp4", "--per-video", 1)
    found = ran(capsys, "find.py", TEXT, *flags).records
    assert found == [
        next(hit for hit in result.records if hit["video"] == video)
        for video in dict.fromkeys(hit["video"] for hit in result.records)
    ]
    again = ran(capsys, "find.py", TEXT, "--index", index, "--videos", "b/constant.mp4").records
    assert {hit["video"] for hit in again} == {str(world().videos / "b/constant.mp4")}


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ((), "nothing to find is given; want one of"),
        (("car", "--like", "x.mp4@1"), "TEXT and --like is given"),
        (("--texts", "t.txt", "--then", "car"), "--then with --texts is not possible"),
        (("--like", "x.mp4@1", "--then", "car"), "--then with --like is not possible"),
        (("car", "--then", "bus", "--per-video", 1), "--per-video is for moments"),
        (("car", "--per-video", 0), "--per-video is 0"),
        (("--like", "x.mp4@1", "--model", "m"), "--model is for an encoder"),
        (("--like", "x.mp4@1", "--dtype", "float16"), "--dtype is for an encoder"),
        (("--image", "x.png", "--long-text", "truncate"), "--long-text is for texts"),
        (("--like", "b_frames.mp4"), "want VIDEO@SECONDS"),
        (("--like", "b_frames.mp4@-1"), "want VIDEO@SECONDS"),
        (("--like", "b_frames.mp4@1e9"), "s long; name a second of it"),
        (("--like", "nowhere.mp4@1"), "nowhere.mp4 is not in the index"),
        (("car", "--videos", "nowhere*"), "--videos nowhere* matches no indexed video"),
        (("car", "--videos", "bad.mp4"), "--videos bad.mp4 matches no indexed video"),
        (("car", "--not", " "), "--not is blank"),
        (("car", "--then", " "), "--then is blank"),
        (("--image", "nowhere.png"), "--image nowhere.png is no file"),
        (("--image", "pyproject.toml"), "--image pyproject.toml cannot be read"),
        (("--texts", "nowhere.txt"), "nowhere.txt: cannot be read"),
    ],
)
def test_calls_without_meaning(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, flags: tuple[object, ...], wanted: str
) -> None:
    from infer import finding

    monkeypatch.delattr(finding, "load_query_encoder")
    monkeypatch.chdir(ROOT)
    refused(ran(capsys, "find.py", *flags, "--index", world().index), wanted)


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
    text = " ".join(TEXT.split())
    done = as_a_user(
        *("find.py", "--texts", "-", "--index", world().index, "--top", "3"), stdin=f"{text}\n"
    )
    assert (done.code, done.err) == (0, "")
    assert [record.pop("query") for record in done.records] == [text] * 3
    same(
        [{k: v for k, v in record.items() if k != "query"} for record in done.records],
        every_moment()[:3],
    )
