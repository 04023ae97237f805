"""Types of the decoders: frames, the times at which they are shown, and a video's metadata.

Times are in seconds from the first *shown* frame. The frame shown at t is the last one whose
presentation time is at most t + 1e-4.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from index.spans import TIME_TOLERANCE_S


class Frame(NamedTuple):
    """A picture and the span in which it is shown (`index.spans`)."""

    time_s: float
    end_s: float
    """Time of the next frame of the video; the end of the video if there is none."""
    image: Image.Image


@dataclass(frozen=True, kw_only=True)
class VideoMetadata:
    """Metadata of a video, known once it is decoded to its end."""

    duration_s: float
    """End of the last shown frame, counted from the first shown frame."""
    start_s: float
    """Time of the first shown frame on a player's clock, which starts with the earliest stream."""
    width: int
    height: int
    warnings: list[str] = field(default_factory=list)


Scale = Callable[[int, int], tuple[int, int]]
"""Maps a frame's width and height to those to which the decoder scales it."""

FrameStream = Generator[Frame, None, VideoMetadata]
PixelStream = Generator[tuple[float, float, npt.NDArray[np.uint8]], None, VideoMetadata]
"""Sampled frames of a video as the model's input: (time in s, end in s, (T, H, W, 3) uint8), with
the same number T of tiles for all of them."""


NextTime = Callable[[float], float]
"""Maps the time at which a frame is first shown to the earliest wanted time t with t + 1e-4 at or
after it; inf if there is none. It is asked about any frame, in any order, so it keeps no state."""


def every(fps: float) -> NextTime:
    """Want the sample times k / fps in seconds, without end."""

    def next_time(start_s: float) -> float:
        # One too few is sure in spite of rounding; the loop goes on to the exact one.
        k = max(0, int((start_s - TIME_TOLERANCE_S) * fps) - 1)
        while k / fps + TIME_TOLERANCE_S < start_s:
            k += 1
        return k / fps

    return next_time


def each_of(times_s: Iterable[float]) -> NextTime:
    """Want the given times in seconds, in any order."""
    ordered = sorted(times_s)

    def next_time(start_s: float) -> float:
        row = bisect_left(ordered, start_s, key=lambda time_s: time_s + TIME_TOLERANCE_S)
        return ordered[row] if row < len(ordered) else math.inf

    return next_time


def is_wanted(next_time: NextTime, time_s: float, end_s: float) -> bool:
    """Return whether a wanted time falls on a frame that another one follows, at `end_s`."""
    return next_time(time_s) + TIME_TOLERANCE_S < end_s


def is_last_wanted(next_time: NextTime, time_s: float, duration_s: float, clamp: bool) -> bool:
    """Return whether a wanted time falls on the last frame, or with `clamp` after it as well."""
    return next_time(time_s) < (math.inf if clamp else duration_s)
