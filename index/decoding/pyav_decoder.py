"""The reference decoder, PyAV: decodes every frame in order and selects by presentation time.

Of 44 files with odd timestamps it was correct on every intact one that has timestamps at all;
damaged packets are skipped one by one, so that the rest of the file is still read.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from index.decoding.clock import (
    ClockFaults,
    OtherStreams,
    TimedFrame,
    has_decoding_times_only,
    in_order_of_time,
    on_one_clock,
)
from index.decoding.display import Display, DisplayReader, refuse_large
from index.decoding.frame_types import Frame, FrameStream, Scale, VideoMetadata
from index.decoding.joined_files import unread_share
from index.decoding.stream_choice import left_out, video_stream
from index.decoding.tone_mapping import Hdr
from index.errors import VideoError
from index.spans import TIME_TOLERANCE_S

MISSING_END_S = 1.0
"""A file counts as truncated if its declared end is more than this after that of its packets."""

_COUNTED_FROM_ZERO = {"matroska", "webm", "asf", "nut"}
"""Formats whose declared duration counts from time 0; elsewhere it counts from the first packet."""

_UNKNOWN_LENGTH_S = Fraction(1, 25)
"""Length of an only frame where the file tells neither that nor a rate, as in WMV."""


_LOOK_AHEAD_FRAMES = 32
_LOOK_AHEAD_PACKETS = 500


class ShownFrame(NamedTuple):
    """A decoded frame, the time at which it is first shown, and how."""

    time_s: float
    frame: VideoFrame
    display: Display


def decode_pyav(
    path: Path,
    times_s: Iterable[float],
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Implement `index.decoding.decoders.read` with PyAV."""
    shown = _Shown(path, max_pixels)
    pending = iter(times_s)
    time_s = next(pending, None)
    held: ShownFrame | None = None
    frame: Frame | None = None
    for following in shown.frames():
        # The held frame is shown until the one that follows it.
        while (
            held is not None and time_s is not None and time_s + TIME_TOLERANCE_S < following.time_s
        ):
            frame = frame or Frame(held.time_s, following.time_s, picture(held, scale))
            yield frame
            time_s = next(pending, None)
        held, frame = following, None
    metadata = shown.metadata()
    while held is not None and time_s is not None and (clamp or time_s < metadata.duration_s):
        frame = frame or Frame(held.time_s, metadata.duration_s, picture(held, scale))
        yield frame
        time_s = next(pending, None)
    return metadata


def picture(shown: ShownFrame, scale: Scale | None) -> Image.Image:
    """Return the frame as a player shows it, in RGB."""
    return shown.display.picture(shown.frame, scale)


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


def _looked_ahead(
    container: InputContainer, stream: VideoStream
) -> "tuple[list[av.Packet[Any]], Iterator[av.Packet[Any]]]":
    """Return the first packets of a stream, and all packets of the file."""
    packets = container.demux()
    read: list[av.Packet[Any]] = []
    first: list[av.Packet[Any]] = []
    # A damaged place ends the look, not the reading.
    with suppress(av.FFmpegError, OSError):
        for packet in islice(packets, _LOOK_AHEAD_PACKETS):
            read.append(packet)
            if packet.stream is stream and packet.size:
                first.append(packet)
            if len(first) == _LOOK_AHEAD_FRAMES:
                break
    return first, chain(read, packets)


