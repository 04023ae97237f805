"""Encode the videos of one process's shard of a build, and write their vector files."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from index.boundary import costs_one
from index.decoding.sampler import FrameSampler
from index.distributed import join_processes
from index.how_to_encode import HowToEncode
from index.messages import escaped
from index.models.encoder import Encoder, load_encoder
from index.pipeline import Cost, EncodedVideo, FailedVideo, encode_videos
from index.planning import Job
from index.recording import Recorder
from index.storage.catalog import VideoRow, row_of
from index.storage.store import Profile, vectors_fault, write_vectors


def follower_of(profile: Profile, how: HowToEncode) -> Encoder:
    """Load the encoder of another rank, which rank 0 has found to be the index's."""
    device = join_processes().device
    name = how.model or profile.model
    return load_encoder(name, dtype=how.dtype, view=profile.view, device=device)[0]


def encode_shard(
    jobs: Sequence[Job],
    index: Path,
    profile: Profile,
    encoder: Encoder,
    how: HowToEncode,
    recorder: Recorder,
) -> dict[str, Any]:
    """Encode videos, write their vector files and give each to the recorder.

    Returns:
        The cost of decoding and encoding, `index.pipeline.Cost`.

    Raises:
        CueframeError: As `index.pipeline.encode_videos`, or a file cannot be written.
    """
    cost = Cost()
    videos = encode_videos(
        jobs,
        encoder,
        FrameSampler(
            fps=profile.fps,
            transform=encoder.transform,
            resize=profile.resize,
            decoder=how.decoder,
            max_pixels=how.max_pixels,
        ),
        batch_frames=how.batch_frames,
        workers=how.workers,
        limit_s=how.time_limit_s,
        cost=cost,
    )
    with closing(videos):
        for video in videos:
            path = video.job.path
            if isinstance(video, FailedVideo) and video.passing:
                recorder.unrecorded[path] = video.reason
                continue
            with costs_one(recorder.unrecorded, path):
                row = _written(index, profile, video)
                recorder.put(path, row, None if isinstance(video, FailedVideo) else video.vectors)
    recorder.flush()
    return asdict(cost)


def _written(index: Path, profile: Profile, video: EncodedVideo | FailedVideo) -> VideoRow:
    """Write a video's vectors; return its catalog row."""
    if isinstance(video, FailedVideo):
        reason = escaped(video.reason)  # a library may name the file in it
        return VideoRow(content_hash=video.job.content_hash, status="failed", error=reason)
    vectors = video.to_store(profile)
    if fault := vectors_fault(vectors, profile.width):
        return VideoRow(content_hash=video.job.content_hash, status="failed", error=fault)
    write_vectors(index, vectors, synced=False)
    return row_of(index, vectors)
