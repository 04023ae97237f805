"""The reference decoder, PyAV: decodes every frame in order and selects by presentation time.

Of 44 files with odd timestamps it was correct on every intact one that has timestamps at all;
damaged packets are skipped one by one, so that the rest of the file is still read.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
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
from index.decoding.libav_errors import ERROR_DETECTION, LibavErrors
from index.decoding.packets import (
    MISSING_END_S,
    all_packets,
    declared_end_s,
    looked_ahead,
    one_line,
)
from index.decoding.stream_choice import left_out, video_stream
from index.decoding.tone_mapping import Hdr
from index.errors import VideoError
from index.spans import TIME_TOLERANCE_S

_UNKNOWN_LENGTH_S = Fraction(1, 25)
"""Length of an only frame where the file tells neither that nor a rate, as in WMV."""


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
        self.errors = LibavErrors()
        self.reason = "it holds no picture"
        self.warnings: list[str] = []
        self.hdr: Hdr | None = None

    def frames(self) -> Iterator[ShownFrame]:
        """Yield each shown frame with its time in seconds from the first one."""
        try:
            with self.errors:
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
            codec.options = ERROR_DETECTION
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
        first_times, packets = looked_ahead(all_packets(container, self.errors), stream)
        frames = self._timed(stream, self._decoded(packets, stream, others))
        # A container whose clock may jump, such as MPEG-TS, has times of presentation.
        may_jump = Flags.ts_discont in Flags(container.format.flags)
        if not may_jump and has_decoding_times_only(first_times, stream.codec_context.has_b_frames):
            frames = in_order_of_time(frames)

        def jumps_forward(end: int) -> bool:
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
        tick_s: dict[int, float] = {}  # by stream: PyAV makes a new fraction for each packet
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._damage(error)
                return
            if packet is None:
                return
            number, pts = packet.stream_index, packet.pts
            if number not in tick_s:
                tick_s[number] = float(packet.time_base or 0)
            if pts is not None:
                end_s = (pts + (packet.duration or 0)) * tick_s[number]
                self.read_s = max(self.read_s, end_s)
                if packet.stream is not stream:
                    others.heard(number, pts * tick_s[number])
            self.read_bytes = max(self.read_bytes, (packet.pos or 0) + packet.size)
            if packet.stream is not stream:
                continue
            try:
                with self.errors.of(packet):
                    decoded = packet.decode()
            except (av.FFmpegError, OSError) as error:
                self._damage(error)
                continue
            for frame in decoded:
                if isinstance(frame, VideoFrame):
                    yield frame

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
        warnings += self.errors.warnings(self.first_pts)
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
