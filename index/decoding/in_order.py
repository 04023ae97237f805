"""The reference decoder, PyAV: decodes every frame in order and selects by presentation time.

Of 44 files with odd timestamps it was correct on every intact one that has timestamps at all;
damaged packets are skipped one by one, so that the rest of the file is still read.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from index.decoding.clock import TimedFrame, has_decoding_times_only, in_order_of_time, on_one_clock
from index.decoding.display import Display, DisplayReader
from index.decoding.frame_types import FrameStream, NextTime, Scale
from index.decoding.packets import all_packets, clock_may_jump, looked_ahead
from index.decoding.reading import Reading, ShownFrame
from index.decoding.wanted_frames import wanted_frames
from index.errors import VideoError


def decode_in_order(
    path: Path,
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Implement `index.decoding.decoders.read` with PyAV, frame by frame."""
    reading = Reading(path, max_pixels)
    return (yield from wanted_frames(reading, every_frame(reading), next_time, scale, clamp))


def every_frame(reading: Reading) -> Iterator[tuple[ShownFrame, float | None]]:
    """Yield each shown frame with the time at which the next one is shown; None of the last."""
    held: ShownFrame | None = None
    for following in shown_frames(reading):
        if held is not None:
            yield held, following.time_s
        held = following
    if held is not None:
        yield held, None


def shown_frames(reading: Reading) -> Iterator[ShownFrame]:
    """Yield each shown frame of a file with its time in seconds from the first one."""
    with reading.opened() as (container, stream):
        for timed in _on_one_clock(reading, container, stream):
            if not timed.frame.is_corrupt:
                yield reading.shown(timed.pts, timed.length, timed.frame, timed.display)
                continue
            # The last whole frame is shown in its place, to its end.
            reading.corrupt += 1
            if reading.first_pts is not None:
                reading.last_end = timed.pts, timed.length
        reading.ended(container)


def _on_one_clock(
    reading: Reading, container: InputContainer, stream: VideoStream
) -> Iterator[TimedFrame]:
    """Yield the decoded frames, corrupt ones too, with times that ascend."""
    first_times, packets = looked_ahead(all_packets(container, reading.errors), stream)
    frames = _timed(reading, stream, _decoded(reading, packets))
    may_jump = clock_may_jump(container)
    if not may_jump and has_decoding_times_only(first_times, stream.codec_context.has_b_frames):
        frames = in_order_of_time(frames)

    def jumps_forward(end: int) -> bool:
        return may_jump and not reading.others.go_on(float(end * reading.ticks))

    return on_one_clock(frames, reading.ticks, reading.clock, jumps_forward)


def _timed(
    reading: Reading, stream: VideoStream, frames: Iterable[VideoFrame]
) -> Iterator[TimedFrame]:
    """Yield the frames with the times that the file gives them, and how they are shown."""
    display_of = DisplayReader(stream)
    for frame in frames:
        if frame.pts is not None:
            # At once: the reader asks the codec about the frame that was decoded last.
            display = Display() if frame.is_corrupt else display_of(frame)
            yield TimedFrame(frame.pts, frame.duration or 0, frame, display)
        elif frame.is_corrupt:
            reading.corrupt += 1
        else:
            raise VideoError(
                "has no timestamps, so no frame has a time; put the stream into a container "
                "at its true frame rate, for example as mp4"
            )


def _decoded(reading: Reading, packets: "Iterator[Packet[Any]]") -> Iterator[VideoFrame]:
    """Yield frames in the order of the decoder; a damaged packet is skipped by itself."""
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            reading.damage(error)
            return
        if packet is None:
            return
        if not reading.heard(packet):
            continue
        try:
            with reading.errors.of(packet):
                decoded = packet.decode()
        except (av.FFmpegError, OSError) as error:
            reading.damage(error)
            continue
        for frame in decoded:
            if isinstance(frame, VideoFrame):
                yield frame
