"""The worker's task for an index: sample a video's frames as the model's input."""

from dataclasses import dataclass
from pathlib import Path

from index.decoding.decoders import read
from index.decoding.frame_types import PixelStream, every
from index.models.preprocess import ImageTransform, Resize

DEFAULT_FPS = 2.0
"""Sample times per second of video."""


@dataclass(frozen=True, kw_only=True)
class FrameSampler:
    """Task of a decoding worker; picklable, and free of torch (345 MB and seconds per process)."""

    fps: float
    transform: ImageTransform
    resize: Resize = "exact"
    decoder: str = "auto"
    max_pixels: int | None = None
    """Videos with larger pictures are refused; None allows all."""

    def __call__(self, path: str) -> PixelStream:
        """Yield the frames shown at k / fps, each once: (time, end in s, (T, H, W, 3) uint8)."""
        scaled = self.resize == "decoder"
        scale = self.transform.scaled_size if scaled else None
        frames = read(
            Path(path),
            every(self.fps),
            decoder=self.decoder,
            scale=scale,
            max_pixels=self.max_pixels,
        )
        tiles = None
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            tiles = tiles or self.transform.tiles_of(frame.image)
            squares = self.transform.squares(frame.image, tiles, scaled=scaled)
            yield frame.time_s, frame.end_s, squares
