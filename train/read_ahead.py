"""Batches of pictures, read ahead by worker processes that may fail.

A batch comes back in shared memory, and is copied out of it at once.
"""

import math
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Event, Thread
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from index.errors import CueframeError
from index.messages import reason_of
from train.preemption import leave_signals_to_parent
from train.shared_memory import SHARED

_AHEAD = 2
"""Batches that each worker reads ahead."""
_GRACE_S = 300.0
_PICTURE_S = 1.0
"""Seconds that reading a picture may take. A PNG of 720p takes 0.02; a slow disk is no error."""
_LOOK_S = 1.0
"""Seconds between looks at the workers. A run that is stopped (SIGSTOP) loses one look, no more."""
_DYING_S = 5.0
"""How long a process takes to die, on a busy machine."""

_GO_ON = "go on by --resume with --num_workers 0"

Batch = tuple[Tensor, ...]
Read = Callable[[list[int]], Batch]
"""The task of a worker: from the numbers of questions to their batch."""


def longest_wait_s(pictures: int) -> float:
    """Return the longest wait for a batch of that many pictures."""
    return _GRACE_S + _PICTURE_S * pictures


def most_held(workers: int, batches: int, device: torch.device) -> int:
    """Return the most batches of an epoch of `batches` that are in shared memory at one time.

    On the way to a GPU they leave it for pinned memory; else one more is there while it is copied.
    """
    return min(batches, _AHEAD * workers + (device.type != "cuda"))


def read_ahead(
    batches: Sequence[list[int]],
    read: Read,
    *,
    workers: int,
    device: torch.device,
    limit_s: float,
) -> Generator[Batch]:
    """Yield each batch, on the device; close this where it is left early.

    Args:
        batches: Numbers of questions, in order.
        read: Task of a worker.
        workers: Number of worker processes; 0 reads in this one.
        device: Where the tensors go.
        limit_s: Longest wait for a batch.

    Raises:
        CueframeError: Workers cannot be started, one of them died or failed, or none answers.
    """
    if not workers:
        for numbers in batches:
            yield tuple(one.to(device) for one in read(numbers))
        return
    loader = DataLoader(
        cast("Any", batches),
        batch_size=None,
        collate_fn=partial(_answer, read),
        num_workers=workers,
        prefetch_factor=_AHEAD,
        pin_memory=device.type == "cuda",
        timeout=min(_LOOK_S, limit_s),
        generator=torch.Generator(),  # so that nothing is drawn from torch's default one
        worker_init_fn=leave_signals_to_parent,
    )
    answers = _started(loader)
    # Not by `active_children`, which leaves out one that has died meanwhile.
    team: set[BaseProcess] = set(cast("Any", answers)._workers)
    try:
        for _ in batches:
            answer = _awaited(answers, team, limit_s)
            if isinstance(answer, str):
                raise CueframeError(answer)
            # A copy on a CPU, too: a step holds many batches, and shared memory is small.
            batch = tuple(one.to(device, non_blocking=True, copy=True) for one in answer)
            del answer
            yield batch
    finally:
        del answers  # ends the workers that still listen
        for worker in team:
            worker.kill()  # they leave other signals to this process, which would wait for them


def _started(loader: DataLoader[Any]) -> Iterator[list[Tensor] | str]:
    """Start the workers, without torch's handler of SIGCHLD.

    It raises where a worker dies, wherever this process is: in the midst of a checkpoint, too.
    """
    before = signal.getsignal(signal.SIGCHLD)
    try:
        return iter(loader)
    except (OSError, RuntimeError) as error:
        raise CueframeError(
            f"no process that reads pictures can be started ({reason_of(error)}); lower "
            "--num_workers: 0 does without them"
        ) from error
    finally:
        if signal.getsignal(signal.SIGCHLD) is not before:
            signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def _answer(read: Read, numbers: list[int]) -> list[Tensor] | str:
    """Read a batch into shared memory, or say in one line why not; a worker calls this.

    Left to itself, torch fills shared memory in a thread that loses a batch for which it is full.
    """
    try:
        return [one.share_memory_() for one in read(numbers)]  # type: ignore[no-untyped-call]  # torch's own
    except Exception as error:  # noqa: BLE001 - whatever it is, the run ends with it
        reason = reason_of(error)
    if "shared memory" in reason:
        return (
            f"the pictures read ahead find no room in {SHARED} ({reason}); enlarge it (docker run "
            f"--shm-size), or {_GO_ON}"
        )
    return f"a process that reads pictures failed ({reason}); --num_workers 0 --debug shows where"


def _awaited(
    answers: Iterator[list[Tensor] | str], team: set[BaseProcess], limit_s: float
) -> list[Tensor] | str:
    """Return the next answer of a worker, or in one line why there is none."""
    with _killed_if_late(team, limit_s + _DYING_S) as late:
        for _ in range(math.ceil(limit_s / _LOOK_S)):
            try:
                return next(answers)
            except (RuntimeError, OSError, EOFError) as error:
                reason, timed_out = reason_of(error), "timed out" in str(error)
            if late.is_set():
                break
            # Where a worker dies, its connection may break before it has ended.
            ended = wait([worker.sentinel for worker in team], 0 if timed_out else _DYING_S)
            for worker in team:
                if worker.sentinel in ended:
                    worker.join()
                    return _death(worker.exitcode or 0)
            if not timed_out:
                return f"the processes that read pictures are out of reach ({reason}); {_GO_ON}"
    return (
        f"no pictures came in {limit_s:.0f} s; look whether the disk of --image_path answers, and "
        "go on by --resume"
    )


@contextmanager
def _killed_if_late(team: set[BaseProcess], limit_s: float) -> Iterator[Event]:
    """Kill the workers where the block takes longer; yield an event that tells that it did.

    The memory of a batch comes from its worker, and is waited for without end if that is stopped.
    """
    done, late = Event(), Event()

    def watch() -> None:
        for _ in range(math.ceil(limit_s / _LOOK_S)):
            if done.wait(_LOOK_S):
                return
        late.set()
        for worker in team:
            worker.kill()

    Thread(target=watch, daemon=True).start()
    try:
        yield late
    finally:
        done.set()


def _death(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"a process that reads pictures {how}, perhaps for want of memory; {_GO_ON}"
