"""Workers that die, fail, hang or find no room end the reading with one line, and leave nothing."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing

import pytest
import torch
from torch import Tensor

from index.errors import CueframeError
from tests.containers import in_a_container
from tests.paths import ROOT
from train import read_ahead as module
from train.read_ahead import longest_wait_s, most_held, read_ahead

CPU = torch.device("cpu")
BATCHES = [[n, n + 1] for n in range(9)]
GO_ON = "go on by --resume with --num_workers 0"
Read = Callable[[list[int]], tuple[Tensor, ...]]


def read(numbers: list[int]) -> tuple[Tensor, Tensor]:
    return torch.tensor(numbers), torch.tensor(numbers) > 3


def at(number: int, happens: Callable[[], object]) -> Read:
    """Read as ever, but something happens at one batch."""

    def reads(numbers: list[int]) -> tuple[Tensor, ...]:
        if numbers[0] == number:
            happens()
        return read(numbers)

    return reads


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 0.2)
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.2)


def first_numbers(reads: Read, workers: int, limit_s: float = 30.0) -> list[int]:
    batches = read_ahead(BATCHES, reads, workers=workers, device=CPU, limit_s=limit_s)
    return [int(numbers[0]) for numbers, _ in batches]


def line_of(reads: Read, workers: int = 2, limit_s: float = 30.0) -> str:
    """The one line with which the reading ends; no worker is left."""
    with pytest.raises(CueframeError) as ended:
        first_numbers(reads, workers, limit_s)
    assert "\n" not in str(ended.value)
    deadline_s = time.monotonic() + 5
    while multiprocessing.active_children():
        assert time.monotonic() < deadline_s, "a worker is left"
        time.sleep(0.01)
    return str(ended.value)


def fails(error: Exception) -> Callable[[], object]:
    def happens() -> None:
        raise error

    return happens


class UnpicklableError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(lambda: None)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_come_in_order_out_of_shared_memory(workers: int) -> None:
    before = signal.getsignal(signal.SIGCHLD)
    expected = [read(numbers) for numbers in BATCHES]
    batches = list(read_ahead(BATCHES, read, workers=workers, device=CPU, limit_s=30.0))
    for got, those in zip(batches, expected, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(got, those, strict=True))
        assert not any(one.untyped_storage().is_shared() for one in got)
    assert signal.getsignal(signal.SIGCHLD) == before


@pytest.mark.parametrize("number", [0, 6])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_told(number: int, workers: int) -> None:
    line = line_of(at(number, lambda: os.kill(os.getpid(), signal.SIGKILL)), workers)
    assert line == (
        "a process that reads pictures was killed by signal 9, perhaps for want of memory; " + GO_ON
    )


def test_a_worker_that_ends_by_itself_is_told() -> None:
    line = line_of(at(6, lambda: os._exit(7)))
    assert line.startswith("a process that reads pictures ended with code 7")


def test_a_death_does_not_strike_while_something_else_is_done() -> None:
    dying = at(2, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with closing(read_ahead(BATCHES, dying, workers=1, device=CPU, limit_s=30.0)) as batches:
        next(batches)
        deadline_s = time.monotonic() + 10
        while multiprocessing.active_children():  # the worker dies during this
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        with pytest.raises(CueframeError, match="signal 9"):
            list(batches)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (OSError("two\nlines"), "OSError: two lines"),
        (MemoryError(), "MemoryError"),
        (UnpicklableError("a", "b"), "UnpicklableError: <function "),
        (CueframeError("ours"), "ours"),
    ],
)
def test_a_failure_keeps_its_reason(error: Exception, reason: str) -> None:
    line = line_of(at(6, fails(error)))
    assert line.startswith(f"a process that reads pictures failed ({reason}"), line
    assert line.endswith("; --num_workers 0 --debug shows where")
    with pytest.raises(type(error)):
        first_numbers(at(6, fails(error)), workers=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_hangs_is_waited_for_no_longer_than_the_limit(workers: int) -> None:
    began_s = time.monotonic()
    line = line_of(at(6, lambda: time.sleep(60)), workers, limit_s=1.0)
    assert line.startswith("no pictures came in 1 s; look whether the disk of --image_path answers")
    assert time.monotonic() - began_s < 10


def test_a_stopped_worker_is_killed_in_the_end() -> None:
    line = line_of(at(6, lambda: os.kill(os.getpid(), signal.SIGSTOP)), limit_s=1.0)
    assert line.startswith("no pictures came in 1 s")


def test_a_worker_that_stops_before_its_batch_is_fetched_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_DYING_S", 1.0)
    stops = at(2, lambda: os.kill(os.getpid(), signal.SIGSTOP))
    with closing(read_ahead(BATCHES, stops, workers=1, device=CPU, limit_s=1.0)) as those:
        next(those)
        time.sleep(1)  # the next batch is read, and its memory is with the worker
        with pytest.raises(CueframeError, match="no pictures came in 1 s"):
            next(those)


def test_a_slow_disk_is_no_error() -> None:
    assert first_numbers(at(6, lambda: time.sleep(1.5)), 1, limit_s=5.0) == list(range(9))


@pytest.mark.parametrize("workers", [1, 2])
def test_leaving_early_ends_a_worker_that_hangs(workers: int) -> None:
    hanging = at(1, lambda: time.sleep(60))
    with closing(read_ahead(BATCHES, hanging, workers=workers, device=CPU, limit_s=30.0)) as those:
        next(those)
    for worker in multiprocessing.active_children():
        worker.join(5)
    assert not multiprocessing.active_children()


def test_workers_that_cannot_be_started_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fork", fails(BlockingIOError(11, "Resource temporarily unavailable")))
    line = line_of(read)
    assert line.startswith("no process that reads pictures can be started (BlockingIOError: ")
    assert line.endswith("; lower --num_workers: 0 does without them")


def test_the_wait_grows_with_the_pictures() -> None:
    assert longest_wait_s(2) >= 300
    assert longest_wait_s(1000) > longest_wait_s(10)


PEAK = """
import os, subprocess, time, torch
from index.errors import CueframeError
from train.read_ahead import most_held, read_ahead
from train.shared_memory import refuse_small_room, room_bytes

