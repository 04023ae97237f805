"""One reading of a video file: how it is opened, and what is found out on the way to its end.

    reading = Reading(path, max_pixels)
    with reading.opened() as (container, stream):
        for packet in packets: reading.heard(packet) …
    metadata = reading.metadata()

Both ways to read, in order (`index.decoding.in_order`) and group by group
(`index.decoding.selective`), fill in the same notes, so that they tell the same of a file.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from index.decoding.clock import ClockFaults, OtherStreams
from index.decoding.display import Display, refuse_large
from index.decoding.frame_types import Scale, VideoMetadata
from index.decoding.joined_files import unread_share
from index.decoding.libav_errors import ERROR_DETECTION, LibavErrors
from index.decoding.packets import MISSING_END_S, declared_end_s, one_line
from index.decoding.stream_choice import left_out, video_stream
from index.decoding.tone_mapping import Hdr
from index.errors import VideoError

_UNKNOWN_LENGTH_S = Fraction(1, 25)
"""Length of an only frame where the file tells neither that nor a rate, as in WMV."""


class ShownFrame(NamedTuple):
    """A decoded frame, the time at which it is first shown, and how."""

    time_s: float
    frame: VideoFrame
    display: Display


Picture = Callable[[ShownFrame, Scale | None], Image.Image]
"""Makes the picture of a frame, scaled by the decoder's scaler or not."""


def picture(shown: ShownFrame, scale: Scale | None) -> Image.Image:
    """Return the frame as a player shows it, in RGB."""
    return shown.display.picture(shown.frame, scale)


