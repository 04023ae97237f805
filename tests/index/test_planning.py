"""What a build has to do, for every way in which files and catalog can differ."""

import ctypes
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash

from index import planning as planning
from index.discovery import HashedFile, as_hashed, hash_files, list_videos
from index.planning import Job, Plan, make_plan
from index.storage.catalog import (
    Catalog,
    VideoRow,
    all_paths,
    all_videos,
    open_catalog,
    put_paths,
    put_video,
    row_of,
)
from index.storage.store import Profile, Vectors, read_vectors, vectors_path, write_vectors
from tests.index.storage.test_store import METADATA, PROFILE


class World:
    """A folder of files, an index of them, and a build that decodes nothing."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.videos = folder / "videos"
        self.index = folder / "index"
        self.catalog = catalog
        self.hashed: list[str] = []

    def write(self, name: str, content: str) -> Path:
        path = self.videos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def plan(
        self,
        *,
        retry: bool = False,
        prune: bool = False,
        rehash: bool = False,
        profile: Profile = PROFILE,
        files: list[Path] | None = None,
    ) -> Plan:
        self.hashed.clear()
        return make_plan(
            self.index,
            self.catalog,
            files or list_videos(self.videos),
            profile=profile,
            retry=retry,
            prune=prune,
            rehash=rehash,
        )

    def build(self, failing: Iterable[str] = (), *, retry: bool = False) -> Plan:
        """Plan, and do what a build does of it; videos of the failing names fail."""
        planning = self.plan(retry=retry)
        for job in planning.jobs:
            if Path(job.path).name in failing:
                failed = VideoRow(content_hash=job.content_hash, status="failed", error="broken")
                put_video(self.catalog, failed)
            else:
                self.embed(job)
                vectors = read_vectors(self.index, job.content_hash)
                put_video(self.catalog, row_of(self.index, vectors))
        return planning

    def embed(self, job: Job, profile: Profile = PROFILE) -> None:
        write_vectors(
            self.index,
            Vectors(
                content_hash=job.content_hash,
                profile=profile,
                path_hint=job.path,
                embeddings=np.eye(3, PROFILE.width, dtype=np.float16)[:, None],
                time_s=np.arange(3.0),
                end_s=np.arange(3.0) + 0.5,
                metadata=METADATA,
            ),
        )

    def video(self, name: str) -> VideoRow:
        seen = all_paths(self.catalog)[str(self.videos / name)]
        return all_videos(self.catalog)[seen.content_hash]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    (tmp_path / "index").mkdir()
    with closing(open_catalog(tmp_path / "index")) as catalog:
        made = World(tmp_path, catalog)

        def noted(paths: Iterable[Path]) -> Iterator[tuple[Path, HashedFile | OSError]]:
            paths = list(paths)
            made.hashed += [path.name for path in paths]
            yield from hash_files(paths)

        monkeypatch.setattr(planning, "hash_files", noted)
        monkeypatch.setattr("index.discovery._TICK_NS", -1)  # as if they were written a while ago
        made.write("a.mp4", "the first")
        made.write("b.mp4", "the second, which is longer")
        made.write("deep/c.mp4", "the third")
        yield made


def jobs(planning: Plan) -> list[str]:
    return [Path(job.path).name for job in planning.jobs]


def test_all_is_new_at_first_the_largest_leading(world: World) -> None:
    planning = world.plan()
    assert jobs(planning) == ["b.mp4", "a.mp4", "c.mp4"]
    assert [job.size for job in planning.jobs] == [27, 9, 9]
    assert (planning.reused, planning.failed, planning.unreadable, planning.dropped) == (
        [],
        {},
        {},
        False,
    )
    assert sorted(world.hashed) == ["a.mp4", "b.mp4", "c.mp4"]


def test_what_stands_is_neither_hashed_nor_decoded(world: World) -> None:
    world.build()
    planning = world.plan()
    assert (world.hashed, jobs(planning), len(planning.reused), planning.dropped) == (
        [],
        [],
        3,
        False,
    )


def swap_names(world: World) -> None:
    (world.videos / "a.mp4").rename(world.videos / "t")
    (world.videos / "deep/c.mp4").rename(world.videos / "a.mp4")
    (world.videos / "t").rename(world.videos / "deep/c.mp4")


def exchange(world: World) -> None:
    """What renameat2(RENAME_EXCHANGE) does, as `mv --exchange`."""
    libc = ctypes.CDLL(None, use_errno=True)
    one, other = (os.fsencode(world.videos / name) for name in ("a.mp4", "deep/c.mp4"))
    assert libc.renameat2(-100, one, -100, other, 2) == 0


def write_over(world: World) -> None:
    for name, content in (("a.mp4", "the third"), ("deep/c.mp4", "the first")):
        with (world.videos / name).open("r+") as file:
            file.write(content)
        os.utime(world.videos / name, ns=(MTIME_NS, MTIME_NS))


def copy_with_dates(world: World) -> None:
    """As cp -p, rsync -t and tar do."""
    shutil.copy2(world.videos / "a.mp4", world.videos / "t")
    shutil.copy2(world.videos / "deep/c.mp4", world.videos / "a.mp4")
    shutil.copy2(world.videos / "t", world.videos / "deep/c.mp4")
    (world.videos / "t").unlink()


def copy_aside_and_rename(world: World) -> None:
    """As rsync does, whose copies get a new inode each."""
    for name, other in (("a.mp4", "deep/c.mp4"), ("deep/c.mp4", "a.mp4")):
        shutil.copy2(world.videos / other, world.videos / f"{name}.new")
    for name in ("a.mp4", "deep/c.mp4"):
        (world.videos / f"{name}.new").replace(world.videos / name)


def swap_hard_links(world: World) -> None:
    for name in ("a.mp4", "deep/c.mp4"):
        os.link(world.videos / name, world.videos / f"{name}.kept")
        (world.videos / name).unlink()
    os.link(world.videos / "a.mp4.kept", world.videos / "deep/c.mp4")
    os.link(world.videos / "deep/c.mp4.kept", world.videos / "a.mp4")


def swap_what_links_lead_to(world: World) -> None:
    for name in ("a.mp4", "deep/c.mp4"):
        (world.videos / name).rename(world.videos / f"{name}.kept")
    (world.videos / "a.mp4").symlink_to(world.videos / "deep/c.mp4.kept")
    (world.videos / "deep/c.mp4").symlink_to(world.videos / "a.mp4.kept")


MTIME_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    "swap",
    [
        *(swap_names, exchange, write_over, copy_with_dates, copy_aside_and_rename),
        *(swap_hard_links, swap_what_links_lead_to),
    ],
)
def test_files_of_one_size_and_date_that_are_swapped_are_hashed_once(
    world: World, swap: Callable[[World], None]
) -> None:
    for name in ("a.mp4", "deep/c.mp4"):
        os.utime(world.videos / name, ns=(MTIME_NS, MTIME_NS))
    world.build()
    first, third = world.video("a.mp4"), world.video("deep/c.mp4")
    swap(world)
    for name in ("a.mp4", "deep/c.mp4"):
        state = (world.videos / name).stat()
        assert (state.st_size, state.st_mtime_ns) == (9, MTIME_NS)
    planning = world.plan()
    assert (jobs(planning), len(planning.reused), planning.hashed) == ([], 3, 2)
    assert (world.video("a.mp4"), world.video("deep/c.mp4")) == (third, first)
    assert world.plan().hashed == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o600),
        lambda path: os.link(path, path.with_name("link.bin")),
        lambda path: path.rename(path.with_name("t")).rename(path),
        lambda path: Path(shutil.copy2(path, path.with_name("t"))).replace(path),
    ],
)
def test_what_changes_but_the_content_costs_one_hash(
    world: World, change: Callable[[Path], object]
) -> None:
    world.build()
    change(world.videos / "a.mp4")
    planning = world.plan()
    assert (world.hashed, jobs(planning), planning.dropped) == (["a.mp4"], [], False)
    assert world.plan().hashed == 0


def test_every_file_is_hashed_on_request(world: World) -> None:
    world.build()
    changed = world.videos / "a.mp4"
    seen = all_paths(world.catalog)[str(changed)]
    changed.write_text("the worst")
    state = changed.stat()
    # As on a file system without a ctime, where nothing tells.
    pretended = as_hashed(changed, state, seen.content_hash)
    put_paths(world.catalog, [pretended])
    assert (jobs(world.plan()), world.hashed) == ([], [])
    assert (jobs(world.plan(rehash=True)), len(world.hashed)) == (["a.mp4"], 3)


def test_a_file_that_has_just_changed_is_hashed_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    world.build()
    assert world.plan().hashed == 3
    monkeypatch.setattr("index.discovery._TICK_NS", -1)
    assert (world.plan().hashed, world.plan().hashed) == (3, 0)


def test_a_file_of_which_an_older_version_did_not_know_enough_is_hashed_once(world: World) -> None:
    world.build()
    seen = all_paths(world.catalog)[str(world.videos / "a.mp4")]
    put_paths(world.catalog, [replace(seen, inode=None, ctime_ns=None)])
    assert jobs(world.plan()) == []
    assert world.hashed == ["a.mp4"]
    assert world.plan().hashed == 0


def test_a_touched_file_is_hashed_and_not_decoded(world: World) -> None:
    world.build()
    os.utime(world.videos / "a.mp4", ns=(1, 1))
    planning = world.plan()
    assert (world.hashed, jobs(planning), len(planning.reused)) == (["a.mp4"], [], 3)
    world.plan()
    assert world.hashed == []


def test_a_renamed_file_costs_one_hash(world: World) -> None:
    world.build()
    before = world.video("a.mp4")
    (world.videos / "a.mp4").rename(world.videos / "deep" / "z.mp4")
    planning = world.plan()
    assert (world.hashed, jobs(planning), len(planning.reused)) == (["z.mp4"], [], 3)
    assert not planning.dropped
    assert world.video("deep/z.mp4") == before
    assert str(world.videos / "a.mp4") not in all_paths(world.catalog)


def names_known(world: World) -> dict[str, str]:
    """Name to content, below the folder of videos."""
    known = all_paths(world.catalog)
    texts = {xxhash.xxh3_128_hexdigest(text.encode()): text for text in TEXTS}
    return {
        os.path.relpath(path, world.videos): texts[seen.content_hash]
        for path, seen in known.items()
    }


TEXTS = ("the first", "the second, which is longer", "the third")


def test_renamed_in_a_chain(world: World) -> None:
    world.build()
    for old, new in (("deep/c.mp4", "d.mp4"), ("b.mp4", "deep/c.mp4"), ("a.mp4", "b.mp4")):
        (world.videos / old).rename(world.videos / new)
    planning = world.plan()
    assert (jobs(planning), planning.dropped) == ([], False)
    assert names_known(world) == dict(zip(("b.mp4", "deep/c.mp4", "d.mp4"), TEXTS, strict=True))


def test_moved_out_of_what_is_searched_and_in_again(world: World, tmp_path: Path) -> None:
    world.build()
    (tmp_path / "other").mkdir()
    moved = (world.videos / "a.mp4").rename(tmp_path / "other/a.mp4")
    assert (jobs(world.plan()), "a.mp4" in names_known(world)) == ([], True)
    assert jobs(world.plan(files=[moved])) == []
    assert sorted(names_known(world)) == ["../other/a.mp4", "b.mp4", "deep/c.mp4"]
    moved.rename(world.videos / "z.mp4")
    assert (jobs(world.plan()), sorted(names_known(world))) == (
        [],
        ["b.mp4", "deep/c.mp4", "z.mp4"],
    )


@pytest.mark.parametrize("link", [os.link, os.symlink, shutil.copy2])
def test_both_names_of_a_file_stay_until_one_is_gone(
    world: World, link: Callable[[Path, Path], object]
) -> None:
    world.build()
    link(world.videos / "a.mp4", world.videos / "z.mp4")
    assert jobs(world.plan()) == []
    assert {"a.mp4", "z.mp4"} < names_known(world).keys()
    (world.videos / "z.mp4").unlink()
    assert jobs(world.plan()) == []
    assert names_known(world) == dict(zip(("a.mp4", "b.mp4", "deep/c.mp4"), TEXTS, strict=True))


def test_renamed_over_another(world: World) -> None:
    world.build()
    (world.videos / "a.mp4").replace(world.videos / "b.mp4")
    planning = world.plan()
    assert (jobs(planning), planning.dropped) == ([], True)
    assert names_known(world) == {"b.mp4": "the first", "deep/c.mp4": "the third"}


def test_what_is_gone_before_it_was_indexed_is_not_kept(world: World) -> None:
    world.plan()  # and killed then
    (world.videos / "a.mp4").unlink()
    world.build()
    assert sorted(names_known(world)) == ["b.mp4", "deep/c.mp4"]


def test_a_copy_is_the_same_video(world: World) -> None:
    world.build()
    world.write("copy.mp4", "the first")
    planning = world.plan()
    assert (world.hashed, jobs(planning), len(planning.reused)) == (["copy.mp4"], [], 3)
    assert world.video("copy.mp4") == world.video("a.mp4")


def test_new_copies_are_decoded_once(world: World) -> None:
    world.write("copy.mp4", "the first")
    planning = world.build()
    assert len(planning.jobs) == 3
    assert world.video("copy.mp4") == world.video("a.mp4")


def test_a_changed_file_is_decoded_and_its_old_content_leaves(world: World) -> None:
    world.build()
    old = world.video("a.mp4")
    world.write("a.mp4", "the first, changed")
    planning = world.build()
    assert (world.hashed, jobs(planning), len(planning.reused)) == (["a.mp4"], ["a.mp4"], 2)
    assert planning.dropped
    assert old.content_hash not in all_videos(world.catalog)
    assert world.video("a.mp4").number not in (1, 2, 3)


def test_a_changed_copy_leaves_the_other_alone(world: World) -> None:
    world.write("copy.mp4", "the first")
    world.build()
    before = world.video("a.mp4")
    world.write("copy.mp4", "something else")
    planning = world.build()
    assert (jobs(planning), planning.dropped) == (["copy.mp4"], False)
    assert world.video("a.mp4") == before


def test_files_that_swap_names_are_not_decoded(world: World) -> None:
    world.build()
    first, second = world.video("a.mp4"), world.video("b.mp4")
    (world.videos / "a.mp4").rename(world.videos / "t")
    (world.videos / "b.mp4").rename(world.videos / "a.mp4")
    (world.videos / "t").rename(world.videos / "b.mp4")
    planning = world.plan()
    assert (jobs(planning), planning.dropped) == ([], False)
    assert (world.video("a.mp4"), world.video("b.mp4")) == (second, first)


def test_a_failed_video_waits_for_retry_or_a_change(world: World) -> None:
    world.build(failing=["a.mp4"])
    number = world.video("a.mp4").number
    planning = world.build()
    assert (jobs(planning), len(planning.reused)) == ([], 2)
    assert planning.failed == {str(world.videos / "a.mp4"): "broken"}
    planning = world.build(failing=["a.mp4"], retry=True)
    assert (jobs(planning), planning.failed) == (["a.mp4"], {})
    planning = world.build(retry=True)
    assert jobs(planning) == ["a.mp4"]
    assert (world.video("a.mp4").status, world.video("a.mp4").number) == ("indexed", number)
    assert jobs(world.plan(retry=True)) == []  # what is well is not tried again

    world.write("c2.mp4", "broken")
    world.build(failing=["c2.mp4"])
    world.write("c2.mp4", "mended")
    planning = world.build()
    assert (jobs(planning), planning.failed) == (["c2.mp4"], {})


def test_a_file_that_is_gone_stays_known_until_pruned(world: World) -> None:
    world.build()
    (world.videos / "a.mp4").unlink()
    planning = world.plan()
    assert (len(planning.reused), planning.dropped) == (2, False)
    assert len(all_videos(world.catalog)) == 3
    planning = world.plan(prune=True)
    assert (len(planning.reused), planning.dropped) == (2, True)
    assert len(all_videos(world.catalog)) == len(all_paths(world.catalog)) == 2


def test_pruning_one_of_two_copies_keeps_the_video(world: World) -> None:
    world.write("copy.mp4", "the first")
    world.build()
    (world.videos / "a.mp4").unlink()
    planning = world.plan(prune=True)
    assert (len(planning.reused), planning.dropped, jobs(planning)) == (3, False, [])


def test_a_file_that_went_and_came_back_is_decoded_once(world: World) -> None:
    world.build()
    data = (world.videos / "a.mp4").read_bytes()
    (world.videos / "a.mp4").unlink()
    world.plan(prune=True)
    (world.videos / "a.mp4").write_bytes(data)
    planning = world.plan()
    assert (jobs(planning), len(planning.reused)) == ([], 3)  # its vectors were still there
    assert world.video("a.mp4").number == 4


@pytest.mark.parametrize("damage", ["missing", "cut", "grown"])
def test_lost_or_cut_vectors_are_made_anew_under_a_new_number(world: World, damage: str) -> None:
    world.build()
    before = world.video("a.mp4")
    path = vectors_path(world.index, before.content_hash)
    data = path.read_bytes()
    path.write_bytes(data[:100] if damage == "cut" else data + b"more")
    if damage == "missing":
        path.unlink()
    planning = world.build()
    assert (jobs(planning), planning.dropped, world.hashed) == (["a.mp4"], True, [])
    assert world.video("a.mp4").number == 4  # so that FAISS takes the new vectors
    assert jobs(world.plan()) == []


def test_a_lost_catalog_is_filled_from_the_vectors(world: World) -> None:
    world.build()
    videos = all_videos(world.catalog)
    for table in ("videos", "paths"):
        world.catalog.execute(f"DELETE FROM {table}")
    world.catalog.commit()
    planning = world.plan()
    assert (jobs(planning), len(planning.reused), len(world.hashed)) == ([], 3, 3)
    assert {h: v.frames for h, v in all_videos(world.catalog).items()} == dict.fromkeys(videos, 3)


def test_vectors_of_an_interrupted_run_are_taken_over(world: World) -> None:
    planning = world.plan()
    world.embed(planning.jobs[0])
    again = world.plan()
    assert (jobs(again), world.hashed) == (["a.mp4", "c.mp4"], [])
    assert again.reused == [planning.jobs[0].content_hash]


def test_vectors_of_another_profile_are_not_taken_over(world: World) -> None:
    world.embed(world.plan().jobs[0], profile=PROFILE.model_copy(update={"fps": 3.0}))
    assert jobs(world.plan()) == ["b.mp4", "a.mp4", "c.mp4"]


def test_a_file_that_cannot_be_read_is_told(world: World, tmp_path: Path) -> None:
    (world.videos / "gone.mp4").symlink_to("/no/such/file")
    planning = world.build()
    assert planning.unreadable == {
        str(world.videos / "gone.mp4"): "cannot be read: No such file or directory"
    }
    assert len(planning.jobs) == 3


def test_another_folder_leaves_what_is_known_alone(world: World, tmp_path: Path) -> None:
    world.build()
    other = tmp_path / "other"
    other.mkdir()
    (other / "d.mp4").write_text("the fourth")
    planning = world.plan(prune=True, files=list_videos(other))
    assert (jobs(planning), planning.reused, planning.dropped) == (["d.mp4"], [], False)
    assert len(all_paths(world.catalog)) == 4


def test_copies_that_fail_are_failures_each(world: World) -> None:
    names = [f"copy{number}.mp4" for number in range(8)]
    for name in names:
        world.write(name, "broken")
    plan = world.build(failing=names)
    (content,) = {job.content_hash for job in plan.jobs if Path(job.path).name in names}
    assert sorted(Path(path).name for path in plan.paths[content]) == names
    assert sorted(world.plan().failed) == [str(world.videos / name) for name in names]


def test_names_that_are_not_utf8_are_known_again(world: World) -> None:
    path = world.write(os.fsdecode(b"caf\xe9.mp4"), "the fourth")
    assert path.name in jobs(world.build())
    assert (world.plan().jobs, world.hashed) == ([], [])
    renamed = path.with_name(os.fsdecode(b"na\xefve.mp4"))
    path.rename(renamed)
    assert (world.plan().jobs, world.hashed) == ([], [renamed.name])
    assert str(path) not in all_paths(world.catalog)
    assert read_vectors(world.index, world.video(renamed.name).content_hash).path_hint == str(path)
    renamed.unlink()
    world.plan(prune=True)
    assert len(all_paths(world.catalog)) == 3


def test_a_file_out_of_reach_is_not_pruned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.build()

    def locked(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", locked)
    files = [world.videos / "a.mp4"]
    world.plan(prune=True, files=files)
    assert len(all_paths(world.catalog)) == 3
