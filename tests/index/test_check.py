import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import h5py
import numpy as np
import pytest

from index.build import BuildConfig, build
from index.check import CheckConfig, check
from index.errors import CueframeError
from index.storage.catalog import all_paths, all_videos, forget_paths, open_catalog, put_paths
from index.storage.faiss_index import faiss_path, open_search
from index.storage.search_seal import add_seal
from index.storage.store import read_profile, read_vectors, write_vectors
from infer.searching.cuts import moments_cut
from infer.searching.exact_search import Hit, best_hits
from infer.searching.scope import open_scope
from infer.videos.indexed_videos import read_indexed_videos
from tests.videos import file_name, make

KINDS = ("constant", "variable", "b_frames")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A folder with videos/ and their index/; to be copied."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "videos").mkdir()
    for kind in KINDS:
        make(folder / "videos" / file_name(kind), kind)
    shutil.copy(folder / "videos" / "constant.mp4", folder / "videos" / "copy.mp4")
    config = BuildConfig(
        videos=folder / "videos", index=folder / "index", model=str(tiny_model), workers=1
    )
    assert build(config) == 0
    return folder


@pytest.fixture
def index(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built / "index", tmp_path / "index"))


def contents(index: Path) -> dict[str, tuple[list[float], np.ndarray]]:
    with closing(open_catalog(index)) as catalog:
        found = {}
        for path, seen in all_paths(catalog).items():
            vectors = read_vectors(index, seen.content_hash)
            found[path] = (vectors.time_s.tolist(), vectors.embeddings)
    return found


def files(index: Path) -> list[Path]:
    return sorted(index.glob("vectors/*/*.h5"))


