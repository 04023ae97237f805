"""Vectors of the sampled frames of mined videos, by which near copies among them are found.

OUTPUT/sampled/vectors/ab/abcd….h5      one vector for each frame, as in an index's vector files
"""

from pathlib import Path

import numpy as np

from index.pipeline import EncodedVideo
from index.storage.store import Profile, Vectors, write_vectors
from train.mining.question_frames import FrameVectors
from train.mining.rules import MiningEncoder

SAMPLED_FOLDER = "sampled"


def sampled_profile(encoder: MiningEncoder) -> Profile:
    """Return what makes the vectors of a mined folder."""
    return Profile(
        model=encoder.encoder.name,
        fingerprint=encoder.fingerprint,
        width=encoder.encoder.width,
        fps=encoder.fps,
        resize="exact",
        view=encoder.encoder.transform.mode,
        dtype=encoder.encoder.dtype,
    )


def write_sampled(
    output: Path, profile: Profile, video: EncodedVideo, candidates: FrameVectors
) -> None:
    """Write the vectors of a video's candidates, the mean of each frame's tiles.

    Args:
        output: The folder of mined frames.
        profile: From `sampled_profile`.
        video: The video.
        candidates: Its frames shown at k / fps.

    Raises:
        CueframeError: They cannot be written.
    """
    frames = candidates.vectors.astype(np.float32).mean(axis=1, keepdims=True)  # (F, 1, D)
    frames /= np.maximum(np.linalg.norm(frames, axis=2, keepdims=True), 1e-12)
    write_vectors(
        output / SAMPLED_FOLDER,
        Vectors(
            embeddings=frames.astype(np.float16),
            time_s=candidates.time_s,
            end_s=candidates.end_s,
            content_hash=video.job.content_hash,
            path_hint=video.job.path,
            profile=profile,
            metadata=video.metadata,
        ),
    )
