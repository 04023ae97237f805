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

from dataclasses import dataclass
from heapq import merge
from itertools import takewhile, tee
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from index.decoding.decoders import read
from index.decoding.frame_types import PixelStream, sample_times
from index.errors import VideoError
from index.models.preprocess import ImageTransform
from index.storage.atomic_write import explain_unwritable

ImageFormat = Literal["png", "jpg"]

_STILL_S = 7200.0
"""A frame that is shown for longer than this counts as the last one."""

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
        last_s, handed_over, tiles = -1.0, False, 0
        squares = None
        # With clamp the frames end only when the times do, and the end of the video is known only
        # then; PyAV takes each time after it has yielded the frame before, so last_s is current.
        samples = takewhile(lambda time_s: time_s < last_s + _STILL_S, sample_times(self.fps))
        asked, again = tee(merge(samples, wanted.labelled_s))
        frames = read(Path(path), asked, decoder="pyav", clamp=True)
        labels = set(wanted.labelled_s)
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                if end.value.duration_s > last_s + _STILL_S:
                    raise VideoError("shows one frame for over two hours; cut that out") from None
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            asked_s = next(again)
            if frame.time_s > last_s:
                last_s, handed_over, squares = frame.time_s, False, None
                picture = picture_path(scratch, last_s, self.image_format)
                with explain_unwritable(picture):
                    frame.image.save(picture, **_SAVING[self.image_format])
                # Of the first, as in an index.
                tiles = tiles or self.transform.tiles_of(frame.image)
                if self.image_format == "png" and self._has_tiles(frame.image, tiles):
                    squares = self.transform.squares(frame.image, tiles)
                    with explain_unwritable(picture):
                        squares.tofile(squares_path(picture))
            if not handed_over and (asked_s in labels or not wanted.only_labelled):
                handed_over = True
                if squares is None:
                    squares = self.transform.squares(frame.image, tiles)
                yield last_s, frame.end_s, squares

    def _has_tiles(self, image: Image.Image, tiles: int) -> bool:
        """Return whether a picture by itself has as many tiles as its video."""
        try:
            return self.transform.tiles_of(image) == tiles
        except VideoError:  # a frame of another shape in its midst
            return False


def squares_path(picture: Path) -> Path:
    """Return the path of a picture's squares beside it: raw bytes, (T, H, W, 3) uint8.

    It is there if the picture, read again, has these squares: JPEG changes the pixels.
    """
    return picture.with_suffix(".squares")


def picture_path(folder: Path, time_s: float, image_format: ImageFormat) -> Path:
    """Return the path of the frame first shown at time_s; names sort in order of time."""
    return folder / f"{time_s:012.6f}.{image_format}"
