"""Which of a file's video streams is the video: the one that a player takes."""

from collections import Counter
from contextlib import suppress

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from index.errors import VideoError
from index.messages import name_some

_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def video_stream(container: InputContainer) -> VideoStream:
    """Return the stream that a player takes: FFmpeg's best one, unless it holds one picture.

    FFmpeg prefers the default flag, then more frames at the start, then a higher bit rate. Whether
    a stream holds more than one picture only its packets tell; they are read where there is a
    choice, until the best stream has two.

    Raises:
        VideoError: There is no video stream, or none that FFmpeg has a decoder for.
    """
    moving = _moving(container)
    known = [stream for stream in moving if _codec(stream) is not None]
    if moving and not known:
        raise VideoError("has no video stream with a known codec; convert it, for example to h264")
    if not known:
        raise VideoError("has no video stream")
    best = container.streams.best("video")
    # Sorting keeps FFmpeg's order among equals.
    known.sort(
        key=lambda stream: (
            stream is not best,
            not stream.disposition & Disposition.default,
            -(stream.bit_rate or 0),
        )
    )
    return known[0] if len(known) == 1 else _first_with_pictures(container, known)


def left_out(container: InputContainer, stream: VideoStream) -> list[str]:
    """Return the warning about video streams beside the chosen one; empty if there are none."""
    others = [_named(other) for other in _moving(container) if other is not stream]
    if not others:
        return []
    return [f"streams: {_named(stream)} is taken; left out: {name_some(others)}"]


def _moving(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not marked as pictures, as covers are."""
    return [stream for stream in container.streams.video if not stream.disposition & _STILL]


def _first_with_pictures(container: InputContainer, ranked: list[VideoStream]) -> VideoStream:
    """The first stream with two pictures, else the first with one, else the first."""
    pictures: Counter[int] = Counter()
    # Another container, because not every format can be wound back.
    with (
        suppress(av.FFmpegError, OSError),  # a damaged end: what came before it decides
        av.open(container.name, metadata_errors="replace") as again,
    ):
        for packet in again.demux([again.streams[stream.index] for stream in ranked]):
            pictures[packet.stream_index] += packet.size > 0
            if pictures[ranked[0].index] == 2:
                break
    return max(ranked, key=lambda stream: min(2, pictures[stream.index]))


def _codec(stream: VideoStream) -> VideoCodecContext | None:
    """PyAV's stub hides that a stream without a known codec has no context."""
    return stream.codec_context


def _named(stream: VideoStream) -> str:
    codec = _codec(stream)
    if codec is None:
        return f"stream {stream.index} (of an unknown codec)"
    return f"stream {stream.index} ({codec.name} {codec.width} x {codec.height})"
