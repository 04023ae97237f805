"""Work done ahead by threads, with results in order.

The threads are daemons, so one that waits for a disk without end does not keep the process from
ending. They need no shared memory, as `multiprocessing.pool.ThreadPool` does.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from index.errors import CueframeError

_LONGEST_S = 300.0
"""Seconds to wait for a result. A PNG of 720p takes 0.05; a slow disk is no error."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield what the work makes of each item, in order; close it where it is left early.

    Args:
        work: Reads pictures; what it raises is raised here, in the place of its result.
        items: What it is about.
        threads: Number of threads, 1 or more.
        ahead: Results that are made before they are asked for, at most.

    Raises:
        CueframeError: A result takes too long.
    """
    tasks: SimpleQueue[tuple[Item, Future[Result]] | None] = SimpleQueue()
    waiting: deque[Future[Result]] = deque()

    def run() -> None:
        while task := tasks.get():
            item, result = task
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(work(item))
                except BaseException as error:  # noqa: BLE001 - raised by whoever takes the result
                    result.set_exception(error)

    for _ in range(threads):
        threading.Thread(target=run, daemon=True).start()
    try:
        for item in items:
            waiting.append(Future())
            tasks.put((item, waiting[-1]))
            if len(waiting) > ahead:
                yield _of(waiting.popleft())
        while waiting:
            yield _of(waiting.popleft())
    finally:
        for result in waiting:
            result.cancel()
        for _ in range(threads):
            tasks.put(None)


def _of(future: Future[Result]) -> Result:
    try:
        return future.result(_LONGEST_S)
    except TimeoutError as error:
        if future.done():  # it is the work's own
            raise
        raise CueframeError(
            f"no picture was read in {_LONGEST_S:.0f} s; look whether the disk of the pictures "
            "answers, and run again (training: with --resume)"
        ) from error
