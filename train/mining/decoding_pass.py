"""One pass through a video for all its questions: frames for the encoder, full pictures on disk.

Which candidates become negatives is known only once all of them, and the true frames, are encoded.
Decoding again for their pictures would double the cost, and holding them would make memory grow
with the video. So every sampled frame is written to a scratch folder during the pass, in its final
format, and so are its squares, for training; the chosen ones are copied from there, and the folder
is deleted when the video is done.
The price is disk space and time: measured on detailed 720p, 1.1 MB and 70 ms for each sampled
frame as PNG, 0.3 MB and 6 ms as JPEG.

This runs in decoding workers, so it imports no torch.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from index.decoding.decoders import read
from index.decoding.frame_types import (
    Frame,
    FrameStream,
    PixelStream,
    VideoMetadata,
    each_of,
    every,
    is_wanted,
)
from index.errors import VideoError
from index.models.preprocess import ImageTransform
from index.storage.atomic_write import explain_unwritable

ImageFormat = Literal["png", "jpg"]

_SAVING: dict[ImageFormat, dict[str, Any]] = {
    # Pillow's default level takes three times as long to save a tenth of the space.
    "png": {"format": "PNG", "compress_level": 1},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
}


@dataclass(frozen=True, kw_only=True)
class WantedFrames:
    """The frames wanted of one video."""

    scratch: str
    """Folder for its pictures; created by the worker."""
    labelled_s: tuple[float, ...]
    """Times of true frames, and of negatives that questions name, ascending, in seconds; past the
    end means the last frame."""
    only_labelled: bool
    """Yield the pixels of those only: the candidates are encoded already."""


@dataclass(frozen=True, kw_only=True)
class DecodingPass:
    """Task of a decoding worker; picklable."""

    wanted: dict[str, WantedFrames]
    """By path."""
    fps: float
    """Candidates per second of video."""
    transform: ImageTransform
    image_format: ImageFormat

    def __call__(self, path: str) -> PixelStream:
        """Yield sampled and labelled frames, each once: (time, end in s, (T, H, W, 3) uint8)."""
        wanted = self.wanted[path]
        scratch = Path(wanted.scratch)
        with explain_unwritable(scratch):
            scratch.mkdir(parents=True, exist_ok=True)
        samples, labels = every(self.fps), each_of(wanted.labelled_s)

        def next_time(start_s: float) -> float:
            return min(samples(start_s), labels(start_s))

        frames = _until_next(read(Path(path), next_time, clamp=True))
        tiles = 0
        while True:
            try:
                frame, next_s = next(frames)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            tiles = tiles or self.transform.tiles_of(frame.image)  # of the first, as in an index
            squares = self._kept(scratch, frame, tiles)
            if not wanted.only_labelled or is_wanted(labels, frame.time_s, next_s):
                if squares is None:
                    squares = self.transform.squares(frame.image, tiles)
                yield frame.time_s, frame.end_s, squares

    def _kept(self, scratch: Path, frame: Frame, tiles: int) -> npt.NDArray[np.uint8] | None:
        """Save a frame's picture, and its squares beside it if they can be; return those."""
        picture = picture_path(scratch, frame.time_s, self.image_format)
        with explain_unwritable(picture):
            frame.image.save(picture, **_SAVING[self.image_format])
        if self.image_format != "png" or not self._has_tiles(frame.image, tiles):
            return None
        squares = self.transform.squares(frame.image, tiles)
        with explain_unwritable(picture):
            squares.tofile(squares_path(picture))
        return squares

    def _has_tiles(self, image: Image.Image, tiles: int) -> bool:
        """Return whether a picture by itself has as many tiles as its video."""
        try:
            return self.transform.tiles_of(image) == tiles
        except VideoError:  # a frame of another shape in its midst
            return False


def _until_next(frames: FrameStream) -> Generator[tuple[Frame, float], None, VideoMetadata]:
    """Yield each frame with the time of the next one; the last, which labels may be past, inf."""
    held: Frame | None = None
    while True:
        try:
            following = next(frames)
        except StopIteration as end:
            if held is not None:
                yield held, math.inf
            return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
        if held is not None:
            yield held, following.time_s
        held = following


def squares_path(picture: Path) -> Path:
    """Return the path of a picture's squares beside it: raw bytes, (T, H, W, 3) uint8.

    It is there if the picture, read again, has these squares: JPEG changes the pixels.
    """
    return picture.with_suffix(".squares")


def picture_path(folder: Path, time_s: float, image_format: ImageFormat) -> Path:
    """Return the path of the frame first shown at time_s; names sort in order of time."""
    return folder / f"{time_s:012.6f}.{image_format}"
