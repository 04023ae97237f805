"""PyAV, decoding no more than the wanted frames need."""

from pathlib import Path

from index.decoding.frame_types import FrameStream, NextTime, Scale
from index.decoding.in_order import decode_in_order


def decode_pyav(
    path: Path,
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Implement `index.decoding.decoders.read` with PyAV."""
    return (yield from decode_in_order(path, next_time, scale, clamp, max_pixels))
