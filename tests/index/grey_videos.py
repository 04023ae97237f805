"""Tasks of decoding workers: videos of a few greys, and what befalls them.

Without torch, which a worker would import with them.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from index.decoding.frame_types import PixelStream, VideoMetadata
from index.errors import CueframeError, VideoError

METADATA = VideoMetadata(duration_s=9.0, start_s=0.0, width=8, height=8, warnings=["odd"])
SIDE = 4


def frames(path: str) -> PixelStream:
    """A video of a path such as "a:37": so many frames, each of one grey that tells which it is.

    "a:37x3" has three tiles in each frame, of one grey after another.
    """
    name, _, counts = Path(path).name.partition(":")
    count, _, several = counts.partition("x")
    tiles = int(several or 1)
    if name == "broken":
        raise VideoError("has no video stream")
    for number in range(int(count)):
        if name == "late" and number == 20:
            raise VideoError("breaks off")
        squares = np.empty((tiles, SIDE, SIDE, 3), np.uint8)
        for tile in range(tiles):
            squares[tile] = (number * tiles + tile) % 251
        yield number / 2, number / 2 + 0.04, squares
    return METADATA


def _renamed_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("B" * path.stat().st_size)  # of the same size
    other.replace(path)


def _written_into(path: Path) -> None:
    path.write_text("another and longer content")


def _touched(path: Path) -> None:
    os.utime(path, (1, 1))


HAPPENINGS: dict[str, Callable[[Path], None]] = {
    "renamed over": _renamed_over,
    "written into": _written_into,
    "deleted": Path.unlink,
    "touched": _touched,
}


def meddled(path: str) -> PixelStream:
    """A video of a path such as "renamed over@20:37", to whose file that happens at frame 20."""
    happening, _, rest = Path(path).name.partition("@")
    when, _, count = rest.partition(":")
    for number in range(int(count) + 1):
        if happening in HAPPENINGS and number == int(when):
            HAPPENINGS[happening](Path(path))
            if happening == "deleted" and number == 0:
                raise VideoError("is not a file")
        if number < int(count):
            yield number / 2, number / 2 + 0.04, np.full((1, SIDE, SIDE, 3), number, np.uint8)
    return METADATA


def broken_meanwhile(path: str) -> PixelStream:
    """A video that is half written over, so that it cannot be decoded."""
    yield 0.0, 0.5, np.zeros((1, SIDE, SIDE, 3), np.uint8)
    if Path(path).name == "b":
        _written_into(Path(path))
    raise VideoError("breaks off")


def told_to_end(path: str) -> PixelStream:
    """A video whose worker gets a signal of that name."""
    yield 0.0, 0.5, np.zeros((1, SIDE, SIDE, 3), np.uint8)
    if name := Path(path).name.partition(":")[0]:
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(60)
    return METADATA


class Unreadable:
    """What raises when the parent unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def sends_what_cannot_be_read(path: str) -> PixelStream:
    yield 0.0, 0.5, np.zeros((1, SIDE, SIDE, 3), np.uint8)
    return cast("VideoMetadata", Unreadable()) if Path(path).name == "b" else METADATA


def full_disk(path: str) -> PixelStream:
    yield 0.0, 0.5, np.zeros((1, SIDE, SIDE, 3), np.uint8)
    raise CueframeError(f"{path} cannot be written; make room")
