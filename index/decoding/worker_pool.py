"""Decoding in separate processes, which can crash, hang or be killed without harm to the others.

Each worker has its own pipe and its own shared memory of a few slots. A slot holds a chunk of
model inputs, the T of each frame one after another, perhaps over several chunks. A worker whose
slots are all full waits, so memory is bounded by the chunks in flight. The memory has no name, so a
killed worker leaves nothing behind. A single pipe shared by all workers, as in
multiprocessing.Pool, would stall when a worker is killed while it writes.

    parent                              worker
    job ─────────────────────────────▶  read(job) …
    Chunk(slot, times) ◀──────────────  pixels in the slot
    slot is free ────────────────────▶
    Done(metadata) or Failed(reason) ◀─

C: squares of a chunk, T: squares (tiles) of a frame, H, W: height and width of the model's input.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

from index.decoding.decoders import container_duration_s
from index.decoding.frame_types import PixelStream, VideoMetadata
from index.decoding.shared_memory import mapped, reserved_memory
from index.errors import CueframeError, VideoError
from index.messages import reason_of

CHUNK_SQUARES = 16
_SLOTS = 2
_GRACE_S = 120.0
_LONGEST_WAIT_S = 3600.0
"""The operating system counts a wait in milliseconds of 31 bits; a deadline may lie further off."""
_TOLD_TO_END = (0, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)
"""Exit codes of a worker that a launcher or a user ended, with its parent or before it."""
_PATIENCE = 20.0
"""Seconds allowed per second of video: 4K HEVC on one slow core takes about ten."""

Sampler = Callable[[str], PixelStream]
"""Maps a path to its sampled frames, as a `PixelStream`; must be picklable."""
Pin = Callable[[npt.NDArray[np.uint8]], Callable[[], object]]
"""Makes memory ready for a device that copies from it, and returns what undoes that."""


@dataclass(frozen=True)
class Opened:
    """A worker has started on a video."""

    job: str
    claimed_s: float
    """Duration that the container declares, 0 if none."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive squares of a video; valid only until the next event is requested."""

    job: str
    time_s: list[float]
    """Of the frames that begin in this chunk; none where it is one frame's that began before."""
    end_s: list[float]
    tiles: int
    """T of this video."""
    pixels: npt.NDArray[np.uint8]
    """(C, H, W, 3)"""


@dataclass(frozen=True)
class Done:
    """All frames of a video have been delivered."""

    job: str
    metadata: VideoMetadata
    cpu_s: float


@dataclass(frozen=True)
class Failed:
    """A video failed; its chunks so far must be discarded."""

    job: str
    reason: str
    passing: bool = False
    """The video is not at fault: its worker was told to end."""


Event = Opened | Chunk | Done | Failed


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: "Connection[Any, Any]"
    slots: npt.NDArray[np.uint8]
    unpin: Callable[[], object]
    job: str | None = None
    limit_s: float = math.inf
    deadline: float = math.inf


def default_workers(*, on_gpu: bool) -> int:
    """Return the workers of this encoding process: its even share of the machine's cores.

    An encoder on a CPU keeps one of the cores; one on a GPU needs next to none.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = os.cpu_count() or 1
    return max(1, (cores if on_gpu else cores - 1) // here)


def decode_all(
    jobs: Iterable[str],
    read: Sampler,
    *,
    side: tuple[int, int],
    workers: int,
    limit_s: float | None,
    pin: Pin | None = None,
) -> Generator[Event, None, None]:
    """Decode videos in parallel and yield events as they occur.

    Args:
        jobs: Paths, started in this order.
        read: Task of a worker, from a path to its sampled frames.
        side: (H, W) of the frames.
        workers: Number of worker processes.
        limit_s: Seconds that a worker may spend on a path, not counting waits for a free slot;
            None allows 120 s plus 20 s per second of video.
        pin: Called with each worker's memory, so that a GPU copies chunks from where they are.

    Yields:
        `Opened`, any number of `Chunk`, then one `Done` or `Failed` for each job.

    Raises:
        CueframeError: A worker cannot write, which ends the run.
    """
    waiting = list(jobs)[::-1]
    team: list[_Worker] = []
    try:
        while True:
            idle = [worker for worker in team if worker.job is None]
            while waiting and (idle or len(team) < workers):
                if not idle:
                    idle.append(_start_worker(read, side, pin))
                    team.append(idle[-1])
                _assign(idle.pop(), waiting.pop())
            for worker in idle:
                team.remove(worker)
                _stop_worker(worker)
            if not team:
                return
            yield from _events(team, limit_s)
    finally:
        for worker in team:
            _stop_worker(worker)


def _events(team: list[_Worker], limit_s: float | None) -> Iterator[Event]:
    """Wait once and yield the workers' events; a dead or late worker is removed from `team`."""
    soonest = min(worker.deadline for worker in team)
    timeout = min(_LONGEST_WAIT_S, max(0.0, soonest - time.monotonic()))
    ready = wait([*(w.pipe for w in team), *(w.process.sentinel for w in team)], timeout)
    for worker in list(team):
        if worker.pipe in ready or worker.process.sentinel in ready:
            try:
                # Messages sent before a worker died still count, so the pipe is read first.
                yield from _receive(worker, limit_s)
            except (EOFError, OSError):
                worker.process.join()
                code = worker.process.exitcode or 0
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                passing = code in _TOLD_TO_END
                yield from _drop_worker(team, worker, f"its worker process {how}", passing)
            except CueframeError:
                raise
            except Exception as error:  # noqa: BLE001 - what it sent costs the video that it had
                yield from _drop_worker(team, worker, reason_of(error))
        elif worker.deadline <= time.monotonic() and not worker.pipe.poll():
            reason = f"took longer than {worker.limit_s:.0f} s to decode; raise --time-limit-s"
            yield from _drop_worker(team, worker, reason)


