"""From video files to vector files: workers decode, the encoder encodes, each in its own time.

Frames of different videos share a batch, so that the encoder always has a full one. A video's file
is written when its last frame is encoded.

B: frames of a batch, C: of a chunk, D: width of a vector, H, W: sides of the square.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from index.catalog import Video
from index.encoder import Encoder
from index.errors import CueframeError
from index.plan import Job, recorded
from index.progress import Progress
from index.sampling import Sampling
from index.store import Profile, read_vectors, write_vectors
from index.video import Clip
from index.workers import Chunk, Done, Failed, Opened, decode_all

_IN_FLIGHT = 2
"""Batches queued on the device: one computes while the next is filled."""


@dataclass
class Cost:
    """Where the time of a build went."""

    frames: int = 0
    decode_cpu_s: float = 0.0
    encode_s: float = 0.0

    def add(self, other: "Cost") -> None:
        """Take in what another process spent."""
        self.frames += other.frames
        self.decode_cpu_s += other.decode_cpu_s
        self.encode_s += other.encode_s


@dataclass
class _Open:
    """A video of which frames are under way."""

    job: Job
    claimed_s: float
    time_s: list[float] = field(default_factory=list)
    vectors: list[npt.NDArray[np.float16]] = field(default_factory=list)
    clip: Clip | None = None

    @property
    def encoded(self) -> int:
        return sum(len(part) for part in self.vectors)


class _Batch:
    """Squares of several videos on their way through the encoder."""

    def __init__(self, encoder: Encoder, batch_frames: int, cost: Cost) -> None:
        side = (encoder.view.height, encoder.view.width)
        self._encoder = encoder
        self._cost = cost
        self._squares = np.empty((batch_frames, *side, 3), dtype=np.uint8)  # (B, H, W, 3)
        self._owners: list[tuple[_Open, int]] = []
        self._filled = 0
        self._queued: deque[tuple[list[tuple[_Open, int]], torch.Tensor]] = deque()

    def add(self, video: _Open, squares: npt.NDArray[np.uint8]) -> Iterator[_Open]:
        """Take a chunk (C, H, W, 3); yields the videos that got vectors meanwhile."""
        while len(squares):
            room = len(self._squares) - self._filled
            part, squares = squares[:room], squares[room:]
            self._squares[self._filled : self._filled + len(part)] = part
            self._owners.append((video, len(part)))
            self._filled += len(part)
            if self._filled == len(self._squares):
                yield from self._encode()

    def flush(self) -> Iterator[_Open]:
        """Encode what is left."""
        if self._filled:
            yield from self._encode()
        while self._queued:
            yield from self._collect()

    def _encode(self) -> Iterator[_Open]:
        began_s = time.monotonic()
        vectors = self._encoder.images(self._squares[: self._filled])
        self._cost.encode_s += time.monotonic() - began_s
        self._queued.append((self._owners, vectors))
        self._owners, self._filled = [], 0
        if len(self._queued) == _IN_FLIGHT:
            yield from self._collect()

    def _collect(self) -> Iterator[_Open]:
        owners, on_device = self._queued.popleft()
        began_s = time.monotonic()
        vectors = on_device.cpu().numpy()  # (B, D)
        self._cost.encode_s += time.monotonic() - began_s
        self._cost.frames += len(vectors)
        if not np.isfinite(vectors).all():
            raise CueframeError(
                "the encoder gives vectors that are not finite; choose --dtype float32 or bfloat16"
            )
        start = 0
        for video, count in owners:
            video.vectors.append(vectors[start : start + count].astype(np.float16))
            start += count
            yield video


def embed(
    jobs: list[Job],
    encoder: Encoder,
    sampling: Sampling,
    index: Path,
    profile: Profile,
    *,
    batch_frames: int,
    workers: int,
    limit_s: float | None,
    cost: Cost,
) -> Iterator[Video]:
    """Decode and encode videos and write their vector files.

    Args:
        jobs: What to decode, largest first.
        encoder: Made with the view of `sampling`.
        sampling: The workers' orders.
        index: Folder of the index.
        profile: What goes into the files.
        batch_frames: B.
        workers: Decoding processes.
        limit_s: `index.workers.decode_all`.
        cost: Is added to as it goes.

    Yields:
        Each video once, indexed or failed, as it ends.
    """
    by_path = {job.path: job for job in jobs}
    under_way: dict[str, _Open] = {}
    batch = _Batch(encoder, batch_frames, cost)
    side = (encoder.view.height, encoder.view.width)

    def finish(video: _Open) -> Iterator[Video]:
        if video.clip is None or video.encoded < len(video.time_s):
            return
        if under_way.pop(video.job.path, None) is None:
            return  # written already, or failed after these frames were handed over
        write_vectors(
            index,
            content_hash=video.job.content_hash,
            profile=profile.key,
            path_hint=video.job.path,
            embeddings=np.concatenate(video.vectors),
            time_s=np.array(video.time_s, dtype=np.float64),
            clip=video.clip,
        )
        yield recorded(index, read_vectors(index, video.job.content_hash))

    with Progress({job.path: job.size for job in jobs}) as progress:
        for event in decode_all(by_path, sampling, side=side, workers=workers, limit_s=limit_s):
            if isinstance(event, Opened):
                under_way[event.job] = _Open(by_path[event.job], event.claimed_s)
            elif isinstance(event, Chunk):
                video = under_way[event.job]
                video.time_s += event.time_s
                progress.reached(event.job, event.time_s[-1] / max(video.claimed_s, 1e-9))
                for ready in batch.add(video, event.squares):
                    yield from finish(ready)
                progress.frames(len(event.time_s))
            elif isinstance(event, Done):
                video = under_way[event.job]
                video.clip = event.clip
                cost.decode_cpu_s += event.cpu_s
                progress.reached(event.job, 1.0)
                yield from finish(video)
            elif isinstance(event, Failed):
                under_way.pop(event.job, None)
                progress.reached(event.job, 1.0)
                job = by_path[event.job]
                yield Video(content_hash=job.content_hash, status="failed", error=event.reason)
        for ready in batch.flush():
            yield from finish(ready)
