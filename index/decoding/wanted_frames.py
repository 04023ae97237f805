"""Of the frames that a decoder has found, those that are wanted, as pictures."""

from collections.abc import Iterator

from index.decoding.frame_types import (
    Frame,
    FrameStream,
    NextTime,
    Scale,
    is_last_wanted,
    is_wanted,
)
from index.decoding.reading import Picture, Reading, ShownFrame, picture


def wanted_frames(
    reading: Reading,
    frames: Iterator[tuple[ShownFrame, float | None]],
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    picture: Picture = picture,
) -> FrameStream:
    """Yield the wanted ones of some frames, as `index.decoding.decoders.read` does.

    Args:
        reading: The reading that they come from; at their end it is over.
        frames: In order of time, with the time in seconds at which the next one is shown; None of
            the last one of the video, which is among them.
        next_time: As for `read`, and so are those below.
        scale: The decoder's own scaling.
        clamp: Whether times past the end mean the last frame.
        picture: Makes the pictures.
    """
    last: ShownFrame | None = None
    for shown, end_s in frames:
        if end_s is None:
            last = shown
        elif is_wanted(next_time, shown.time_s, end_s):
            yield Frame(shown.time_s, end_s, picture(shown, scale))
    metadata = reading.metadata()
    if last is not None and is_last_wanted(next_time, last.time_s, metadata.duration_s, clamp):
        yield Frame(last.time_s, metadata.duration_s, picture(last, scale))
    return metadata
