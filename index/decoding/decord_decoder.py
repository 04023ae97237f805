"""The decord decoder, for sparse times on files where it was found correct: it skips whole GOPs.

decord addresses frames by number, and its own timestamps are float32. So the times are taken from
the packets, read once without decoding (on 33 intact files with odd timestamps and 12 real clips
they equalled the decoded times exactly), and a file is refused unless its packets leave no doubt
which frame has which number. Measured, decord is silently wrong after a seek in open GOPs (357 of
532 frames), on MPEG-TS, on MPEG-4 in AVI and on edit lists, raises on HEVC, takes another of
several video streams, and was off by one in the middle of a two-hour mp4. Its pixels are
bit-identical to PyAV's on 8-bit video. Damage does not show in the packets: with wanted frames a
second or more apart, 2 to 3 % of those in a damaged GOP were a neighbouring frame, and in dense
reading decord stays shifted after the damage. So decord is never used unless requested.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import decord
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from index.arrays import Floats
from index.decoding.display import Display, DisplayReader, refuse_large
from index.decoding.frame_types import (
    Frame,
    FrameStream,
    NextTime,
    Scale,
    VideoMetadata,
    is_last_wanted,
    is_wanted,
)
from index.decoding.packets import MISSING_END_S, declared_end_s, one_line
from index.decoding.stream_choice import video_stream
from index.errors import VideoError
from index.spans import until_next

_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}
_CODECS = {"h264", "vp8", "vp9", "av1"}
_PIXEL_FORMATS = {"yuv420p", "yuvj420p"}
_LONGEST_S = 600.0
_CHUNK_BYTES = 32 * 2**20
"""Decoded pictures held at once, so that memory does not grow with the length of the video."""


@dataclass(frozen=True)
class Packets:
    """Frame times and metadata of a file, read from its packets without decoding."""

    times_s: np.ndarray
    """(F,) float64, ascending from 0."""
    metadata: VideoMetadata


def trusted_packets(path: Path, max_pixels: int | None = None) -> Packets | None:
    """Read the packets of a file, or return None if decord may be wrong on such a file.

    A picture of more than `max_pixels` pixels is refused as well, before a frame is decoded.
    """
    if path.suffix.lower() not in _SUFFIXES:
        return None
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = video_stream(container)
            codec = stream.codec_context
            refuse_large(codec.width, codec.height, max_pixels)
            display_of = DisplayReader(stream)
            if (
                len(container.streams.video) > 1
                or codec.codec.canonical_name not in _CODECS
                or codec.pix_fmt not in _PIXEL_FORMATS
                or (container.duration or 0) / av.time_base > _LONGEST_S
            ):
                return None
            spans = _spans(container, stream)
            container.seek(0)
            first = next(container.decode(stream))
            if not spans or first.is_corrupt or first.pts != spans[0][0]:
                return None
            if display_of(first) != Display():  # turned, HDR, pixels not square …
                return None
            ticks = stream.time_base or Fraction(0)
            start, (end, length) = spans[0][0], spans[-1]
            length = length or end - spans[-2:][0][0]
            if length <= 0:
                return None
            metadata = VideoMetadata(
                duration_s=float((end - start + length) * ticks),
                start_s=float(start * ticks) - (container.start_time or 0) / av.time_base,
                width=first.width,
                height=first.height,
            )
            return Packets(np.array([float((pts - start) * ticks) for pts, _ in spans]), metadata)
    except (av.FFmpegError, OSError, ValueError, StopIteration, VideoError):
        return None  # --decoder auto reports what is wrong with it


def _spans(container: InputContainer, stream: VideoStream) -> list[tuple[int, int]]:
    """Read (pts, duration) of the frames in order of time; empty if any packet is doubtful."""
    spans: list[tuple[int, int]] = []
    end_s = 0.0
    key_pts = -1
    for packet in container.demux():
        if packet.pts is None:
            if packet.stream is stream and packet.size:
                return []
            continue
        length = packet.duration or 0
        end_s = max(end_s, float((packet.pts + length) * (packet.time_base or 0)))
        if packet.stream is not stream:
            continue
        if packet.is_keyframe:
            key_pts = packet.pts
        # A frame shown before its key frame (open GOP) is lost after a seek to that key frame.
        if packet.is_corrupt or packet.is_discard or packet.pts < max(0, key_pts):
            return []
        spans.append((packet.pts, length))
    unique = {pts for pts, _ in spans}
    if declared_end_s(container) - end_s > MISSING_END_S or len(unique) < len(spans):
        return []
    return sorted(spans)


def decode_decord(
    path: Path,
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Implement `index.decoding.decoders.read` with decord, for files where it is correct."""
    packets = trusted_packets(path, max_pixels)
    if packets is None:
        raise VideoError("decord is not known to be right on such a file; use --decoder auto")
    return (yield from decode_trusted(path, packets, next_time, scale, clamp))


def decode_trusted(
    path: Path, packets: Packets, next_time: NextTime, scale: Scale | None, clamp: bool
) -> FrameStream:
    """Decode as `decode_decord`, with the trusted packets of the file."""
    width, height = packets.metadata.width, packets.metadata.height
    if scale is not None:
        width, height = scale(width, height)
    ends_s = until_next(packets.times_s, packets.metadata.duration_s)
    wanted = _rows(packets, ends_s, next_time, clamp)
    at_once = max(1, _CHUNK_BYTES // (width * height * 3))
    try:
        reader = decord.VideoReader(
            str(path), ctx=decord.cpu(0), num_threads=1, width=width, height=height
        )
        if len(reader) != len(packets.times_s):
            counts = f"{len(reader)} frames, the container {len(packets.times_s)}"
            raise VideoError(f"decord counts {counts}; use --decoder auto")
        while rows := list(islice(wanted, at_once)):
            pictures = reader.get_batch(rows).asnumpy()
            for row, pixels in zip(rows, pictures, strict=True):
                span_s = float(packets.times_s[row]), float(ends_s[row])
                yield Frame(*span_s, Image.fromarray(pixels))
    except (
        decord.DECORDError,
        AssertionError,
        IndexError,
        RuntimeError,
        UnicodeEncodeError,  # it takes no file name that is not UTF-8
    ) as error:
        raise VideoError(
            f"decord cannot read it ({one_line(error)}); use --decoder auto"
        ) from error
    return packets.metadata


def _rows(packets: Packets, ends_s: Floats, next_time: NextTime, clamp: bool) -> Iterator[int]:
    """Yield the numbers of the wanted frames."""
    last = len(ends_s) - 1
    for row, (time_s, end_s) in enumerate(
        zip(packets.times_s.tolist(), ends_s.tolist(), strict=True)
    ):
        if (
            is_wanted(next_time, time_s, end_s)
            if row < last
            else is_last_wanted(next_time, time_s, end_s, clamp)
        ):
            yield row
