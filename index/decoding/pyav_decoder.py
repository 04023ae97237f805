"""The reference decoder, PyAV: decodes every frame in order and selects by presentation time.

Of 44 files with odd timestamps it was correct on every intact one that has timestamps at all;
damaged packets are skipped one by one, so that the rest of the file is still read.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from PIL import Image

from index.decoding.frame_types import TIME_TOLERANCE_S, Frame, FrameStream, Scale, VideoMetadata
from index.decoding.stream_choice import left_out, video_stream
from index.errors import VideoError

MISSING_END_S = 1.0
"""A file counts as truncated if its declared end is more than this after that of its packets."""

_QUARTER_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}
_NEAR_PILLOW = (
    Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""Scaler flags closest to Pillow's bicubic: mean difference 0.7 to 1.2 of 255, 3 ms a frame."""
_SIDEWAYS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


def decode_pyav(
    path: Path, times_s: Iterable[float], scale: Scale | None, clamp: bool
) -> FrameStream:
    """Implement `index.decoding.decoders.read` with PyAV."""
    shown = _Shown(path)
    pending = iter(times_s)
    time_s = next(pending, None)
    held: VideoFrame | None = None
    held_s = 0.0
    frame: Frame | None = None
    for next_s, following in shown.frames():
        # The held frame is shown until the one that follows it.
        while held is not None and time_s is not None and time_s + TIME_TOLERANCE_S < next_s:
            frame = frame or Frame(held_s, picture(held, scale))
            yield frame
            time_s = next(pending, None)
        held, held_s, frame = following, next_s, None
    metadata = shown.metadata()
    while held is not None and time_s is not None and (clamp or time_s < metadata.duration_s):
        frame = frame or Frame(held_s, picture(held, scale))
        yield frame
        time_s = next(pending, None)
    return metadata


def picture(frame: VideoFrame, scale: Scale | None) -> Image.Image:
    """Return the frame as an upright RGB picture; PyAV reports rotation but does not apply it."""
    turn = _turn(frame)
    size = (frame.width, frame.height)
    flags = Interpolation.BICUBIC
    if scale is not None:
        size = _swapped(scale(*_swapped(size, turn)), turn)
        flags |= _NEAR_PILLOW
    pixels = frame.to_ndarray(
        format="rgb24", width=size[0], height=size[1], interpolation=flags, threads=1
    )
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.transpose(turn) if turn else image


def _turn(frame: VideoFrame) -> Image.Transpose | None:
    """The transpose that sets a picture upright; None also if the file's matrix is no rotation."""
    return _QUARTER_TURNS.get(frame.rotation % 360)


def _swapped(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    width, height = size
    return (height, width) if turn in _SIDEWAYS else (width, height)


def one_line(error: BaseException) -> str:
    """Return a library error as one line, without the path, which the caller names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


class _Shown:
    """The shown frames of a file in order, and the metadata collected while reading them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_pts: int | None = None
        self.last_pts = 0
        self.ticks = Fraction(0)
        self.length_s = Fraction(0)
        self.start_s = 0.0
        self.missing_s = 0.0
        self.width = 0
        self.height = 0
        self.damaged = 0
        self.disordered = 0
        self.reason = "it holds no picture"
        self.warnings: list[str] = []

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield each shown frame with its time in seconds from the first one."""
        try:
            container = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise VideoError(f"cannot be opened as a video: {one_line(error)}") from error
        with container:
            stream = video_stream(container)
            self.warnings += left_out(container, stream)
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            opened_s = (container.start_time or 0) / av.time_base
            for frame in self._decoded(container, stream):
                if frame.pts is None or frame.time_base is None:
                    raise VideoError(
                        "has no timestamps, so no frame has a time; put the stream into a "
                        "container at its true frame rate, for example as mp4"
                    )
                if self.first_pts is None:
                    self.first_pts = self.last_pts = frame.pts
                    self.ticks = frame.time_base
                    self.start_s = float(frame.pts * self.ticks) - opened_s
                    self.width, self.height = _swapped((frame.width, frame.height), _turn(frame))
                elif frame.pts <= self.last_pts:
                    self.disordered += 1
                    continue
                # Some MPEG-TS files lack the duration of the last frame.
                length_s = (frame.duration or frame.pts - self.last_pts) * self.ticks
                rate = stream.average_rate
                self.length_s = length_s or (1 / rate if rate else length_s)
                self.last_pts = frame.pts
                # Computed in fractions, so that 3 s of frames are exactly 3.0.
                yield float((self.last_pts - self.first_pts) * self.ticks), frame

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
        promised_s = ((container.start_time or 0) + (container.duration or 0)) / av.time_base
        self.missing_s = promised_s - last_end_s

    def _damage(self, error: Exception) -> None:
        self.damaged += 1
        self.reason = one_line(error)

    def metadata(self) -> VideoMetadata:
        """Return the metadata; complete after the last frame."""
        if self.first_pts is None:
            raise VideoError(f"no frame of it can be decoded: {self.reason}")
        warnings = list(self.warnings)
        if self.damaged:
            warnings.append(f"damaged: {self.damaged} packets could not be decoded")
        if self.disordered:
            warnings.append(f"disordered: {self.disordered} frames do not advance in time")
        if self.missing_s > MISSING_END_S:
            warnings.append(f"truncated: {self.missing_s:.1f} s are missing at the end")
        return VideoMetadata(
            duration_s=float((self.last_pts - self.first_pts) * self.ticks + self.length_s),
            start_s=self.start_s,
            width=self.width,
            height=self.height,
            warnings=warnings,
        )
