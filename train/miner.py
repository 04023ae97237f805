"""From videos to mined frames: each video is decoded once, for all its questions.

Workers decode (train/pictures.py), the encoder encodes, and a video's questions get their frames
when it ends (train/harvest.py).

D: width of a vector, H, W: sides of the square.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.embed import Cost
from index.encoder import Encoder
from index.errors import CueframeError, VideoError
from index.plan import Job
from index.progress import Progress
from index.store import Profile, read_vectors
from index.video import Clip
from index.workers import Chunk, Done, Opened, decode_all
from train.harvest import Asked, Film, Shots, mine_question, sampled
from train.ledger import Record
from train.pictures import Pass, Wanted
from train.rules import Judge, Rules


class Ended(NamedTuple):
    """What became of a video."""

    job: Job
    records: list[Record]
    """A line for each of its questions; none where it failed."""
    error: str | None = None
    warnings: tuple[str, ...] = ()
    """What is odd about the file."""


def mine_videos(
    jobs: Sequence[Job],
    asked: dict[str, list[Asked]],
    judge: Judge,
    rules: Rules,
    output: Path,
    *,
    scratch: Path,
    batch_frames: int,
    workers: int,
    limit_s: float | None,
    cost: Cost,
) -> Iterator[Ended]:
    """Decode each video once and put its questions' frames into the output folder.

    Args:
        jobs: Videos, largest first.
        asked: Their questions by content hash.
        judge: Encodes the frames that its index has not.
        rules: Which frames are mined.
        output: Where the pictures go.
        scratch: Folder on the same disk for pictures that may be chosen.
        batch_frames: Frames that the encoder takes at once.
        workers: Decoding processes.
        limit_s: As for `index.workers.decode_all`.
        cost: Is added to as it goes.

    Yields:
        Each video as it ends.
    """
    by_path = {job.path: job for job in jobs}
    wanted = {
        job.path: Wanted(
            scratch=str(scratch / job.content_hash),
            support_s=_support_times(asked[job.content_hash]),
            only_true=_stored(judge.stored, job) is not None,
        )
        for job in jobs
    }
    view = judge.encoder.view
    orders = Pass(wanted=wanted, fps=rules.fps, view=view, image_format=rules.image_format)
    side = (view.height, view.width)
    under_way: dict[str, _Encoding] = {}

    def harvest(job: Job, clip: Clip) -> Ended:
        met = under_way.pop(job.path).shots()
        if wanted[job.path].only_true:
            candidates = _stored(judge.stored, job)
            if candidates is None:
                return Ended(job, [], "its vectors left the index meanwhile; run again")
        else:
            candidates = sampled(met, clip.duration_s, rules.fps)
        pictures = Path(wanted[job.path].scratch)
        film = Film(job.content_hash, clip.duration_s, met, candidates, pictures)
        try:
            records = [mine_question(one, film, rules, output) for one in asked[job.content_hash]]
        except VideoError as error:
            return Ended(job, [], str(error))
        return Ended(job, records, warnings=tuple(clip.warnings))

    with Progress({job.path: job.size for job in jobs}) as progress:
        for event in decode_all(by_path, orders, side=side, workers=workers, limit_s=limit_s):
            job = by_path[event.job]
            if isinstance(event, Opened):
                under_way[job.path] = _Encoding(judge.encoder, batch_frames, cost, event.claimed_s)
            elif isinstance(event, Chunk):
                encoding = under_way[job.path]
                encoding.add(event)
                progress.reached(job.path, event.time_s[-1] / max(encoding.claimed_s, 1e-9))
                progress.frames(len(event.time_s))
            else:
                if isinstance(event, Done):
                    cost.decode_cpu_s += event.cpu_s
                    yield harvest(job, event.clip)
                else:
                    under_way.pop(job.path, None)
                    yield Ended(job, [], event.reason)
                progress.reached(job.path, 1.0)
                shutil.rmtree(wanted[job.path].scratch, ignore_errors=True)


@dataclass
class _Encoding:
    """A video under way. Its batches are its own, so its vectors depend on no other video."""

    encoder: Encoder
    batch_frames: int
    cost: Cost
    claimed_s: float
    time_s: list[float] = field(default_factory=list)
    squares: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    """(H, W, 3) each, fewer than batch_frames."""
    vectors: list[npt.NDArray[np.float16]] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        """Take frames, and encode when a batch is full."""
        self.time_s += chunk.time_s
        for square in chunk.squares:
            self.squares.append(square.copy())
            if len(self.squares) == self.batch_frames:
                self._encode()

    def shots(self) -> Shots:
        """All frames, when the last one was added."""
        if self.squares:
            self._encode()
        return Shots(np.array(self.time_s, np.float64), np.concatenate(self.vectors))

    def _encode(self) -> None:
        began_s = time.monotonic()
        vectors = self.encoder.images(np.stack(self.squares)).cpu().numpy()  # (batch, D)
        self.cost.encode_s += time.monotonic() - began_s
        self.cost.frames += len(vectors)
        if not np.isfinite(vectors).all():
            raise CueframeError(
                "the encoder gives vectors that are not finite; choose --dtype float32 or bfloat16"
            )
        self.vectors.append(vectors.astype(np.float16))
        self.squares = []


def _support_times(asked: Sequence[Asked]) -> tuple[float, ...]:
    return tuple(sorted({time_s for one in asked for time_s in one.question.support_frames}))


def _stored(index: tuple[Path, Profile] | None, job: Job) -> Shots | None:
    """The candidates as an index has them; None where it has none that can be read."""
    if index is None:
        return None
    folder, profile = index
    try:
        vectors = read_vectors(folder, job.content_hash)
    except CueframeError:
        return None
    return Shots(vectors.time_s, vectors.embeddings) if vectors.profile == profile.key else None
