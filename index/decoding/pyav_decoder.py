"""The reference decoder, PyAV: decodes every frame in order and selects by presentation time.

Of 44 files with odd timestamps it was correct on every intact one that has timestamps at all;
damaged packets are skipped one by one, so that the rest of the file is still read.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from index.decoding.display import Display, DisplayReader, refuse_large
from index.decoding.frame_types import Frame, FrameStream, Scale, VideoMetadata
from index.decoding.stream_choice import left_out, video_stream
from index.errors import VideoError
from index.spans import TIME_TOLERANCE_S

MISSING_END_S = 1.0
"""A file counts as truncated if its declared end is more than this after that of its packets."""

_COUNTED_FROM_ZERO = {"matroska", "webm", "asf", "nut"}
"""Formats whose declared duration counts from time 0; elsewhere it counts from the first packet."""

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


class _Shown:
    """The shown frames of a file in order, and the metadata collected while reading them."""

    def __init__(self, path: Path, max_pixels: int | None) -> None:
        self.path = path
        self.max_pixels = max_pixels
        self.first_pts: int | None = None
        self.last_pts = 0
        self.ticks = Fraction(0)
        self.last_end = (0, 0)
        self.rate: Fraction | None = None
        self.start_s = 0.0
        self.missing_s = 0.0
        self.size = (0, 0)
        self.damaged = 0
        self.corrupt = 0
        self.disordered = 0
        self.reason = "it holds no picture"
        self.warnings: list[str] = []

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
            display_of = DisplayReader(stream)
            shape: tuple[Display, int, int] | None = None
            for frame in self._decoded(container, stream):
                if frame.is_corrupt:
                    self._hide(frame)
                    continue
                if frame.pts is None or frame.time_base is None:
                    raise VideoError(
                        "has no timestamps, so no frame has a time; put the stream into a "
                        "container at its true frame rate, for example as mp4"
                    )
                display = display_of(frame)
                if shape != (display, frame.width, frame.height):
                    shape = display, frame.width, frame.height
                    self._reshape(display, frame)
                if self.first_pts is None:
                    self.first_pts = self.last_pts = frame.pts
                    self.ticks = frame.time_base
                    self.start_s = float(frame.pts * self.ticks) - opened_s
                elif frame.pts <= self.last_pts:
                    self.disordered += 1
                    continue
                # Some MPEG-TS files lack the duration of the last frame.
                self.last_end = frame.pts, frame.duration or frame.pts - self.last_pts
                self.last_pts = frame.pts
                # Computed in fractions, so that 3 s of frames are exactly 3.0.
                yield ShownFrame(float((frame.pts - self.first_pts) * self.ticks), frame, display)

    def _reshape(self, display: Display, frame: VideoFrame) -> None:
        """Take note of how the frames are shown from this one on."""
        size = display.size(frame)
        refuse_large(*size, self.max_pixels)
        if self.first_pts is None:
            self.size = size
        if display.warning and display.warning not in self.warnings:
            self.warnings.append(display.warning)

    def _hide(self, frame: VideoFrame) -> None:
        """Count a corrupt frame; the last whole one is shown in its place, to its end."""
        self.corrupt += 1
        if self.first_pts is not None and frame.pts is not None:
            length = frame.duration or frame.pts - self.last_pts
            self.last_end = max(self.last_end, (frame.pts, length), key=sum)

    def _duration_s(self) -> Fraction:
        """The end of the last frame in seconds from the first one; always above 0."""
        pts, length = self.last_end
        length_s = length * self.ticks
        if length_s <= 0:
            length_s = 1 / self.rate if self.rate and self.rate > 0 else _UNKNOWN_LENGTH_S
        return (pts - (self.first_pts or 0)) * self.ticks + length_s

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield frames in the order of the decoder; a damaged packet is skipped by itself."""
        last_end_s = 0.0
        packets = container.demux()
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._damage(error)
                break
            if packet is None:
                break
            if packet.pts is not None and packet.time_base is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                last_end_s = max(last_end_s, float(end))
            if packet.stream is not stream:
                continue
            try:
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        yield frame
            except (av.FFmpegError, OSError) as error:
                self._damage(error)
        self.missing_s = declared_end_s(container) - last_end_s

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
        if self.damaged:
            warnings.append(f"damaged: {self.damaged} packets could not be decoded")
        if self.corrupt:
            warnings.append(
                f"damaged: {self.corrupt} frames are marked corrupt; the last whole frame before "
                "stays in their place"
            )
        if self.disordered:
            warnings.append(f"disordered: {self.disordered} frames do not advance in time")
        if self.missing_s > MISSING_END_S:
            warnings.append(f"truncated: {self.missing_s:.1f} s are missing at the end")
        width, height = self.size
        return VideoMetadata(
            duration_s=float(self._duration_s()),
            start_s=self.start_s,
            width=width,
            height=height,
            warnings=warnings,
        )
