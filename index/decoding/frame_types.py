"""Types of the decoders: frames, the times at which they are shown, and a video's metadata.

Times are in seconds from the first *shown* frame. The frame shown at t is the last one whose
presentation time is at most t + 1e-4.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image


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


class SampleTimes(Iterator[float]):
    """The infinite sequence of sample times t_k = k / fps in seconds."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._k = 0

    def __next__(self) -> float:
        time_s = self._k / self._fps
        self._k += 1
        return time_s

    def skip(self, end_s: float) -> None:
        """Leave out times for a frame that is shown until `end_s`, not those close to it.

        A damaged file may show a frame for a month: too many times to ask for one by one.
        """
        self._k = max(self._k, int(end_s * self._fps) - 1)


def sample_times(fps: float) -> SampleTimes:
    """Return the infinite sequence of sample times t_k = k / fps in seconds."""
    return SampleTimes(fps)
