"""Other people's machines: disks without locks, read-only, full; rights that are missing.

Each command ends with one line that names the cause, or does its work as anywhere else.
"""

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cases import CASES
from tests.faults.commands import ERROR, reading, refusal, run, told, writing
from tests.faults.conftest import World, copied
from tests.faults.test_small_disks import started
from tests.faults.warm import Warm
from tests.paths import ROOT

READ_ONLY, SMALL = "-t tmpfs -o ro none", "-t tmpfs -o size=16k none"
WITHOUT_LOCKS = re.compile(
    r"cannot be locked \(No locks available\).*; name one .*, or add --no-lock .*: two would undo "
    r"each other's work"
)
OUT_OF_REACH = "cannot be used now (Permission denied); look at its rights"


TABLE = [
    (
        "a disk that refuses locks (ENOLCK, ENOSYS, EPERM …)",
        "what reads goes on; what writes says so, and goes on with `--no-lock`",
    ),
    (
        "the same, with a journal beside the catalog",
        "one line: it is being written, or a run was killed",
    ),
    (
        "a read-only disk with the index",
        "what reads goes on; what writes says so",
    ),
    (
        "the same, with the journal of a killed run",
        "one line: let a build or `--repair` take it in",
    ),
    (
        "no rights to the catalog or the index",
        "one line",
    ),
    (
        "a folder, a pipe or a circle of links as the catalog",
        "one line; `--repair` moves it away",
    ),
    (
        "`/dev/shm` that is read-only or full",
        "nothing: neither decoding nor training needs any",
    ),
    (
        "a temporary folder that is full, or none at all",
        "one line that names `TMPDIR`, of a run that needs one",
    ),
    (
        "a container that is read-only but for a volume",
        "building, mining, answering and searching go on",
    ),
    (
        "a path that is too long for the disk",
        "one line; a video's costs its own record",
    ),
    (
        "an index whose path has more than 504 bytes",
        "one line: SQLite takes no longer one",
    ),
]


def test_the_docs_have_the_table() -> None:
    page = (ROOT / "docs/promises.md").read_text()
    for met, comes in TABLE:
        assert f"| {met} | {comes} |" in page