CPU, SIZE, COUNT = torch.device("cpu"), 2**22, 12
NEED = room_bytes([SIZE, 3], most_held(2, COUNT, CPU))

def read(numbers):
    return torch.full((SIZE,), numbers[0], dtype=torch.uint8), torch.zeros(3, dtype=torch.bool)

def read_all(room):
    subprocess.run(["mount", "-o", f"remount,size={room}", "/dev/shm"], check=True)
    batches, kept = [[n] for n in range(COUNT)], []  # a step may hold as many as it likes
    for pixels, _ in read_ahead(batches, read, workers=2, device=CPU, limit_s=60.0):
        time.sleep(0.1)  # so that the workers are as far ahead as they can be
        kept.append(pixels)
    return [int(pixels[-1]) for pixels in kept]

refuse_small_room(NEED)
assert read_all(NEED) == list(range(COUNT))
for no_room in (lambda: read_all(NEED - 2 * SIZE), lambda: refuse_small_room(NEED)):
    try:
        no_room()
    except CueframeError as error:
        print(error)
"""


def test_the_room_reckoned_is_what_is_filled() -> None:
    """That is five batches of 4 MiB, and with three there is a line for the one that failed."""
    command = in_a_container("1g", sys.executable, "-c", PEAK)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done
    assert done.stderr == ""
    failed, refused = done.stdout.splitlines()
    assert failed.startswith("the pictures read ahead find no room in /dev/shm (RuntimeError: ")
    assert "No space left on device" in failed
    assert failed.endswith(f"; enlarge it (docker run --shm-size), or {GO_ON}")
    assert refused == (
        "reading pictures ahead needs 22 MiB of /dev/shm, and 13 MiB are free; choose "
        "--num_workers 0, or enlarge it (docker run --shm-size 22m)"
    )


def test_no_more_is_held_than_an_epoch_has() -> None:
    assert most_held(2, 100, CPU) == 5
    assert most_held(2, 100, torch.device("cuda")) == 4
    assert most_held(2, 3, CPU) == 3
