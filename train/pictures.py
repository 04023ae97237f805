"""One pass through a video for all its questions: squares for the encoder, full pictures on disk.

Which candidates become negatives is known only once all of them, and the true frames, are encoded.
Decoding again for their pictures would double the cost, and holding them would make memory grow
with the video. So every sampled frame is written to a scratch folder during the pass, in its final
format; what is chosen is copied from there, and the folder goes when the video is done. That costs
disk instead: measured on detailed 720p, 1.1 MB and 70 ms for each sampled frame as PNG, 0.3 MB and
6 ms as JPEG.

This runs in decoding workers, so it imports no torch.
"""

from dataclasses import dataclass
from heapq import merge
from itertools import takewhile, tee
from pathlib import Path
from typing import Any, Literal

from index.errors import VideoError
from index.video import read, sample_times
from index.view import View
from index.workers import Squares

ImageFormat = Literal["png", "jpg"]

_STILL_S = 7200.0
"""A frame that stays for so long is the last one."""

_SAVING: dict[ImageFormat, dict[str, Any]] = {
    # Pillow's default level takes three times as long for a tenth less.
    "png": {"format": "PNG", "compress_level": 1},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is wanted of one video."""

    scratch: str
    """Folder for its pictures; made by the worker."""
    support_s: tuple[float, ...]
    """Support times of all its questions, ascending, in seconds; past the end means the last
    frame."""
    only_true: bool
    """Hand over only the squares of true frames: those of the candidates are encoded already."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A worker's orders; picklable."""

    wanted: dict[str, Wanted]
    """By path."""
    fps: float
    """Rate of the candidates."""
    view: View
    image_format: ImageFormat

    def __call__(self, path: str) -> Squares:
        """The sampled and the true frames in order, each once: (time in s, (H, W, 3) uint8)."""
        wanted = self.wanted[path]
        scratch = Path(wanted.scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        last_s, handed_over = -1.0, False
        # Clamped reading ends only when the times do, and where the video ends is known only
        # then; PyAV takes each time when the frame before is given, so last_s is up to date.
        samples = takewhile(lambda time_s: time_s < last_s + _STILL_S, sample_times(self.fps))
        asked, again = tee(merge(samples, wanted.support_s))
        frames = read(Path(path), asked, decoder="pyav", clamp=True)
        labels = set(wanted.support_s)
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                if end.value.duration_s > last_s + _STILL_S:
                    raise VideoError("shows one frame for over two hours; cut that out") from None
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            asked_s = next(again)
            if frame.time_s > last_s:
                last_s, handed_over = frame.time_s, False
                picture = picture_path(scratch, last_s, self.image_format)
                frame.image.save(picture, **_SAVING[self.image_format])
            if not handed_over and (asked_s in labels or not wanted.only_true):
                handed_over = True
                yield last_s, self.view.square(frame.image)


def picture_path(folder: Path, time_s: float, image_format: ImageFormat) -> Path:
    """Where the frame that is first shown at time_s lies; names sort as the times do."""
    return folder / f"{time_s:012.6f}.{image_format}"
