"""The packets of a file, in its order, and where they say that it ends."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from index.decoding.libav_errors import LibavErrors

MISSING_END_S = 1.0
"""A file counts as truncated if its declared end is more than this after that of its packets."""

_COUNTED_FROM_ZERO = {"matroska", "webm", "asf", "nut"}
"""Formats whose declared duration counts from time 0; elsewhere it counts from the first packet."""

_LOOK_AHEAD_FRAMES = 32
_LOOK_AHEAD_PACKETS = 500


def all_packets(container: InputContainer, errors: LibavErrors) -> "Iterator[Packet[Any]]":
    """Yield the packets of a file, and listen to what libav says of it.

    Raises:
        FFmpegError, OSError: The file cannot be read on.
    """
    packets = container.demux()
    while True:
        try:
            with errors:
                packet = next(packets, None)
        except IndexError:  # PyAV's, at the end, after a stream that began in mid-file
            return
        if packet is None:
            return
        yield packet


def looked_ahead(
    packets: "Iterator[Packet[Any]]", stream: VideoStream
) -> "tuple[list[int], Iterator[Packet[Any]]]":
    """Return the first presentation times of a stream, and all packets of the file.

    An error within them is raised where the packets come to it.
    """
    read: list[Packet[Any]] = []
    first: list[int] = []
    failed: Exception | None = None
    try:
        for packet in islice(packets, _LOOK_AHEAD_PACKETS):
            read.append(packet)
            if packet.stream is stream and packet.pts is not None:
                first.append(packet.pts)
            if len(first) == _LOOK_AHEAD_FRAMES:
                break
    except (av.FFmpegError, OSError) as error:
        failed = error

    def again() -> "Iterator[Packet[Any]]":
        # Each is let go as it is taken: a packet keeps its bytes.
        read.reverse()
        while read:
            yield read.pop()
        if failed is not None:
            raise failed
        yield from packets

    return first, again()


def clock_may_jump(container: InputContainer) -> bool:
    """Return whether a file's clock may jump, as in MPEG-TS; it then has times of presentation."""
    return Flags.ts_discont in Flags(container.format.flags)


def declared_end_s(container: InputContainer) -> float:
    """Return the time at which the file says that it ends, on the clock of its packets."""
    start_s, duration_s = (
        (value or 0) / av.time_base for value in (container.start_time, container.duration)
    )
    from_zero = _COUNTED_FROM_ZERO & set(container.format.name.split(","))
    return duration_s if from_zero else start_s + duration_s


def one_line(error: BaseException) -> str:
    """Return a library error as one line, without the path, which the caller names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
