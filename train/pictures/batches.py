"""The pictures of a batch, gathered from the store by a thread ahead of the step.

f: frames of a batch, T: tiles of a frame, H, W: height and width.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from train.pictures.store import PictureStore, Squares

_AHEAD = 2
"""Batches that are gathered ahead."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def gather(store: PictureStore, frames: Sequence[Squares], *, pinned: bool) -> Tensor:
    """Read frames, (f, T, H, W, 3) uint8; those of fewer tiles than others repeat their last one.

    Args:
        store: Where they are.
        frames: The squares of each.
        pinned: Whether to put them in memory from which a GPU copies by itself.

    Raises:
        CueframeError: As `PictureStore.read`.
    """
    tiles = max((frame.length for frame in frames), default=1)
    pixels = torch.empty((len(frames), tiles, *store.side, 3), dtype=torch.uint8, pin_memory=pinned)
    into = pixels.numpy()
    for place, frame in enumerate(frames):
        store.read(frame, into[place, : frame.length])
        into[place, frame.length :] = into[place, frame.length - 1]
    return pixels


def in_background(
    work: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    """Yield what the work makes of each item, in order, done ahead by a thread.

    Close it where it is left early.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(1) as thread:
        try:
            for item in items:
                waiting.append(thread.submit(work, item))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