class _Shown:
    """The shown frames of a file in order, and the metadata collected while reading them."""

    def __init__(self, path: Path, max_pixels: int | None) -> None:
        self.path = path
        self.max_pixels = max_pixels
        self.first_pts: int | None = None
        self.ticks = Fraction(0)
        self.clock = ClockFaults()
        self.last_end = (0, 0)
        self.rate: Fraction | None = None
        self.start_s = 0.0
        self.read_s = 0.0
        self.read_bytes = 0
        self.unread = 0.0
        self.missing_s = 0.0
        self.size = (0, 0)
        self.damaged = 0
        self.corrupt = 0
        self.reason = "it holds no picture"
        self.warnings: list[str] = []
        self.hdr: Hdr | None = None

    def frames(self) -> Iterator[ShownFrame]:
        """Yield each shown frame with its time in seconds from the first one."""
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"cannot be opened as a video: {one_line(error)}") from error
        with container:
            stream = video_stream(container)
            self.warnings += left_out(container, stream)
            codec = stream.codec_context
            refuse_large(codec.width, codec.height, self.max_pixels)
            stream.thread_type = "NONE"
            codec.thread_count = 1
            opened_s = (container.start_time or 0) / av.time_base
            self.rate = stream.average_rate
            self.ticks = stream.time_base or Fraction(0)
            shape: tuple[Display, int, int] | None = None
            for timed in self._on_one_clock(container, stream):
                if timed.frame.is_corrupt:
                    self._hide(timed)
                    continue
                frame, display = timed.frame, timed.display
                if shape != (display, frame.width, frame.height):
                    shape = display, frame.width, frame.height
                    self._reshape(display, frame)
                if self.first_pts is None:
                    self.first_pts = timed.pts
                    self.start_s = float(timed.pts * self.ticks) - opened_s
                self.last_end = timed.pts, timed.length
                # Computed in fractions, so that 3 s of frames are exactly 3.0.
                yield ShownFrame(float((timed.pts - self.first_pts) * self.ticks), frame, display)

    def _on_one_clock(self, container: InputContainer, stream: VideoStream) -> Iterator[TimedFrame]:
        """Yield the decoded frames, corrupt ones too, with times that ascend."""
        others = OtherStreams()
        first, packets = _looked_ahead(container, stream)
        frames = self._timed(stream, self._decoded(packets, stream, others))
        # A container whose clock may jump, such as MPEG-TS, has times of presentation.
        may_jump = Flags.ts_discont in Flags(container.format.flags)
        if not may_jump and has_decoding_times_only(first, stream.codec_context.has_b_frames):
            frames = in_order_of_time(frames)

        def jumps_forward(end: int, _begin: int) -> bool:
            return may_jump and not others.go_on(float(end * self.ticks))

        yield from on_one_clock(frames, self.ticks, self.clock, jumps_forward)
        self.missing_s = declared_end_s(container) - self.read_s
        self.unread = unread_share(self.path, container.format.name, self.read_bytes)

    def _timed(self, stream: VideoStream, frames: Iterable[VideoFrame]) -> Iterator[TimedFrame]:
        """Yield the frames with the times that the file gives them, and how they are shown."""
        display_of = DisplayReader(stream)
        for frame in frames:
            if frame.pts is not None:
                # At once: the reader asks the codec about the frame that was decoded last.
                display = Display() if frame.is_corrupt else display_of(frame)
                yield TimedFrame(frame.pts, frame.duration or 0, frame, display)
            elif frame.is_corrupt:
                self.corrupt += 1
            else:
                raise VideoError(
                    "has no timestamps, so no frame has a time; put the stream into a container "
                    "at its true frame rate, for example as mp4"
                )

    def _reshape(self, display: Display, frame: VideoFrame) -> None:
        """Take note of how the frames are shown from this one on."""
        size = display.size(frame)
        refuse_large(*size, self.max_pixels)
        if self.first_pts is None:
            self.size = size
        if display.warning and display.warning not in self.warnings:
            self.warnings.append(display.warning)
        self.hdr = self.hdr or display.hdr

    def _hide(self, timed: TimedFrame) -> None:
        """Count a corrupt frame; the last whole one is shown in its place, to its end."""
        self.corrupt += 1
        if self.first_pts is not None:
            self.last_end = timed.pts, timed.length

    def _duration_s(self) -> Fraction:
        """The end of the last frame in seconds from the first one; always above 0."""
        pts, length = self.last_end
        length_s = length * self.ticks
        if length_s <= 0:
            length_s = 1 / self.rate if self.rate and self.rate > 0 else _UNKNOWN_LENGTH_S
        return (pts - (self.first_pts or 0)) * self.ticks + length_s

    def _decoded(
        self, packets: "Iterator[av.Packet[Any]]", stream: VideoStream, others: OtherStreams
    ) -> Iterator[VideoFrame]:
        """Yield frames in the order of the decoder; a damaged packet is skipped by itself."""
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._damage(error)
                return
            if packet is None:
                return
            if packet.pts is not None and packet.time_base is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.read_s = max(self.read_s, float(end))
                if packet.stream is not stream:
                    others.heard(packet.stream_index, float(packet.pts * packet.time_base))
            self.read_bytes = max(self.read_bytes, (packet.pos or 0) + packet.size)
            if packet.stream is not stream:
                continue
            try:
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        yield frame
            except (av.FFmpegError, OSError) as error:
                self._damage(error)

    def _damage(self, error: Exception) -> None:
        self.damaged += 1
        self.reason = one_line(error)

    def metadata(self) -> VideoMetadata:
        """Return the metadata; complete after the last frame."""
        if self.first_pts is None:
            if self.corrupt:
                self.reason = f"all {self.corrupt} frames are marked corrupt"
            raise VideoError(f"no frame of it can be decoded: {self.reason}")
        warnings = list(self.warnings)
        if self.hdr is not None:
            warnings.append(self.hdr.warning)
        if self.damaged:
            warnings.append(f"damaged: {self.damaged} packets could not be decoded")
        if self.corrupt:
            warnings.append(
                f"damaged: {self.corrupt} frames are marked corrupt; the last whole frame before "
                "stays in their place"
            )
        if self.clock.jumps:
            jumped_s = float(sum(map(abs, self.clock.jumps)) * self.ticks)
            warnings.append(
                f"clock: it jumps {len(self.clock.jumps)} times, {jumped_s:.1f} s in all; the "
                "timeline goes on without a hole"
            )
        if self.clock.disordered:
            warnings.append(f"disordered: {self.clock.disordered} frames do not advance in time")
        if self.missing_s > MISSING_END_S:
            warnings.append(f"truncated: {self.missing_s:.1f} s are missing at the end")
        if self.unread:
            warnings.append(
                f"joined: another recording follows, {100 * self.unread:.0f} % of the file, which "
                "no player shows; split it off, or join recordings with ffmpeg's concat"
            )
        width, height = self.size
        return VideoMetadata(
            duration_s=float(self._duration_s()),
            start_s=self.start_s,
            width=width,
            height=height,
            warnings=warnings,
        )