def rewrite(path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with h5py.File(path, "r+") as file:
        value = change(file[name][:])
        del file[name]
        file[name] = value


def drop_a_video_from_faiss(index: Path) -> None:
    search, videos = open_search(index, mapped=False)
    search.remove_ids(faiss.vector_to_array(search.id_map)[:3])
    faiss.write_index(search, str(faiss_path(index)))
    add_seal(faiss_path(index), videos)


def swap_a_vector_in_faiss(index: Path) -> None:
    search, videos = open_search(index, mapped=False)
    number = faiss.vector_to_array(search.id_map)[:1]
    search.remove_ids(number)
    search.add_with_ids(np.full((1, search.d), search.d**-0.5, np.float32), number)
    faiss.write_index(search, str(faiss_path(index)))
    add_seal(faiss_path(index), videos)


def forget_a_video(index: Path) -> None:
    with closing(open_catalog(index)) as catalog, catalog:
        catalog.execute("DELETE FROM videos WHERE number = 1")


def forget_a_path(index: Path) -> None:
    with closing(open_catalog(index)) as catalog, catalog:
        catalog.execute("DELETE FROM paths WHERE path LIKE '%variable%'")


def miscount_a_video(index: Path) -> None:
    with closing(open_catalog(index)) as catalog, catalog:
        catalog.execute("UPDATE videos SET frames = 1 WHERE number = 1")


Harm = Callable[[Path], object]

DERIVED: dict[str, tuple[Harm, str]] = {
    "no catalog": (lambda i: (i / "catalog.sqlite").unlink(), "catalog.sqlite is missing"),
    "catalog overwritten": (
        lambda i: (i / "catalog.sqlite").write_bytes(b"x" * 5000),
        "catalog.sqlite is damaged",
    ),
    "no faiss": (lambda i: faiss_path(i).unlink(), "frames.faiss is missing"),
    "faiss cut": (lambda i: os.truncate(faiss_path(i), 900), "frames.faiss is damaged"),
    "faiss lacks rows": (drop_a_video_from_faiss, "frames.faiss has "),
    "faiss has another vector": (swap_a_vector_in_faiss, "has other vectors of video"),
    "a path without a video": (forget_a_video, "but not its video"),
    "a video without a path": (forget_a_path, "but no path of it"),
    "a wrong count": (miscount_a_video, "the catalog says"),
}


def one_number_less(embeddings: np.ndarray) -> np.ndarray:
    changed = embeddings.copy()
    changed[0, 0, 0] -= np.float16(2**-11)
    return changed


VECTORS: dict[str, tuple[Harm, str]] = {
    "cut": (lambda f: os.truncate(f, f.stat().st_size // 2), "is damaged"),
    # The hash tells: what a file says besides, tests/index/storage/test_integrity.py tries.
    "not unit": (lambda f: rewrite(f, "embeddings", lambda e: e * 2), "is damaged"),
    "one number": (lambda f: rewrite(f, "embeddings", one_number_less), "is damaged"),
    "times back": (lambda f: rewrite(f, "time_s", lambda t: t[::-1]), "is damaged"),
    "fewer ends": (lambda f: rewrite(f, "end_s", lambda t: t[:-1]), "is damaged"),
}


def test_a_sound_index_is_called_so(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(CheckConfig(index=index)) == 0
    assert capsys.readouterr() == ("", "the index is sound\n")


def found(index: Path, query: np.ndarray) -> list[Hit]:
    scope = open_scope(index, read_profile(index), read_indexed_videos(index))
    (hits,) = best_hits(scope, [[query]], 5, moments_cut(scope.paths, 5), {})
    return hits


@pytest.mark.parametrize("name", DERIVED)
def test_what_is_derived_is_named_and_mended(
    name: str, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harm, text = DERIVED[name]
    before = contents(index)
    query = next(iter(before.values()))[1][0].astype(np.float32)  # (1, D)
    hits = found(index, query)
    harm(index)
    assert check(CheckConfig(index=index)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(text in line for line in lines), lines
    assert check(CheckConfig(index=index, repair=True)) == 0
    after = contents(index)
    for path, (time_s, vectors) in after.items():
        assert time_s == before[path][0]
        np.testing.assert_array_equal(vectors, before[path][1])
    # Of two paths of one content the hint knows one.
    lost = before.keys() - after.keys()
    assert lost <= {p for p in before if Path(p).name in ("constant.mp4", "copy.mp4")}
    assert len(lost) <= (1 if "catalog" in name else 0)
    # Of two paths of one content, another may be the first.
    assert [h.record | {"video": ""} for h in found(index, query)] == [
        h.record | {"video": ""} for h in hits
    ]


@pytest.mark.parametrize("name", VECTORS)
def test_a_damaged_vector_file_is_named_and_cleared_away(
    name: str, index: Path, built: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harm, text = VECTORS[name]
    before = contents(index)
    victim = files(index)[0]
    harm(victim)
    assert check(CheckConfig(index=index)) == 1
    assert f"{victim}" in (out := capsys.readouterr().out)
    assert text in out
    check(CheckConfig(index=index, repair=True))
    assert not victim.exists()
    build(BuildConfig(videos=built / "videos", index=index, workers=1))
    assert check(CheckConfig(index=index)) == 0
    after = contents(index)
    assert after.keys() == before.keys()
    for path, (time_s, vectors) in before.items():
        assert after[path][0] == time_s
        np.testing.assert_allclose(after[path][1], vectors, atol=1e-3)


def everything(index: Path) -> dict[str, bytes]:
    found = sorted(path for path in index.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(index)): path.read_bytes() for path in found}


def change_profile(index: Path, **changes: object) -> None:
    path = index / "profile.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def a_folder_in_place_of_the_profile(index: Path) -> None:
    (index / "profile.json").unlink()
    (index / "profile.json").mkdir()


PROFILES: dict[str, Harm] = {
    "fps": lambda i: change_profile(i, fps=4.0),
    "fingerprint": lambda i: change_profile(i, fingerprint="0" * 32),
    "model": lambda i: change_profile(i, model="another"),
    "width": lambda i: change_profile(i, width=63),
    "schema": lambda i: change_profile(i, schema_version=1),
    "cut": lambda i: os.truncate(i / "profile.json", 40),
    "empty": lambda i: os.truncate(i / "profile.json", 0),
    "missing": lambda i: (i / "profile.json").unlink(),
    "a folder": a_folder_in_place_of_the_profile,
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_that_the_vector_files_deny_is_the_suspect(
    name: str, index: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(index)
    PROFILES[name](index)
    assert check(CheckConfig(index=index)) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "profile.json" in line or "is of schema 1" in line
    if name not in ("model", "missing", "cut", "empty", "a folder", "schema"):
        with pytest.raises(CueframeError, match=r"profile\.json .*--repair|is not the one"):
            build(BuildConfig(videos=built / "videos", index=index, workers=1))
    assert check(CheckConfig(index=index, repair=True)) == 0
    after = everything(index)
    assert {name: data for name, data in after.items() if "quarantine" not in name} == before


def test_with_files_of_two_profiles_the_fewer_are_moved_away(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = read_vectors(index, files(index)[0].stem)
    other = victim.profile.model_copy(update={"fps": 3.0})
    write_vectors(index, replace(victim, profile=other))
    assert check(CheckConfig(index=index)) == 1
    assert "was made by another profile: fps 3.0, not 2.0" in capsys.readouterr().out
    check(CheckConfig(index=index, repair=True))
    assert read_profile(index).fps == 2.0
    assert len(files(index)) == len(KINDS) - 1


def test_a_dry_run_says_what_a_repair_would_do_and_changes_nothing(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(victim := files(index)[0], 700)
    (index / "catalog.sqlite").write_bytes(b"x" * 5000)
    change_profile(index, fps=4.0)
    before = everything(index)
    assert check(CheckConfig(index=index, dry_run=True)) == 1
    assert everything(index) == before
    plan = capsys.readouterr().err.splitlines()
    assert check(CheckConfig(index=index, repair=True)) == 1  # one video is to be embedded again
    done = [line for line in capsys.readouterr().err.splitlines() if line != "repaired"]
    assert done == plan
    for text in (
        f"{victim}: moved to quarantine",
        "catalog.sqlite: made again",
        "has to embed again",
    ):
        assert any(text in line for line in plan), plan


def test_nothing_is_deleted_until_it_is_purged(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harmed = files(index)[0]
    harmed.write_bytes(b"precious?")
    (index / "catalog.sqlite").write_bytes(b"also")
    os.truncate(faiss_path(index), 900)
    wanted = {harmed.read_bytes(), b"also", faiss_path(index).read_bytes()}
    check(CheckConfig(index=index, repair=True))
    kept = {path.read_bytes() for path in (index / "quarantine").iterdir()}
    assert wanted <= kept
    lines = (index / "quarantine" / "log.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert all(json.loads(line)["why"] for line in lines)
    check(CheckConfig(index=index, purge=True))
    assert "deleted 3 files" in capsys.readouterr().err
    assert list((index / "quarantine").iterdir()) == []


def test_a_vector_file_out_of_reach_stays_and_so_does_its_row(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    victim, before = files(index)[0], everything(index)
    read = Path.read_bytes

    def reads(path: Path) -> bytes:
        if path == victim:
            raise PermissionError(13, "Permission denied")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", reads)
        assert check(CheckConfig(index=index, repair=True)) == 1
    (line, again) = capsys.readouterr().out.splitlines()
    assert "cannot be read (Permission denied)" in line
    assert line == again
    assert everything(index) == before
    assert check(CheckConfig(index=index)) == 0


@pytest.mark.parametrize("which", ["all", "one"])
def test_vector_files_in_a_folder_that_cannot_be_listed_are_not_missing(
    which: str, index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = index / "vectors" if which == "all" else files(index)[0].parent
    before = everything(index)
    scan = os.scandir

    def scanned(path: Any) -> Any:
        if Path(path) == victim:
            raise PermissionError(13, "Permission denied", str(victim))
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scanned)
        assert check(CheckConfig(index=index, repair=True)) == 1
    line, again = capsys.readouterr().out.splitlines()
    assert (
        line
        == again
        == f"{victim} cannot be read (Permission denied); make it readable, and run again"
    )
    assert everything(index) == before


def test_a_catalog_that_another_process_holds_is_left_alone(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(index)
    connect: Any = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", partial(connect, timeout=0.05))
    with closing(connect(index / "catalog.sqlite")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert check(CheckConfig(index=index)) == 1
        assert "database is locked); wait until no other process" in capsys.readouterr().out
        with pytest.raises(CueframeError, match="is locked"):
            check(CheckConfig(index=index, repair=True))
        holder.rollback()
    assert everything(index) == before


def test_a_catalog_damaged_in_its_middle_gives_back_the_paths_that_can_be_read(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = contents(index).keys()
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE videos SET duration_s = duration_s + 1 WHERE number = 2")
    catalog.close()
    assert check(CheckConfig(index=index)) == 1
    assert "a row of videos is not what was written" in capsys.readouterr().out
    with pytest.raises(CueframeError, match="--repair makes it anew"):
        read_indexed_videos(index)
    assert check(CheckConfig(index=index, repair=True)) == 0
    assert contents(index).keys() == paths  # that of the copy, which no hint knows, too


def test_a_file_that_catalog_and_search_index_deny_is_no_truth(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = read_vectors(index, files(index)[0].stem)
    write_vectors(index, replace(victim, embeddings=-victim.embeddings))
    assert check(CheckConfig(index=index)) == 1
    assert "is not the one that the catalog and frames.faiss know" in capsys.readouterr().out
    assert check(CheckConfig(index=index, repair=True)) == 1
    assert len(list((index / "quarantine").glob("*.h5"))) == 1


def test_a_vector_file_that_the_catalog_does_not_know_is_added(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after an older catalog was restored."""
    before = contents(index)
    with closing(open_catalog(index)) as catalog, catalog:
        catalog.execute("DELETE FROM videos WHERE number = 2")
        catalog.execute(
            "DELETE FROM paths WHERE content_hash NOT IN (SELECT content_hash FROM videos)"
        )
    assert check(CheckConfig(index=index)) == 1
    assert "the catalog does not know the vector file" in capsys.readouterr().out
    assert check(CheckConfig(index=index, repair=True)) == 0
    assert len(contents(index)) >= len(before) - 1  # one of two copies has the hint


def test_a_video_that_has_left_is_not_missed_and_not_fetched_back(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos, index = tmp_path / "videos", tmp_path / "index"
    videos.mkdir()
    config = BuildConfig(videos=videos, index=index, model=str(tiny_model), workers=1)
    make(videos / "a.mp4", "slow")
    make(videos / "b.mp4", "one_frame")
    assert build(config) == 0
    kept = (videos / "a.mp4").read_bytes()
    (videos / "b.mp4").rename(videos / "a.mp4")  # in place of a video that is gone now
    assert build(config) == 0
    (videos / "a.mp4").rename(videos / "c.mp4")
    assert build(config) == 0
    before = everything(index)
    assert len(files(index)) == 2
    capsys.readouterr()
    assert check(CheckConfig(index=index)) == 0
    assert check(CheckConfig(index=index, repair=True, videos=videos)) == 0
    after = everything(index)
    assert {n: data for n, data in after.items() if "catalog" not in n} == {
        name: data for name, data in before.items() if "catalog" not in name
    }
    assert [Path(path).name for path in contents(index)] == ["c.mp4"]

    (videos / "a.mp4").write_bytes(kept)
    assert check(CheckConfig(index=index)) == 1
    assert "the catalog does not know the vector file" in capsys.readouterr().out
    assert build(config) == 0
    assert check(CheckConfig(index=index)) == 0


def test_the_catalog_of_another_index_is_the_suspect_and_no_file(
    index: Path, built: Path, tmp_path: Path, tiny_model: Path
) -> None:
    other = tmp_path / "other"
    config = BuildConfig(
        videos=built / "videos", index=other, model=str(tiny_model), workers=1, fps=3.0
    )
    build(config)
    shutil.copy(other / "catalog.sqlite", index / "catalog.sqlite")
    before = {path.name for path in files(index)}
    assert check(CheckConfig(index=index)) == 1
    assert check(CheckConfig(index=index, repair=True)) == 0
    assert {path.name for path in files(index)} == before


def test_two_files_swapped_are_moved_away_and_embedded_again(
    index: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(index)
    one, other = files(index)[:2]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert check(CheckConfig(index=index)) == 1
    assert f"it holds the vectors of {other.stem}" in capsys.readouterr().out
    assert check(CheckConfig(index=index, repair=True)) == 1
    assert len(list((index / "quarantine").glob("*.h5"))) == 2
    build(BuildConfig(videos=built / "videos", index=index, workers=1))
    assert check(CheckConfig(index=index)) == 0
    assert contents(index).keys() == before.keys()


def test_repair_finds_moved_videos_where_it_is_told_to_look(
    index: Path, built: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(built / "videos", moved)
    (index / "catalog.sqlite").unlink()
    check(CheckConfig(index=index, repair=True, videos=moved))
    known = contents(index)
    assert {str(p) for p in moved.iterdir()} <= known.keys()


def test_videos_are_compared_with_the_catalog(
    index: Path, built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where size, dates and inode tell nothing, as on some network folders."""
    videos = shutil.copytree(built / "videos", tmp_path / "videos")
    (videos / "unknown.mp4").write_text("not indexed yet")
    assert check(CheckConfig(index=index, repair=True, videos=videos)) == 1  # unknown.mp4
    capsys.readouterr()
    one, other = (str(videos / file_name(kind)) for kind in ("variable", "constant"))
    with closing(open_catalog(index)) as catalog:
        forget_paths(catalog, [str(videos / "unknown.mp4")])
        known = all_paths(catalog)
        swapped = {one: known[other].content_hash, other: known[one].content_hash}
        put_paths(catalog, [replace(known[p], content_hash=c) for p, c in swapped.items()])
    assert check(CheckConfig(index=index)) == 0
    assert check(CheckConfig(index=index, videos=videos / "unknown.mp4")) == 0
    said = f"{videos}/unknown.mp4 (1 of 1 files); index/build.py adds"
    assert f"not in the catalog under these paths: {said}" in capsys.readouterr().err
    assert check(CheckConfig(index=index, videos=videos)) == 1
    said = "has other content than the catalog says; run index/build.py --rehash on it"
    assert capsys.readouterr().out.splitlines() == sorted([f"{one} {said}", f"{other} {said}"])

    (videos / "unknown.mp4").unlink()
    (videos / "lost.mp4").symlink_to("nowhere")
    check(CheckConfig(index=index, repair=True, videos=videos))
    lost = f"{videos}/lost.mp4 cannot be read: No such file or directory; make it readable"
    assert capsys.readouterr().out.splitlines()[-1] == lost
    (videos / "lost.mp4").unlink()
    assert check(CheckConfig(index=index, videos=videos)) == 0
    with closing(open_catalog(index)) as catalog:
        assert all_paths(catalog)[one].content_hash == known[one].content_hash


def test_a_repair_forgets_what_was_replaced_as_a_build_does(
    index: Path, built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = shutil.copytree(built / "videos", tmp_path / "videos")
    build(BuildConfig(videos=videos, index=index, workers=1, prune=True))
    for path in (index / "vectors").glob("*/*.h5"):  # of paths that are gone by now
        vectors = read_vectors(index, path.stem)
        name = Path(vectors.path_hint).name
        write_vectors(index, replace(vectors, path_hint=str(videos / name)))
    with closing(open_catalog(index)) as catalog:
        paths = [path for path in all_paths(catalog) if not path.startswith(str(videos))]
        forget_paths(catalog, paths)
    check(CheckConfig(index=index, repair=True))
    replaced = videos / file_name("variable")
    with closing(open_catalog(index)) as catalog:
        before = all_paths(catalog)[str(replaced)].content_hash
    make(replaced, "slow")
    capsys.readouterr()
    assert check(CheckConfig(index=index, videos=videos)) == 1
    capsys.readouterr()
    assert check(CheckConfig(index=index, repair=True, videos=videos)) == 1
    said = f"the catalog has {replaced}, but not its video; run index/build.py on it"
    assert capsys.readouterr().out.splitlines()[1:] == [said]
    with closing(open_catalog(index)) as catalog:
        assert before not in all_videos(catalog)
    build(BuildConfig(videos=videos, index=index, workers=1))
    assert check(CheckConfig(index=index, videos=videos)) == 0


def test_a_hint_that_holds_another_content_by_now_is_not_believed(
    index: Path, built: Path, tmp_path: Path
) -> None:
    with closing(open_catalog(index)) as catalog:
        hash_of = {Path(p).name: s.content_hash for p, s in all_paths(catalog).items()}
    (index / "catalog.sqlite").unlink()
    victim = built / "videos" / file_name("variable")
    original = victim.read_bytes()
    try:
        make(victim, "slow")
        check(CheckConfig(index=index, repair=True))
    finally:
        victim.write_bytes(original)
    with closing(open_catalog(index)) as catalog:
        assert hash_of[victim.name] not in all_videos(catalog)


@pytest.mark.parametrize("flags", [{}, {"repair": True}, {"dry_run": True}, {"purge": True}])
def test_no_index_is_one_line_and_stays_as_it_is(tmp_path: Path, flags: dict[str, Any]) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "log.jsonl").write_text('{"to": "precious"}\n')
    (tmp_path / "quarantine" / "precious").touch()
    for index in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CueframeError, match=r"no profile\.json"):
            check(CheckConfig(index=index, **flags))
    assert (tmp_path / "quarantine" / "precious").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["quarantine"]
