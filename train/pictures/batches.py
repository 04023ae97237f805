"""The pictures of a batch, gathered from the store by a thread ahead of the step.

C: frames of a batch, b: its questions, T: tiles of a frame, H, W: height and width.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from train.pictures.store import PictureStore, Squares

_AHEAD = 2
"""Batches that are gathered ahead."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pictures(NamedTuple):
    """The pictures of a batch."""

    pixels: Tensor
    """(C, T, H, W, 3) uint8: each question's true frame, then its negatives."""
    counts: Tensor
    """(b,) int64: frames of each question; 0 where no true frame can be read."""


def gather(store: PictureStore, drawn: Sequence[Sequence[Squares]], *, pinned: bool) -> Pictures:
    """Read the pictures of a batch; those of fewer tiles than others repeat their last one.

    Args:
        store: Where they are.
        drawn: The frames of each question.
        pinned: Whether to put them in memory from which a GPU copies by itself.

    Raises:
        CueframeError: As `PictureStore.read`.
    """
    frames = [frame for own in drawn for frame in own]
    tiles = max((frame.length for frame in frames), default=1)
    pixels = torch.empty((len(frames), tiles, *store.side, 3), dtype=torch.uint8, pin_memory=pinned)
    into = pixels.numpy()
    for place, frame in enumerate(frames):
        store.read(frame, into[place, : frame.length])
        into[place, frame.length :] = into[place, frame.length - 1]
    return Pictures(pixels, torch.tensor([len(own) for own in drawn], dtype=torch.int64))


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