class Reading:
    """What one reading of a file has found out so far."""

    def __init__(self, path: Path, max_pixels: int | None, hwaccel: HWAccel | None = None) -> None:
        """Take a file, the largest picture that is allowed, and a card that decodes, if any."""
        self.path = path
        self.max_pixels = max_pixels
        self._hwaccel = hwaccel
        self.first_pts: int | None = None
        self.ticks = Fraction(0)
        self.last_end = (0, 0)
        """Time and length of the last shown frame."""
        self.clock = ClockFaults()
        self.others = OtherStreams()
        self.errors = LibavErrors()
        self.corrupt = 0
        """Frames that are marked corrupt."""
        self._opened_s = 0.0
        self._rate: Fraction | None = None
        self._start_s = 0.0
        self._tick_s: dict[int, float] = {}  # by stream: PyAV makes a new fraction for each packet
        self._stream: VideoStream | None = None
        self._read_s = 0.0
        self._read_bytes = 0
        self._unread = 0.0
        self._missing_s = 0.0
        self._shape: tuple[Display, int, int] | None = None
        self._size = (0, 0)
        self._damaged = 0
        self._reason = "it holds no picture"
        self._warnings: list[str] = []
        self._hdr: Hdr | None = None

    @contextmanager
    def opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Open the file and its video stream, for decoding in the calling thread.

        Raises:
            VideoError: It cannot be opened, has no video stream, or its pictures are too large.
        """
        try:
            with self.errors:
                container = av.open(
                    str(self.path), metadata_errors="replace", hwaccel=self._hwaccel
                )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"cannot be opened as a video: {one_line(error)}") from error
        with container:
            stream = video_stream(container)
            self._warnings += left_out(container, stream)
            codec = stream.codec_context
            refuse_large(codec.width, codec.height, self.max_pixels)
            stream.thread_type = "NONE"
            codec.thread_count = 1
            codec.options = ERROR_DETECTION
            self._opened_s = (container.start_time or 0) / av.time_base
            self._rate = stream.average_rate
            self._stream = stream
            self.ticks = stream.time_base or Fraction(0)
            yield container, stream

    def heard(self, packet: "Packet[Any]") -> bool:
        """Take note of the next packet of the file; return whether it is the video's."""
        number, pts = packet.stream_index, packet.pts
        if number not in self._tick_s:
            self._tick_s[number] = float(packet.time_base or 0)
        if pts is not None:
            end_s = (pts + (packet.duration or 0)) * self._tick_s[number]
            self._read_s = max(self._read_s, end_s)
            if packet.stream is not self._stream:
                self.others.heard(number, pts * self._tick_s[number])
        self._read_bytes = max(self._read_bytes, (packet.pos or 0) + packet.size)
        # Not by its number: PyAV's signs of the end have none.
        return packet.stream is self._stream

    def damage(self, error: Exception) -> None:
        """Count a packet that could not be read or decoded."""
        self._damaged += 1
        self._reason = one_line(error)

    def shown(self, pts: int, length: int, frame: VideoFrame, display: Display) -> ShownFrame:
        """Take note of the next frame that is shown, and return it with its time.

        Args:
            pts: When, in ticks of the stream, on a clock that only goes on.
            length: For how many ticks; 0 where that is not known.
            frame: The decoded frame.
            display: How it is shown.

        Raises:
            VideoError: It is larger than allowed.
        """
        shape = display, frame.width, frame.height
        if shape != self._shape:
            self._shape = shape
            self._reshape(display, frame)
        if self.first_pts is None:
            self.first_pts = pts
            self._start_s = float(pts * self.ticks) - self._opened_s
        self.last_end = pts, length
        return ShownFrame(self.time_s(pts), frame, display)

    def time_s(self, pts: int) -> float:
        """Return a time of the stream in seconds from the first shown frame."""
        # Computed in fractions, so that 3 s of frames are exactly 3.0.
        return float((pts - (self.first_pts or 0)) * self.ticks)

    def _reshape(self, display: Display, frame: VideoFrame) -> None:
        """Take note of how the frames are shown from this one on."""
        size = display.size(frame)
        refuse_large(*size, self.max_pixels)
        if self.first_pts is None:
            self._size = size
        if display.warning and display.warning not in self._warnings:
            self._warnings.append(display.warning)
        self._hdr = self._hdr or display.hdr

    def ended(self, container: InputContainer) -> None:
        """Take note of what the file says of its end, once its packets are read."""
        self._missing_s = declared_end_s(container) - self._read_s
        self._unread = unread_share(self.path, container.format.name, self._read_bytes)

    def _duration_s(self) -> Fraction:
        """The end of the last frame in seconds from the first one; always above 0."""
        pts, length = self.last_end
        length_s = length * self.ticks
        if length_s <= 0:
            length_s = 1 / self._rate if self._rate and self._rate > 0 else _UNKNOWN_LENGTH_S
        return (pts - (self.first_pts or 0)) * self.ticks + length_s

    def metadata(self) -> VideoMetadata:
        """Return the metadata; complete after the last frame.

        Raises:
            VideoError: No frame of the file was shown.
        """
        if self.first_pts is None:
            if self.corrupt:
                self._reason = f"all {self.corrupt} frames are marked corrupt"
            raise VideoError(f"no frame of it can be decoded: {self._reason}")
        width, height = self._size
        return VideoMetadata(
            duration_s=float(self._duration_s()),
            start_s=self._start_s,
            width=width,
            height=height,
            warnings=[*self._warnings, *self._found(self.first_pts)],
        )

    def _found(self, first_pts: int) -> Iterator[str]:
        """Yield the warnings that are known only at the end."""
        if self._hdr is not None:
            yield self._hdr.warning
        if self._damaged:
            yield f"damaged: {self._damaged} packets could not be decoded"
        if self.corrupt:
            yield (
                f"damaged: {self.corrupt} frames are marked corrupt; the last whole frame before "
                "stays in their place"
            )
        yield from self.errors.warnings(first_pts)
        if self.clock.jumps:
            jumped_s = float(sum(map(abs, self.clock.jumps)) * self.ticks)
            yield (
                f"clock: it jumps {len(self.clock.jumps)} times, {jumped_s:.1f} s in all; the "
                "timeline goes on without a hole"
            )
        if self.clock.disordered:
            yield f"disordered: {self.clock.disordered} frames do not advance in time"
        if self._missing_s > MISSING_END_S:
            yield f"truncated: {self._missing_s:.1f} s are missing at the end"
        if self._unread:
            yield (
                f"joined: another recording follows, {100 * self._unread:.0f} % of the file, which "
                "no player shows; split it off, or join recordings with ffmpeg's concat"
            )
