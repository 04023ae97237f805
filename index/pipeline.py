"""The pipeline from video files to vectors: workers decode, the encoder encodes.

Building, mining and validation all use `encode_videos`; they differ in the task of a worker
(`index.decoding.sampler`, `train.mining.decoding_pass`) and in the use of the vectors.

B: squares of a batch, C: of a chunk, F: frames of a video, T: squares (tiles) of a frame, D: width
of a vector, H, W: height and width of the model's input.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np
import numpy.typing as npt
import torch

from index.boundary import costs_one
from index.decoding.frame_types import VideoMetadata
from index.decoding.worker_pool import (
    Chunk,
    Done,
    Event,
    Failed,
    Opened,
    Sampler,
    decode_all,
    default_workers,
)
from index.discovery import change_since
from index.finite import not_finite
from index.memory import explain_out_of_memory
from index.models.encoder import Encoder
from index.pinned_memory import fetch, pin
from index.planning import Job
from index.progress import Progress
from index.storage.store import Profile, Vectors

Decode = Callable[..., Generator[Event, None, None]]
"""Yields the events of videos, with the arguments of `decode_all`."""
_LOWER = "--batch-frames"
_IN_FLIGHT = 2
"""Batches queued on the device: one computes while the next is filled."""


@dataclass
class Cost:
    """Frames encoded by a run, and the time spent on decoding and encoding."""

    frames: int = 0
    decode_cpu_s: float = 0.0
    encode_s: float = 0.0

    def add(self, other: "Cost") -> None:
        """Add the cost of another process."""
        self.frames += other.frames
        self.decode_cpu_s += other.decode_cpu_s
        self.encode_s += other.encode_s


@dataclass(frozen=True)
class EncodedVideo:
    """A video with all its sampled frames encoded."""

    job: Job
    time_s: npt.NDArray[np.float64]
    """(F,) ascending."""
    end_s: npt.NDArray[np.float64]
    """(F,) where the frames' spans end."""
    vectors: npt.NDArray[np.float16]
    """(F, T, D) unit vectors."""
    metadata: VideoMetadata

    def to_store(self, profile: Profile) -> Vectors:
        """Return the content of its vector file."""
        return Vectors(
            embeddings=self.vectors,
            time_s=self.time_s,
            end_s=self.end_s,
            content_hash=self.job.content_hash,
            path_hint=self.job.path,
            profile=profile,
            metadata=self.metadata,
        )


@dataclass(frozen=True)
class FailedVideo:
    """A video that could not be decoded."""

    job: Job
    reason: str
    passing: bool = False
    """Its content is not at fault: the file changed meanwhile, or the error is ours."""


@dataclass
class _UnderWay:
    """A video in progress, with only some of its frames encoded."""

    job: Job
    claimed_s: float
    time_s: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    tiles: int = 1
    vectors: list[npt.NDArray[np.float16]] = field(default_factory=list)
    encoded: int = 0
    """Squares that have vectors."""
    metadata: VideoMetadata | None = None

    @property
    def is_complete(self) -> bool:
        return self.metadata is not None and self.encoded == len(self.time_s) * self.tiles

    def add(self, vectors: npt.NDArray[np.float16]) -> int:
        """Take the next vectors; return how many frames they complete."""
        before = self.encoded // self.tiles
        self.vectors.append(vectors)
        self.encoded += len(vectors)
        return self.encoded // self.tiles - before


class _Batch:
    """Buffers on the encoder's device: one collects squares while another one is encoded."""

    def __init__(self, encoder: Encoder, batch_frames: int, cost: Cost) -> None:
        shape = (batch_frames, encoder.transform.height, encoder.transform.width, 3)
        self._encoder = encoder
        self._cost = cost
        # As many as batches under way: when a buffer's turn comes, its last batch is collected.
        device = encoder.device
        with explain_out_of_memory(_LOWER):
            buffers = [
                torch.empty(shape, dtype=torch.uint8, device=device) for _ in range(_IN_FLIGHT)
            ]
        self._buffers = cycle(buffers)
        self._pixels = next(self._buffers)  # (B, H, W, 3)
        self._owners: list[tuple[_UnderWay, int]] = []
        self._filled = 0
        self._queued: deque[tuple[list[tuple[_UnderWay, int]], Callable[[], torch.Tensor]]] = (
            deque()
        )
        self._copying: torch.cuda.Stream | None = None
        if device.type == "cuda":
            # A stream of its own, so that copies do not queue behind the batch that is encoded.
            # The first one waits for what this memory may still be used for.
            self._copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
            self._copying.wait_stream(torch.cuda.current_stream(device))

    def add(self, video: _UnderWay, pixels: npt.NDArray[np.uint8]) -> Iterator[_UnderWay]:
        """Add a chunk (C, H, W, 3); yield the videos that received vectors meanwhile.

        The chunk may be overwritten when the iterator is at its end: a copy from pinned memory ends
        before `copy_` does.
        """
        left = torch.from_numpy(np.require(pixels, requirements="W"))
        while len(left):
            room = len(self._pixels) - self._filled
            part, left = left[:room], left[room:]
            with torch.cuda.stream(self._copying):
                self._pixels[self._filled : self._filled + len(part)].copy_(part)
            self._owners.append((video, len(part)))
            self._filled += len(part)
            if self._filled == len(self._pixels):
                yield from self._encode()

    def flush(self) -> Iterator[_UnderWay]:
        """Encode the remaining squares; yield the videos that received vectors."""
        if self._filled:
            yield from self._encode()
        while self._queued:
            yield from self._collect()

    def _encode(self) -> Iterator[_UnderWay]:
        began_s = time.monotonic()
        with explain_out_of_memory(_LOWER):
            fetched = fetch(self._encoder.images(self._pixels[: self._filled]))
        self._cost.encode_s += time.monotonic() - began_s
        self._queued.append((self._owners, fetched))
        self._owners, self._filled, self._pixels = [], 0, next(self._buffers)
        if len(self._queued) == _IN_FLIGHT:
            yield from self._collect()

    def _collect(self) -> Iterator[_UnderWay]:
        owners, fetched = self._queued.popleft()
        began_s = time.monotonic()
        vectors = fetched().numpy()  # (B, D)
        self._cost.encode_s += time.monotonic() - began_s
        if not np.isfinite(vectors).all():
            raise not_finite(self._encoder.name, self._encoder.dtype)
        start = 0
        for video, count in owners:
            part = vectors[start : start + count].astype(np.float16)
            self._cost.frames += video.add(part)
            start += count
            yield video


