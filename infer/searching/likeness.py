"""The frame that VIDEO@SECONDS means, with its stored vectors.

T: tiles of a frame, D: width of a vector.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.errors import CueframeError
from index.spans import rows_shown_at
from index.storage.store import Profile, read_own_vectors
from infer.searching.cuts import FrameOfVideo
from infer.videos.indexed_videos import IndexedVideos, find_indexed


class StoredFrame(NamedTuple):
    """A frame of the index."""

    frame: FrameOfVideo
    vectors: npt.NDArray[np.float32]
    """(T, D)"""


def frame_named(like: str, index: Path, profile: Profile, indexed: IndexedVideos) -> StoredFrame:
    """Return the frame of the index that is shown at a second of a video.

    Between two frames of the index it is the nearer one, as `index.spans.rows_shown_at` has it.

    Args:
        like: VIDEO@SECONDS, the video named as in questions.
        index: Folder of the index.
        profile: Its profile.
        indexed: Its videos.

    Raises:
        CueframeError: It is not of this form, the video is not in the index, or is shorter.
    """
    name, at, seconds = like.rpartition("@")
    try:
        second = float(seconds)
    except ValueError:
        second = math.nan
    if not (at and name and 0 <= second < math.inf):
        raise CueframeError(
            f"--like is {like}; want VIDEO@SECONDS, the seconds from 0 up, as x.mp4@12.5"
        )
    _, video = find_indexed(indexed, name)
    own = read_own_vectors(index, profile, video.content_hash)
    if second > own.metadata.duration_s:
        raise CueframeError(
            f"--like is {like}, and {name} is {own.metadata.duration_s:.3f} s long; name a second "
            "of it"
        )
    row = int(rows_shown_at(own.time_s, own.end_s, second))
    vectors = own.embeddings[row].astype(np.float32)
    return StoredFrame(FrameOfVideo(video.content_hash, row), vectors)
