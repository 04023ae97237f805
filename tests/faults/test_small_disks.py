"""A run on a disk that is too small ends with one line, loses nothing, and goes on in more room.

The disk is a tmpfs that grows a little after each failure, or no file may grow beyond a size that
is doubled after each failure. What a run has finished stays; in the end all is as on a large disk.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.faults.cases import CASES, Case
from tests.faults.conftest import World, copied
from tests.faults.dying import Faults
from tests.faults.warm import Ended, Warm

PAGE = 4096
LARGE = 2**26
ERROR = re.compile(r"^error: ", re.MULTILINE)
FAILED = (2, 3)
"""Exit codes of a command that could not go on."""

NAMES = (
    *("build growing", "repair catalog", "mine", "answer", "answer submission", "answer frames"),
    *("score", "train"),
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs, which root alone can mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "cueframe", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def resized(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_small_disk(warm: Warm, world: World, disk: Path, name: str) -> None:
    case, folder = CASES[name](warm, world), disk / "run"
    start = started(case, folder)
    empty = max(PAGE, shutil.disk_usage(disk).used)
    whole = warm.run(case.script, *case.flags(folder))
    assert whole.code not in FAILED, whole.err
    step = max(PAGE, (shutil.disk_usage(disk).used - empty) // 3)
    expected = case.result(folder)

    def growing() -> Iterator[tuple[str, Faults]]:
        for room in range(empty, LARGE, step):
            resized(disk, room)
            yield f"{name} with {room // 1024} KiB, {empty // 1024} in use before", Faults()

    copied(start, folder)
    failures = failing(warm, case, folder, whole, growing())
    resized(disk, LARGE)
    assert case.result(folder) == expected
    assert failures


@pytest.mark.parametrize(
    "name",
    [one if one == "answer" else pytest.param(one, marks=pytest.mark.slow) for one in NAMES],
)
def test_a_disk_of_few_files(warm: Warm, world: World, disk: Path, name: str) -> None:
    """All its inodes are in use, though it has room. A repair that fails leaves one more file."""
    case, folder = CASES[name](warm, world), disk / "run"
    start = started(case, folder)
    used = files_on(disk)
    whole = warm.run(case.script, *case.flags(folder))
    expected = case.result(folder)
    step = max(3, (files_on(disk) - used) // 3)

    def growing() -> Iterator[tuple[str, Faults]]:
        for files in range(used, LARGE, step):
            subprocess.run(["mount", "-o", f"remount,nr_inodes={files}", disk], check=True)
            yield f"{name} with {files} files, {used} before", Faults()

    copied(start, folder)
    failures = failing(warm, case, folder, whole, growing())
    subprocess.run(["mount", "-o", f"remount,nr_inodes={LARGE}", disk], check=True)
    assert case.result(folder) == expected
    assert failures


def files_on(disk: Path) -> int:
    state = os.statvfs(disk)
    return state.f_files - state.f_ffree


@pytest.mark.parametrize("name", NAMES)
def test_small_files(warm: Warm, world: World, tmp_path: Path, name: str) -> None:
    case, folder = CASES[name](warm, world), tmp_path / "run"
    start = started(case, folder)
    whole = warm.run(case.script, *case.flags(folder))
    assert whole.code not in FAILED, whole.err
    expected = case.result(folder)

    def growing() -> Iterator[tuple[str, Faults]]:
        for doubled in range(1, 19):
            size = PAGE << doubled
            yield f"{name} with files of {size // 1024} KiB", Faults(file_bytes=size)

    copied(start, folder)
    failing(warm, case, folder, whole, growing())
    assert case.result(folder) == expected


def started(case: Case, folder: Path) -> Path:
    """Prepare the folder of a case; returns a copy of it."""
    folder.mkdir()
    case.start(folder)
    return copied(folder, folder.parent.with_name("before"))


def failing(
    warm: Warm, case: Case, folder: Path, whole: Ended, rooms: Iterable[tuple[str, Faults]]
) -> int:
    """Run again in more and more room until nothing fails; returns how often it failed."""
    more: tuple[object, ...] = ()
    for failures, (told, faults) in enumerate(rooms):
        there = case.valuables(folder)
        ended = warm.run(case.script, *case.flags(folder), *more, faults=[faults])
        lost = there - case.valuables(folder)
        assert not lost, f"{told}: lost {str(lost)[:200]}\n{ended.err}"
        assert not ended.crash, f"{told}: {ended.crash}\n{ended.err}"
        if (ended.code, failed(ended)) == (whole.code, failed(whole)):
            return failures
        if ended.code == 1:
            assert failed(ended), f"{told}: exit 1 and nothing failed: {ended.err}"
        else:
            assert ended.code in FAILED, f"{told}: ends with {ended.code}: {ended.err}"
            assert len(ERROR.findall(ended.err)) == 1, f"{told}: {ended.err}"
        more = case.again
    raise AssertionError(f"{told}: fails in any room: {ended.err}")


def failed(ended: Ended) -> list[str]:
    """What a run could not do while it did the rest."""
    return [line for line in ended.err.splitlines() if line.startswith(("failed: ", "unsaved: "))]