def can(code: str) -> bool:
    """Whether a process of its own can do that."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    return done.returncode == 0


@pytest.fixture(scope="module")
def unlockable() -> None:
    """The kernel can refuse locks."""
    if not can("from tests.faults.bare_machine import refuse_locks as r; r(37)"):
        pytest.skip("no filter of seccomp can be installed here")


@pytest.fixture(scope="module")
def mountable() -> None:
    """A process can see disks of its own."""
    if not can(f"from tests.faults.bare_machine import mount; mount('/mnt', {SMALL!r})"):
        pytest.skip("no disk can be mounted here")


@pytest.fixture(scope="module")
def usual(warm: Warm, world: World, answered: Path) -> dict[str, tuple[int, str]]:
    """Exit codes and results of the commands that read, anywhere else."""
    ended = {name: run(warm, one) for name, one in reading(world, world.index, answered).items()}
    return {name: (one.code, one.out) for name, one in ended.items()}


@pytest.mark.usefixtures("unlockable")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_what_only_reads_goes_on_without_locks(
    number: int,
    warm: Warm,
    world: World,
    index: Path,
    answered: Path,
    usual: dict[str, tuple[int, str]],
) -> None:
    for name, command in reading(world, index, answered).items():
        ended = run(warm, command, no_locks=number)
        assert (ended.code, ended.out) == usual[name], ended.err


@pytest.mark.usefixtures("unlockable")
def test_a_catalog_that_is_being_written_is_not_read_without_locks(
    warm: Warm, world: World, index: Path, answered: Path
) -> None:
    (index / "catalog.sqlite-journal").write_bytes(b"of a run that was killed, or still works")
    for command in reading(world, index, answered).values():
        ended = run(warm, command, no_locks=errno.ENOLCK)
        assert "catalog.sqlite is being written, or a run was killed" in told(ended)


@pytest.mark.usefixtures("unlockable")
@pytest.mark.parametrize("name", ["build growing", "repair catalog", "mine", "answer"])
def test_what_writes_names_the_missing_locks_and_goes_on_with_no_lock(
    name: str, warm: Warm, world: World, tmp_path: Path
) -> None:
    case, folder = CASES[name](warm, world), tmp_path / "run"
    start = started(case, folder)
    whole = warm.run(case.script, *case.flags(folder))
    expected = case.result(folder)

    copied(start, folder)
    there = case.valuables(folder)
    refused = run(warm, (case.script, *case.flags(folder)), no_locks=errno.ENOLCK)
    assert WITHOUT_LOCKS.search(refusal(refused))
    assert case.valuables(folder) == there
    flags = (*case.flags(folder), "--no-lock")
    ended = run(warm, (case.script, *flags), no_locks=errno.ENOLCK)
    assert ended.code == whole.code, ended.err
    assert case.result(folder) == expected


@pytest.mark.usefixtures("mountable")
@pytest.mark.parametrize("disk", [READ_ONLY, SMALL])
def test_decoding_needs_neither_shared_memory_nor_a_temporary_folder(
    disk: str, warm: Warm, world: World, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    faults = {
        "disks": (("/dev/shm", disk), (str(tmp_path / "temporary"), disk)),
        "temporary": str(tmp_path / "temporary"),
    }
    ended = run(warm, writing(world, tmp_path / "index")["build"], **faults)
    assert ended.code == 1, ended.err
    assert json.loads(ended.out)["indexed"] == 5


@pytest.mark.usefixtures("mountable")
def test_a_full_temporary_folder_is_one_line(warm: Warm, world: World, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    record = json.loads(world.questions.read_text())["data"][0]
    records = [record | {"id": str(n), "more": "x" * 10**6} for n in range(18)]
    (tmp_path / "q.json").write_text(json.dumps(records))
    ended = run(
        warm,
        ("infer/answer.py", tmp_path / "q.json", "--index", world.index, "--output", "-"),
        disks=((str(tmp_path / "temporary"), SMALL),),
        temporary=str(tmp_path / "temporary"),
    )
    assert f"no temporary file can be written in {tmp_path}/temporary (No space" in refusal(ended)
    assert "name another folder by TMPDIR" in refusal(ended)


@pytest.mark.usefixtures("mountable")
def test_an_index_on_a_read_only_disk_is_read(
    warm: Warm, world: World, index: Path, answered: Path, usual: dict[str, tuple[int, str]]
) -> None:
    read_only = ((str(index), f"--bind -o ro {index}"),)
    for name, command in reading(world, index, answered).items():
        ended = run(warm, command, disks=read_only)
        assert (ended.code, ended.out) == usual[name], ended.err
    for command in writing(world, index).values():
        line = refusal(run(warm, command, disks=read_only))
        assert f"{index} cannot be written (Read-only file system); make room or rights" in line


@pytest.mark.usefixtures("mountable")
def test_the_journal_of_a_killed_run_on_a_read_only_disk_is_named(
    warm: Warm, world: World, index: Path, answered: Path
) -> None:
    with interrupted(index / "catalog.sqlite") as files:
        for name, data in files.items():
            (index / name).write_bytes(data)
    read_only = ((str(index), f"--bind -o ro {index}"),)
    for command in reading(world, index, answered).values():
        assert "a killed run left its journal" in told(run(warm, command, disks=read_only))
    assert run(warm, reading(world, index, answered)["check"]).code == 0


@contextmanager
def interrupted(catalog: Path) -> Iterator[dict[str, bytes]]:
    """The catalog and its journal in the midst of a transaction."""
    copy = Path(shutil.copy(catalog, catalog.with_name("copy.sqlite")))
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE videos SET error = hex(randomblob(200000))")
        journal = copy.with_name("copy.sqlite-journal")
        files = {
            catalog.name: copy.read_bytes(),
            f"{catalog.name}-journal": journal.read_bytes(),
        }
    copy.unlink()
    yield files


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_catalog_without_rights_is_one_line(
    what: str, warm: Warm, world: World, index: Path, answered: Path
) -> None:
    (index / "catalog.sqlite" if what == "file" else index).chmod(0)
    for command in (reading(world, index, answered) | writing(world, index)).values():
        ended = run(warm, command, unprivileged=True)
        assert "(Permission denied)" in told(ended)
        assert what == "folder" or OUT_OF_REACH in told(ended)


@pytest.mark.parametrize("kind", ["folder", "pipe", "circle"])
def test_a_catalog_that_is_no_file_is_one_line_and_moved_away_by_a_repair(
    kind: str, warm: Warm, world: World, index: Path, answered: Path
) -> None:
    path = index / "catalog.sqlite"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.name)
    commands = reading(world, index, answered)
    for command in (*commands.values(), writing(world, index)["build"]):
        assert "catalog.sqlite" in told(run(warm, command))
    assert run(warm, writing(world, index)["repair"]).code == 0
    assert run(warm, commands["check"]).code == 0


@pytest.mark.usefixtures("mountable")
def test_a_container_that_is_read_only_but_for_a_volume(
    warm: Warm, world: World, tmp_path: Path, answered: Path
) -> None:
    """No temporary folder, no shared memory, nothing at home."""
    volume = tmp_path / "volume"
    volume.mkdir()
    remounted = "-o remount,bind,ro"
    disks = ((str(volume), "-t tmpfs none"), ("/dev/shm", remounted), ("/", remounted))
    faults: dict[str, Any] = {"disks": disks, "temporary": "/tmp"}
    questions, index = world.questions, ("--index", world.index)
    mine = ("--json_path", questions, "--input_folder", world.videos, "--model", world.model)
    for command, code in (
        (writing(world, volume / "index")["build"], 1),
        (reading(world, world.index, answered)["find"], 0),
        (("infer/answer.py", questions, *index, "--output", volume / "a.jsonl"), 0),
        (("train/mine.py", *mine, "--output_folder", volume / "mined"), 0),
    ):
        ended = run(warm, command, **faults)
        assert (ended.code, ERROR.findall(ended.err)) == (code, []), ended.err
    line = refusal(run(warm, reading(world, world.index, answered)["score"], **faults))
    assert "no temporary file can be written (No usable temporary directory found in" in line
    elsewhere = ("infer/answer.py", questions, *index, "--output", tmp_path / "a.jsonl")
    line = refusal(run(warm, elsewhere, **faults))
    assert "cannot be written (Read-only file system)" in line
