"""PyAV, decoding no more than the wanted frames need; in order where anything is odd."""

import math
from pathlib import Path

from index.decoding.frame_types import FrameStream, NextTime, Scale
from index.decoding.headers.packet_facts import OddError
from index.decoding.in_order import decode_in_order
from index.decoding.selective import decode_selected


def decode_pyav(
    path: Path,
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Implement `index.decoding.decoders.read` with PyAV."""
    given_s = -math.inf
    frames = decode_selected(path, next_time, scale, clamp, max_pixels)
    try:
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            given_s = frame.time_s
            yield frame
    except OddError:
        frames.close()

    def still_wanted(start_s: float) -> float:
        # What was given before is right: an oddity says nothing of the frames before it.
        return next_time(start_s) if start_s > given_s else math.inf

    return (yield from decode_in_order(path, still_wanted, scale, clamp, max_pixels))
