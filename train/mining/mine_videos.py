"""From videos to mined frames: each video is decoded once, for all its questions.

Workers decode (train/mining/decoding_pass.py), the encoder encodes (index/pipeline.py), and a
video's questions get their frames when it ends (train/mining/question_frames.py).
"""

import shutil
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from index.boundary import costs_one
from index.errors import CueframeError
from index.pipeline import Cost, EncodedVideo, FailedVideo, encode_videos
from index.planning import Job
from index.storage.atomic_write import explain_unwritable
from index.storage.store import Profile, read_own_vectors
from infer.metrics import answer_times
from train.mining.decoding_pass import DecodingPass, WantedFrames
from train.mining.kept_squares import keep_squares
from train.mining.manifest import ManifestRecord
from train.mining.question_frames import (
    DecodedVideo,
    FrameVectors,
    MiningTask,
    mine_question,
    sampled,
)
from train.mining.rules import MiningEncoder, Rules
from train.mining.sampled_vectors import sampled_profile, write_sampled
from train.pictures.store import PREPARED, folder_for
from train.pictures.writing import PairWriter


class MinedVideo(NamedTuple):
    """The result of mining one video."""

    job: Job
    records: list[ManifestRecord]
    """A line for each of its questions; none if it failed."""
    error: str | None = None
    warnings: tuple[str, ...] = ()
    """Irregularities of the file."""


def mine_videos(
    jobs: Sequence[Job],
    tasks: dict[str, list[MiningTask]],
    encoder: MiningEncoder,
    rules: Rules,
    output: Path,
    *,
    scratch: Path,
    batch_frames: int,
    workers: int | None,
    limit_s: float | None,
    cost: Cost,
) -> Generator[MinedVideo, None, None]:
    """Decode each video once and put its questions' frames into the output folder.

    Args:
        jobs: Videos, largest first.
        tasks: Their questions by content hash.
        encoder: Encoder of the frames that its index does not have.
        rules: Rules by which frames are mined.
        output: Folder for the pictures.
        scratch: Folder on the same disk for pictures that may be chosen.
        batch_frames: Number of frames per encoder batch.
        workers: Number of decoding processes; None as for `index.pipeline.encode_videos`.
        limit_s: As for `index.decoding.worker_pool.decode_all`.
        cost: Updated in place during the run.

    Yields:
        Each video as it finishes.
    """
    wanted = {
        job.path: WantedFrames(
            scratch=str(scratch / job.content_hash),
            labelled_s=_labelled_times(tasks[job.content_hash]),
            only_labelled=_stored(encoder.stored, job) is not None,
        )
        for job in jobs
    }
    profile = sampled_profile(encoder)
    transform = encoder.encoder.transform
    decoding_pass = DecodingPass(
        wanted=wanted, fps=rules.fps, transform=transform, image_format=rules.image_format
    )

    writer = PairWriter(folder_for(output / PREPARED, transform), transform)

    def mined(video: EncodedVideo) -> MinedVideo:
        job, metadata = video.job, video.metadata
        frames = FrameVectors(video.time_s, video.end_s, video.vectors)
        if wanted[job.path].only_labelled:
            candidates = _stored(encoder.stored, job)
            if candidates is None:
                return MinedVideo(job, [], "its vectors left the index meanwhile; run again")
        else:
            candidates = sampled(frames, metadata.duration_s, rules.fps)
        write_sampled(output, profile, video, candidates)
        pictures = Path(wanted[job.path].scratch)
        decoded = DecodedVideo(job.content_hash, metadata.duration_s, frames, candidates, pictures)
        records = [mine_question(task, decoded, rules, output) for task in tasks[job.content_hash]]
        keep_squares(records, pictures, output, transform, writer)
        return MinedVideo(job, records, warnings=tuple(metadata.warnings))

    videos = encode_videos(
        jobs,
        encoder.encoder,
        decoding_pass,
        batch_frames=batch_frames,
        workers=workers,
        limit_s=limit_s,
        cost=cost,
        mix_videos=False,  # the result of a video must not depend on other videos
    )
    with closing(videos):
        try:
            for video in videos:
                failed: dict[str, str] = {}
                if isinstance(video, FailedVideo):
                    yield MinedVideo(video.job, [], video.reason)
                else:
                    with costs_one(failed, video.job.path):
                        yield mined(video)
                for reason in failed.values():
                    yield MinedVideo(video.job, [], reason)
                shutil.rmtree(wanted[video.job.path].scratch, ignore_errors=True)
        except BaseException:  # an interrupted run keeps what it has, if that can be
            with suppress(OSError):
                writer.commit()
            raise
        with explain_unwritable(output):
            writer.commit()


def _labelled_times(asked: Sequence[MiningTask]) -> tuple[float, ...]:
    """Return the times whose frames are wanted whatever is sampled, of all a video's questions."""
    labels = (answer_times(one.question) + one.question.negative_frames for one in asked)
    return tuple(sorted({time_s for times_s in labels for time_s in times_s}))


def _stored(index: tuple[Path, Profile] | None, job: Job) -> FrameVectors | None:
    """Read the candidates from an index; return None if it has none that can be read."""
    if index is None:
        return None
    folder, profile = index
    try:
        vectors = read_own_vectors(folder, profile, job.content_hash)
    except CueframeError:
        return None
    return FrameVectors(vectors.time_s, vectors.end_s, vectors.embeddings)