def encode_videos(
    jobs: Sequence[Job],
    encoder: Encoder,
    sampler: Sampler,
    *,
    batch_frames: int,
    workers: int | None,
    limit_s: float | None,
    cost: Cost,
    mix_videos: bool = True,
    decode: Decode = decode_all,
) -> Generator[EncodedVideo | FailedVideo, None, None]:
    """Decode videos in parallel and encode their sampled frames.

    Args:
        jobs: Videos to decode, largest first.
        encoder: Encoder with the same image transform as the sampler.
        sampler: Task of the workers: maps a path to its frames, as the encoder's input.
        batch_frames: B.
        workers: Number of decoding processes; None: `default_workers`.
        limit_s: As for `index.decoding.worker_pool.decode_all`.
        cost: Updated in place during the run.
        mix_videos: Let frames of several videos share a batch, so that the encoder always has a
            full one. A vector's last bits depend on its batch; without mixing they depend on its
            own video alone, whatever else is encoded in the same run.
        decode: Gives the events of decoding, as `index.decoding.worker_pool.decode_all`.

    Yields:
        Each video once, as it finishes. A file that is not any more what was hashed fails.

    Raises:
        CueframeError: A vector is not finite, or a worker cannot write.
    """
    by_path = {job.path: job for job in jobs}
    under_way: dict[str, _UnderWay] = {}
    batches: dict[str, _Batch] = {}
    side = (encoder.transform.height, encoder.transform.width)

    def batch_of(job: Job) -> _Batch:
        key = "" if mix_videos else job.path
        if key not in batches:
            batches[key] = _Batch(encoder, batch_frames, cost)
        return batches[key]

    def finished(video: _UnderWay) -> Iterator[EncodedVideo | FailedVideo]:
        if video.is_complete and under_way.pop(video.job.path, None) is not None:
            yield _outcome(video)  # else in progress, already yielded, or failed after these frames

    on_gpu = encoder.device.type == "cuda"
    how = {"workers": workers or default_workers(on_gpu=on_gpu), "pin": pin if on_gpu else None}
    events = decode(by_path, sampler, side=side, limit_s=limit_s, **how)
    with Progress({job.path: job.size for job in jobs}) as progress, closing(events):
        for event in events:
            job = by_path[event.job]
            if isinstance(event, Opened):
                under_way[job.path] = _UnderWay(job, event.claimed_s)
            elif isinstance(event, Chunk):
                video = under_way[job.path]
                video.time_s += event.time_s
                video.end_s += event.end_s
                video.tiles = event.tiles
                progress.reached(job.path, video.time_s[-1] / max(video.claimed_s, 1e-9))
                for ready in batch_of(job).add(video, event.pixels):
                    yield from finished(ready)
                progress.frames(len(event.time_s))
            elif isinstance(event, Done):
                video = under_way[job.path]
                video.metadata = event.metadata
                cost.decode_cpu_s += event.cpu_s
                if not mix_videos and job.path in batches:
                    for _ in batches.pop(job.path).flush():
                        pass  # all of them are of this video
                progress.reached(job.path, 1.0)
                yield from finished(video)
            elif isinstance(event, Failed):
                under_way.pop(job.path, None)
                if not mix_videos:
                    batches.pop(job.path, None)
                progress.reached(job.path, 1.0)
                changed = change_since(job)
                yield FailedVideo(job, changed or event.reason, bool(changed) or event.passing)
        for batch in batches.values():
            for ready in batch.flush():
                yield from finished(ready)


def _outcome(video: _UnderWay) -> EncodedVideo | FailedVideo:
    """Return a video whose frames are all encoded, if its file still is what was hashed."""
    job, failed = video.job, dict[str, str]()
    if changed := change_since(job):
        return FailedVideo(job, changed, passing=True)
    if not video.metadata or not video.time_s:
        return FailedVideo(job, "gives no frame to encode")
    with costs_one(failed, job.path):
        vectors = np.concatenate(video.vectors)  # (F·T, D)
        encoded = EncodedVideo(
            job,
            np.array(video.time_s, np.float64),
            np.array(video.end_s, np.float64),
            vectors.reshape(len(video.time_s), video.tiles, -1),
            video.metadata,
        )
    return FailedVideo(job, failed[job.path], passing=True) if failed else encoded
