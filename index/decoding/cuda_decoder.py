"""Decoding on an NVIDIA card (NVDEC), with the pixels of the software decoders.

The card decodes every frame in order and gives it as nv12, which differs from the decoders' yuv420p
in the layout of its colours alone: wanted frames are laid out anew, and go through the same scaler
to RGB. H.264, HEVC and VP9 specify every bit of a picture, so an intact file has the same pixels by
either way; in a damaged one the card hides damage in a way of its own.

A card has few decoders (an H100 has seven), and a process on it takes some 0.5 GB of its memory. So
at most `SESSIONS` processes of a machine decode on a card at once, and those beyond do so in
software.
"""

import os
import socket
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.codec import Codec
from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from PIL import Image

from index.decoding.frame_types import FrameStream, NextTime, Scale
from index.decoding.in_order import every_frame
from index.decoding.packets import one_line
from index.decoding.pyav_decoder import decode_pyav
from index.decoding.reading import Reading, ShownFrame, picture
from index.decoding.stream_choice import video_stream
from index.decoding.wanted_frames import wanted_frames
from index.errors import CueframeError, VideoError

SESSIONS = 8
"""Processes of a machine that decode on one card at once."""
_CODECS = {"h264", "hevc", "vp9"}
"""Not AV1: PyAV opens it with dav1d, which does not know the card."""
_PIXEL_FORMATS = {"yuv420p", "yuvj420p"}


def decode_cuda(
    path: Path,
    next_time: NextTime,
    scale: Scale | None,
    clamp: bool,
    max_pixels: int | None = None,
) -> FrameStream:
    """Implement `index.decoding.decoders.read` on the card of this process.

    Raises:
        CueframeError: There is no card, or its driver does not work.
    """
    layout: str | None = None
    if has_session():  # before the card is opened, which takes its memory
        hwaccel = card(int(os.environ.get("LOCAL_RANK", "0")))
        layout = decodable_layout(path)
    if layout is None:
        return (yield from decode_pyav(path, next_time, scale, clamp, max_pixels))

    def from_card(shown: ShownFrame, scale: Scale | None) -> Image.Image:
        return picture(shown._replace(frame=laid_out(shown.frame, layout)), scale)

    reading = Reading(path, max_pixels, hwaccel)
    frames = every_frame(reading)
    return (yield from wanted_frames(reading, frames, next_time, scale, clamp, from_card))


@cache
def card(number: int) -> HWAccel:
    """Return a card, opened once for this process.

    Raises:
        CueframeError: There is none of this number, or its driver does not work.
    """
    # The process's first context is shared by all videos, unless torch has set it up otherwise.
    reason = ""
    ways: tuple[dict[str, object], ...] = ({"primary_ctx": "1"}, {})
    for options in ways:
        hwaccel = HWAccel("cuda", str(number), allow_software_fallback=True, options=options)
        try:
            _KEPT.append(hwaccel.create(Codec("h264", "r")))
        except (av.FFmpegError, OSError, NotImplementedError) as error:
            reason = one_line(error)
        else:
            return hwaccel
    raise CueframeError(
        f"--decoder cuda cannot open NVIDIA card {number} ({reason}); see whether nvidia-smi shows "
        "it, or leave --decoder out"
    )


_KEPT: list[HWAccel] = []
"""Opened cards: the context that videos share ends with the last that uses it."""


def decodable_layout(path: Path) -> str | None:
    """Return the pixel format of a file's video if the card decodes such, else None."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            codec = video_stream(container).codec_context
            known = codec.codec.canonical_name in _CODECS and codec.pix_fmt in _PIXEL_FORMATS
            return codec.pix_fmt if known else None
    except (av.FFmpegError, OSError, ValueError, VideoError):
        return None  # the software decoder says what is wrong with it


def laid_out(frame: VideoFrame, layout: str) -> VideoFrame:
    """Return a frame of nv12 as planes of three, as yuv420p has them; any other one as it is.

    Args:
        frame: The frame.
        layout: yuv420p, or yuvj420p as the software decoder calls full range.
    """
    if frame.format.name != "nv12":
        return frame  # decoded in software after all
    planes = VideoFrame(frame.width, frame.height, layout)
    luma, colours = map(_rows, frame.planes)
    half = (frame.width + 1) // 2
    own = luma[:, : frame.width], colours[:, : 2 * half : 2], colours[:, 1 : 2 * half : 2]
    for plane, values in zip(planes.planes, own, strict=True):
        _rows(plane)[:, : values.shape[1]] = values
    planes.color_range, planes.colorspace = frame.color_range, frame.colorspace
    planes.color_trc, planes.color_primaries = frame.color_trc, frame.color_primaries
    return planes


def _rows(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """Return the bytes of a plane (rows, line size), to read and to write."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)


def has_session() -> bool:
    """Say whether this process is one of those that decode on the card, for as long as it lives.

    The system frees a place as soon as its process is gone, however it ends.
    """
    if _PLACE:
        return True
    number = os.environ.get("LOCAL_RANK", "0")
    for place in range(SESSIONS):
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0cueframe-{os.getuid()}-card-{number}-{place}")
        except OSError:
            held.close()
        else:
            _PLACE.append(held)
            return True
    return False


_PLACE: list[socket.socket] = []
