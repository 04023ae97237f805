"""Frames of a video file by the time at which they are shown.

All decoders share one interface: `read` goes through a file once and yields the frames that are
shown at the wanted times. PyAV in order is the reference (index/decoding/in_order.py); "auto" gives
the same frames and decodes no more than they need (index/decoding/selective.py); decord, which
seeks to the key frame before a wanted frame, is used on request only
(index/decoding/decord_decoder.py). The types and the definition of time are in
index/decoding/frame_types.py.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from pkgutil import resolve_name

import av

from index.decoding.frame_types import Frame, FrameStream, NextTime, Scale, each_of
from index.decoding.registry import DECODERS
from index.errors import VideoError
from index.spans import TIME_TOLERANCE_S

Decode = Callable[[Path, NextTime, Scale | None, bool, int | None], FrameStream]


def read(
    path: Path,
    next_time: NextTime,
    *,
    decoder: str = "auto",
    scale: Scale | None = None,
    clamp: bool = False,
    max_pixels: int | None = None,
) -> FrameStream:
    """Read a file once, in order, and yield each frame that is shown at a wanted time, once.

    Args:
        path: The file.
        next_time: The wanted times, as `index.decoding.frame_types.every` or `each_of` gives them.
        decoder: A name of `DECODERS`; "decord" refuses files on which it may be wrong.
        scale: Maps a frame's size to the one for the decoder's own scaler; None for full size.
        clamp: Yield the last frame for times past the end as well.
        max_pixels: Refuse larger pictures, before their frames are decoded; None allows all.

    Returns:
        The `VideoMetadata`, as the generator's value; the file is then read to its end.

    Raises:
        VideoError: The file has no video stream, no timestamps or no decodable frame, its
            pictures are too large, or it is refused.
    """
    if not path.is_file():
        raise VideoError("is not a file; look for a typing error or a missing disk")
    # By name, so that decord is loaded only by runs that use it, not in every worker.
    decode: Decode = resolve_name(DECODERS[decoder].function)
    return (yield from decode(path, next_time, scale, clamp, max_pixels))


def container_duration_s(path: Path) -> float:
    """Read the duration that the container declares, 0 if none; no frame is decoded."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return max(0.0, (container.duration or 0) / av.time_base)
    except (av.FFmpegError, OSError, ValueError):
        return 0.0


def frames_at(path: Path, times_s: list[float], *, decoder: str = "auto") -> Iterator[Frame]:
    """Yield the frame shown at each of the ascending times, decoding no further than needed.

    Times past the end give the last frame.

    Raises:
        VideoError: As for `read`.
    """
    with closing(read(path, each_of(times_s), decoder=decoder, clamp=True)) as frames:
        frame: Frame | None = None
        for time_s in times_s:
            while frame is None or time_s + TIME_TOLERANCE_S >= frame.end_s:
                following = next(frames, None)
                if following is None:
                    break  # the last one is shown for good
                frame = following
            if frame is not None:
                yield frame
