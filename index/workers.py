"""Decoding in processes of its own, which can crash, hang or be killed without harm to the rest.

Each worker has its own pipe and its own shared memory of a few slots. A slot holds a chunk of
squares; a worker whose slots are all full waits, so memory is bounded by the chunks in flight. The
memory has no name (RawArray unlinks its file at once), so nothing is left behind by a kill. One
shared pipe, as a pool has it, stalls when a worker is killed while it writes.

    parent                              worker
    job ─────────────────────────────▶  read(job) …
    Chunk(slot, times) ◀──────────────  squares in the slot
    slot is free ────────────────────▶
    Done(clip) or Failed(reason) ◀────

C: frames of a chunk, H, W: sides of the square.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from index.errors import VideoError
from index.video import Clip, claimed_duration_s

CHUNK_FRAMES = 16
_SLOTS = 2
_GRACE_S = 120.0
_PATIENCE = 20.0
"""Seconds of decoding per second of video: 4K HEVC on one slow core takes about ten."""

Squares = Generator[tuple[float, npt.NDArray[np.uint8]], None, Clip]
Reader = Callable[[str], Squares]
"""From a path to its sampled frames, (time in s, (H, W, 3) uint8); must be picklable."""


@dataclass(frozen=True)
class Opened:
    """A worker has begun a video."""

    job: str
    claimed_s: float
    """The container's word for its duration, 0 where it has none."""


@dataclass(frozen=True)
class Chunk:
    """Some frames of a video, in order; void once the next event is asked for."""

    job: str
    time_s: list[float]
    squares: npt.NDArray[np.uint8]
    """(C, H, W, 3)"""


@dataclass(frozen=True)
class Done:
    """All frames of a video were handed over."""

    job: str
    clip: Clip
    cpu_s: float


@dataclass(frozen=True)
class Failed:
    """A video was lost; its chunks so far are void."""

    job: str
    reason: str


Event = Opened | Chunk | Done | Failed


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: "Connection[Any, Any]"
    slots: npt.NDArray[np.uint8]
    job: str | None = None
    limit_s: float = math.inf
    deadline: float = math.inf


