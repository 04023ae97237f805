"""The pictures of a batch, gathered from the store.

f: frames of a batch, T: tiles of a frame, H, W: height and width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.pictures.store import PictureStore, Squares


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
