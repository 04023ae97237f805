"""What a worker does with a video: sampled frames as the model's squares."""

from dataclasses import dataclass
from pathlib import Path

from index.video import Decoder, read, sample_times
from index.view import Resize, View
from index.workers import Squares


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A worker's orders; picklable, and free of torch (345 MB and seconds for each process)."""

    fps: float
    view: View
    resize: Resize = "exact"
    decoder: Decoder = "auto"

    def __call__(self, path: str) -> Squares:
        """The frames shown at k / fps, each once: (time in s, (H, W, 3) uint8)."""
        scale = self.view.scaled if self.resize == "decoder" else None
        frames = read(
            Path(path),
            sample_times(self.fps),
            decoder=self.decoder,
            scale=scale,
        )
        last_s = -1.0
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            if frame.time_s > last_s:
                last_s = frame.time_s
                yield frame.time_s, self.view.square(frame.image)