def default_workers() -> int:
    """Decoding processes for each process that encodes: this machine's cores but one, shared."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, ((os.cpu_count() or 1) - 1) // here)


def decode_all(
    jobs: Iterable[str],
    read: Reader,
    *,
    side: tuple[int, int],
    workers: int,
    limit_s: float | None,
) -> Iterator[Event]:
    """Decode videos side by side and yield what comes, as it comes.

    Args:
        jobs: Paths, started in this order.
        read: What a worker does with a path.
        side: (H, W) of the squares.
        workers: How many at once.
        limit_s: Seconds that a worker may spend on a path, waiting for a free slot not counted;
            None grows with the duration: 120 s and 20 s for each second of video.

    Yields:
        `Opened`, any number of `Chunk`, then one `Done` or `Failed` for each job.
    """
    waiting = list(jobs)[::-1]
    team: list[_Worker] = []
    try:
        while True:
            idle = [worker for worker in team if worker.job is None]
            while waiting and (idle or len(team) < workers):
                if not idle:
                    idle.append(_hire(read, side))
                    team.append(idle[-1])
                _assign(idle.pop(), waiting.pop())
            for worker in idle:
                team.remove(worker)
                _dismiss(worker)
            if not team:
                return
            yield from _events(team, limit_s)
    finally:
        for worker in team:
            _dismiss(worker)


def _events(team: list[_Worker], limit_s: float | None) -> Iterator[Event]:
    """Wait once, and yield what the workers have said; a dead or late one leaves the team."""
    soonest = min(worker.deadline for worker in team)
    timeout = None if soonest == math.inf else max(0.0, soonest - time.monotonic())
    ready = wait([*(w.pipe for w in team), *(w.process.sentinel for w in team)], timeout)
    for worker in list(team):
        if worker.pipe in ready or worker.process.sentinel in ready:
            try:
                # What was said before a death counts; so the pipe is read first.
                yield from _said(worker, limit_s)
            except (EOFError, OSError):
                worker.process.join()
                code = worker.process.exitcode or 0
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                yield from _lose(team, worker, f"its worker process {how}")
        elif worker.deadline <= time.monotonic() and not worker.pipe.poll():
            reason = f"took longer than {worker.limit_s:.0f} s to decode; raise --time-limit-s"
            yield from _lose(team, worker, reason)


def _said(worker: _Worker, limit_s: float | None) -> Iterator[Event]:
    """One message of a worker, as an event."""
    kind, *content = worker.pipe.recv()
    job = worker.job
    assert job is not None
    if kind == "opened":
        worker.limit_s = limit_s or _GRACE_S + _PATIENCE * content[0]
        worker.deadline = time.monotonic() + worker.limit_s
        yield Opened(job, *content)
    elif kind == "chunk":
        slot, times_s, busy_s = content
        yield Chunk(job, times_s, worker.slots[slot, : len(times_s)])
        worker.deadline = time.monotonic() + worker.limit_s - busy_s
        worker.pipe.send(slot)
    else:
        worker.job, worker.deadline = None, math.inf
        yield Done(job, *content) if kind == "done" else Failed(job, *content)


def _lose(team: list[_Worker], worker: _Worker, reason: str) -> Iterator[Event]:
    team.remove(worker)
    worker.process.kill()
    _dismiss(worker)
    if worker.job is not None:
        yield Failed(worker.job, reason)


def _hire(read: Reader, side: tuple[int, int]) -> _Worker:
    context = get_context("spawn")
    shape = (_SLOTS, CHUNK_FRAMES, *side, 3)
    memory = context.RawArray("B", math.prod(shape))
    pipe, far_end = context.Pipe()
    process = context.Process(target=_work, args=(far_end, memory, shape, read), daemon=True)
    process.start()
    far_end.close()
    return _Worker(process, pipe, np.frombuffer(memory, dtype=np.uint8).reshape(shape))


def _assign(worker: _Worker, job: str) -> None:
    # A new process has its modules to load; the video's own limit counts from `Opened` on.
    worker.job, worker.limit_s = job, _GRACE_S
    worker.deadline = time.monotonic() + worker.limit_s
    with contextlib.suppress(OSError):  # dead already: its sentinel tells, and the job is reported
        worker.pipe.send(job)


def _dismiss(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.job is not None:
        worker.process.kill()
    worker.process.join()


def _work(pipe: "Connection[Any, Any]", memory: Any, shape: tuple[int, ...], read: Reader) -> None:
    """A worker's life: jobs in, chunks out, until the parent closes the pipe or dies."""
    Thread(target=_die_with_parent, daemon=True).start()
    slots = np.frombuffer(memory, dtype=np.uint8).reshape(shape)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            job = pipe.recv()
            began_s = time.process_time()
            try:
                pipe.send(("opened", claimed_duration_s(Path(job))))
                clip = _hand_over(read(job), slots, pipe)
            except (EOFError, BrokenPipeError):
                raise
            except VideoError as error:
                pipe.send(("failed", str(error)))
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises costs one video
                pipe.send(("failed", f"{type(error).__name__}: {' '.join(str(error).split())}"))
            else:
                pipe.send(("done", clip, time.process_time() - began_s))


def _hand_over(
    squares: Squares, slots: npt.NDArray[np.uint8], pipe: "Connection[Any, Any]"
) -> Clip:
    """Fill slot after slot, waiting where none is free, until the video ends."""
    free = list(range(len(slots)))
    lent = 0
    began_s, waited_s = time.monotonic(), 0.0
    clip: Clip | None = None
    try:
        while clip is None:
            if not free:
                waits_s = time.monotonic()
                free.append(pipe.recv())
                lent -= 1
                waited_s += time.monotonic() - waits_s
            slot = free.pop()
            times_s: list[float] = []
            while len(times_s) < CHUNK_FRAMES:
                try:
                    time_s, square = next(squares)
                except StopIteration as end:
                    clip = end.value
                    break
                slots[slot, len(times_s)] = square
                times_s.append(time_s)
            if times_s:
                pipe.send(("chunk", slot, times_s, time.monotonic() - began_s - waited_s))
                lent += 1
    finally:
        for _ in range(lent):  # the next job begins with every slot its own
            pipe.recv()
    return clip


def _die_with_parent() -> None:
    """A decoder that hangs would outlive a parent killed with -9."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
