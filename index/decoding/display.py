"""How a decoded frame is shown: upright, unmirrored, at its display width, in SDR, as by a player.

A decoder gives pictures as they are stored. Phones store them as the sensor lies and describe in a
display matrix how to turn and mirror them; broadcasts and DV store pixels that are not square; HDR
stores light that a standard screen cannot show (index/decoding/tone_mapping.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc, Interpolation
from av.video.stream import VideoStream
from PIL import Image

from index.decoding.frame_types import Scale
from index.decoding.tone_mapping import Hdr, hdr_of, sdr_pixels
from index.errors import VideoError

_TRANSPOSES = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
}
"""Transpose by a, b, c, d: a stored point (x, y) is shown at (ax + cy, bx + dy), y downwards."""

_ROTATIONS = {90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}
_SIDEWAYS = {
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
}
_ONE = 2**16
"""The matrix counts in 65536ths."""
_SLACK = 0.02
"""About a degree, within which FFmpeg too takes an angle for a right one."""

_NEAR_PILLOW = (
    Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""Scaler flags closest to Pillow's bicubic: mean difference 0.7 to 1.2 of 255, 3 ms a frame."""


@dataclass(frozen=True)
class Display:
    """How the stored pictures of a stream become the shown ones."""

    transpose: Image.Transpose | None = None
    """Applied to the picture at its display width."""
    pixel_aspect: Fraction = Fraction(1)
    """Width of a stored pixel by its height."""
    warning: str = ""
    """Why the pictures are shown as stored although the file asks for something else."""
    hdr: Hdr | None = None
    """How HDR light is coded, which is mapped to SDR; None for all other pictures."""

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Return the width and height of the shown picture."""
        # The width is scaled and the height kept, also where that makes the picture smaller.
        width = max(1, int(frame.width * self.pixel_aspect + Fraction(1, 2)))
        return self._turned(width, frame.height)

    def picture(self, frame: VideoFrame, scale: Scale | None) -> Image.Image:
        """Return the frame as it is shown, in RGB; `scale` is asked in sizes of the shown one."""
        size = self.size(frame)
        if scale is not None:
            size = scale(*size)
        width, height = self._turned(*size)
        image = Image.fromarray(self._pixels(frame, width, height, scale is not None))
        return image if self.transpose is None else image.transpose(self.transpose)

    def _pixels(
        self, frame: VideoFrame, width: int, height: int, scaled: bool
    ) -> npt.NDArray[np.uint8]:
        """Return the stored picture at this size in RGB, (H, W, 3)."""
        if self.hdr is not None:
            return sdr_pixels(frame, self.hdr, width, height)
        flags = Interpolation.BICUBIC
        if scaled or (width, height) != (frame.width, frame.height):
            flags |= _NEAR_PILLOW
        pixels = frame.to_ndarray(
            format="rgb24", width=width, height=height, interpolation=flags, threads=1
        )
        return np.ascontiguousarray(pixels)

    def _turned(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self.transpose in _SIDEWAYS else (width, height)


class DisplayReader:
    """Reads from each frame of a stream how it is shown.

    The matrix is read again only where the rotation changes. PyAV's `side_data` holds its frame in
    a circle of references: read on each frame, 300 pictures of 1080p stayed in memory.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        in_container = stream.sample_aspect_ratio
        in_codec = stream.codec_context.sample_aspect_ratio
        # The container's word counts. Without one the codec's does, which may change: television
        # switches between 4:3 and 16:9.
        self._in_container = in_container if in_container != in_codec else None
        # HEVC's decoder forgets colours that only the container tells (mp4's colr box, Colour in
        # mkv) with the first picture, so they are read before it.
        self._hdr_in_container = hdr_of(stream.codec_context)
        self._told: tuple[object, ...] | None = None
        self._display = Display()

    def __call__(self, frame: VideoFrame) -> Display:
        """Return how the frame that was decoded last is shown."""
        aspect = self._in_container or self._stream.codec_context.sample_aspect_ratio
        colours = frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range
        told = frame.rotation, aspect, colours
        if told != self._told:
            hdr = self._hdr(frame)
            self._told = told
            known = aspect if aspect and aspect > 0 else Fraction(1)
            self._display = replace(_display(_matrix(frame), known), hdr=hdr)
        return self._display

    def _hdr(self, frame: VideoFrame) -> Hdr | None:
        """Return how the frame's light is coded; None if it is SDR.

        The container's word counts in a stream that says nothing. One that did say something may
        go on to pictures of which it says nothing, as in joined recordings: those are SDR.
        """
        if frame.color_trc != ColorTrc.UNSPECIFIED:
            self._hdr_in_container = None
        return hdr_of(frame) or self._hdr_in_container


def refuse_large(width: int, height: int, max_pixels: int | None) -> None:
    """Refuse pictures of more than `max_pixels` pixels; None allows all.

    Raises:
        VideoError: The picture is larger.
    """
    if max_pixels is not None and width * height > max_pixels:
        raise VideoError(
            f"is {width} x {height}, more than {max_pixels} pixels; raise --max-pixels if each "
            "worker has ten bytes of memory for each pixel, and add --retry"
        )


def _matrix(frame: VideoFrame) -> Sequence[float]:
    """Return a, b, c, d of the frame's display matrix; those of no rotation if it has none."""
    try:
        side_data: Any = frame.side_data  # PyAV's stub names the type of an entry
        matrix = side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data of a kind that PyAV does not know hides the others
        return _ROTATIONS.get(frame.rotation % 360, (1, 0, 0, 1))
    if matrix is None:
        return (1, 0, 0, 1)
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32) / _ONE
    return float(a), float(b), float(c), float(d)


def _display(matrix: Sequence[float], pixel_aspect: Fraction) -> Display:
    nearest = tuple(round(value) for value in matrix)
    exact = all(abs(value - near) <= _SLACK for value, near in zip(matrix, nearest, strict=True))
    a, b, c, d = nearest
    if exact and (a, b, c, d) in _TRANSPOSES:
        return Display(_TRANSPOSES[a, b, c, d], pixel_aspect)
    shown = " ".join(f"{value:.3g}" for value in matrix)
    return Display(
        None,
        pixel_aspect,
        f"orientation: the display matrix ({shown}) is no right angle; pictures are as stored",
    )