def _receive(worker: _Worker, limit_s: float | None) -> Iterator[Event]:
    """Receive one message of a worker and yield it as an event."""
    kind, *content = worker.pipe.recv()
    job = worker.job
    assert job is not None
    if kind == "opened":
        worker.limit_s = limit_s or _GRACE_S + _PATIENCE * content[0]
        worker.deadline = time.monotonic() + worker.limit_s
        yield Opened(job, *content)
    elif kind == "chunk":
        slot, squares, times_s, ends_s, tiles, busy_s = content
        yield Chunk(job, times_s, ends_s, tiles, worker.slots[slot, :squares])
        worker.deadline = time.monotonic() + worker.limit_s - busy_s
        worker.pipe.send(slot)
    elif kind == "stop":
        raise CueframeError(*content)
    else:
        worker.job, worker.deadline = None, math.inf
        yield Done(job, *content) if kind == "done" else Failed(job, *content)


def _drop_worker(
    team: list[_Worker], worker: _Worker, reason: str, passing: bool = False
) -> Iterator[Event]:
    team.remove(worker)
    worker.process.kill()
    _stop_worker(worker)
    if worker.job is not None:
        yield Failed(worker.job, reason, passing)


def _start_worker(read: Sampler, side: tuple[int, int], pin: Pin | None) -> _Worker:
    context = get_context("spawn")
    shape = (_SLOTS, CHUNK_SQUARES, *side, 3)
    try:
        with reserved_memory(math.prod(shape)) as memory:
            pipe, far_end = context.Pipe()
            process = context.Process(target=_work, args=(far_end, shape, read), daemon=True)
            process.start()
            send_handle(pipe, memory.fileno(), process.pid)
            slots = mapped(memory.fileno()).reshape(shape)
    except OSError as error:
        raise CueframeError(
            f"a decoding process cannot be started ({error}); lower --workers, or allow "
            "more memory and open files"
        ) from error
    far_end.close()
    return _Worker(process, pipe, slots, pin(slots) if pin else lambda: None)


def _assign(worker: _Worker, job: str) -> None:
    # A new process must first load its modules; the video's own limit starts at `Opened`.
    worker.job, worker.limit_s = job, _GRACE_S
    worker.deadline = time.monotonic() + worker.limit_s
    with contextlib.suppress(OSError):  # already dead: `_events` reports the job as failed
        worker.pipe.send(job)


def _stop_worker(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.job is not None:
        worker.process.kill()
    worker.process.join()
    worker.unpin()


def _work(pipe: "Connection[Any, Any]", shape: tuple[int, ...], read: Sampler) -> None:
    """Run a worker: memory and jobs in, chunks out, until the parent closes the pipe or dies."""
    Thread(target=_die_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        memory = recv_handle(pipe)
        slots = mapped(memory).reshape(shape)
        os.close(memory)
        while True:
            job = pipe.recv()
            began_s = time.process_time()
            try:
                pipe.send(("opened", container_duration_s(Path(job))))
                metadata = _hand_over(read(job), slots, pipe)
            except (EOFError, BrokenPipeError):
                raise
            except VideoError as error:
                pipe.send(("failed", str(error)))
            except CueframeError as error:
                pipe.send(("stop", str(error)))
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises costs one video
                pipe.send(("failed", reason_of(error)))
            else:
                pipe.send(("done", metadata, time.process_time() - began_s))


def _hand_over(
    pixels: PixelStream, slots: npt.NDArray[np.uint8], pipe: "Connection[Any, Any]"
) -> VideoMetadata:
    """Fill and send slots until the video ends, waiting when none is free; return the metadata."""
    free = list(range(len(slots)))
    lent = 0
    left = slots[:0, 0]  # squares of the frame at hand
    tiles = 1
    began_s, waited_s = time.monotonic(), 0.0
    metadata: VideoMetadata | None = None
    try:
        while metadata is None:
            if not free:
                waits_s = time.monotonic()
                free.append(pipe.recv())
                lent -= 1
                waited_s += time.monotonic() - waits_s
            slot = free.pop()
            times_s: list[float] = []
            ends_s: list[float] = []
            filled = 0
            while filled < CHUNK_SQUARES:
                if not len(left):
                    try:
                        time_s, end_s, left = next(pixels)
                    except StopIteration as end:
                        metadata = end.value
                        break
                    tiles = len(left)
                    times_s.append(time_s)
                    ends_s.append(end_s)
                part, left = np.split(left, [CHUNK_SQUARES - filled])
                slots[slot, filled : filled + len(part)] = part
                filled += len(part)
            if filled:
                busy_s = time.monotonic() - began_s - waited_s
                pipe.send(("chunk", slot, filled, times_s, ends_s, tiles, busy_s))
                lent += 1
    finally:
        for _ in range(lent):  # the next job starts with all slots free
            pipe.recv()
    return metadata


def _die_with_parent() -> None:
    """Exit with the parent: a hanging decoder would outlive a parent killed with -9."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
