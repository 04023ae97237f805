"""The worker's task for an index: sample a video's frames as the model's input."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index.decoding.decoders import read
from index.decoding.frame_types import PixelStream
from index.preprocess import ImageTransform, Resize

DEFAULT_FPS = 2.0
"""Sample times per second of video."""


class _SampleTimes:
    """The times k / fps, without most of those at which a frame is shown that has been seen.

    A damaged file may show a frame for a month: too many times to ask for one by one.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._k = 0

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        time_s = self._k / self._fps
        self._k += 1
        return time_s

    def skip(self, end_s: float) -> None:
        """Leave out times for a frame that is shown until `end_s`, not those close to it."""
        self._k = max(self._k, int(end_s * self._fps) - 1)


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
        """Yield the frames shown at k / fps, each once: (time, end in s, (H, W, 3) uint8)."""
        scale = self.transform.scaled_size if self.resize == "decoder" else None
        times_s = _SampleTimes(self.fps)
        frames = read(
            Path(path),
            times_s,
            decoder=self.decoder,
            scale=scale,
            max_pixels=self.max_pixels,
        )
        last_s = -1.0
        while True:
            try:
                frame = next(frames)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # a generator's value is untyped here
            if frame.time_s > last_s:
                last_s = frame.time_s
                yield frame.time_s, frame.end_s, self.transform.apply(frame.image)
                times_s.skip(frame.end_s)
