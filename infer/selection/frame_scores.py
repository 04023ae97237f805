"""Scores of each frame of a video for each of its questions.

Legend: N questions, Q those of one video, F its frames, D width, K picks.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.storage.store import Profile, read_own_vectors
from infer.selection.parts import ScoredPart
from infer.selection.strategies import ScoredVideo, Seeds, segments

SCORES_AT_ONCE = 2**20
"""Questions × frames that are scored and picked from at a time. A strategy takes up to some 40
bytes for each; 48 questions about a video of 3 hours at 2 frames a second are a million."""
QUESTIONS_AT_ONCE = 512
"""Questions that are encoded or picked for at a time, however short their video: their texts'
vectors are held meanwhile, and an interrupted run does them again."""


class PickedFrame(TypedDict):
    """One frame of an answer."""

    segment: int
    """Number of its segment among the K equal segments of the part that is asked about."""
    row: int
    """Row in the video's vector file."""
    time_s: float
    score: float
    """Cosine of text and frame, to six decimals."""


def cosines(texts: Floats, frames: Floats) -> npt.NDArray[np.float32]:
    """Compute cosines of unit vectors: texts (Q, D), frames (F, D) -> (Q, F).

    Multiplied in float64, then rounded. A float32 product depends in its last bit on the place in
    the matrix and on the number of rows: equal frames did not tie in 27 of 75 shapes tried, and a
    question's scores changed with the other questions of its batch in all of them.
    """
    exact = texts.astype(np.float64) @ frames.astype(np.float64, copy=False).T
    return exact.astype(np.float32)


def questions_at_once(rows: int) -> int:
    """Return how many questions about a video of so many rows are scored at a time, one at least.

    So the memory of scoring and picking does not grow with the number of questions.
    """
    return min(QUESTIONS_AT_ONCE, max(1, SCORES_AT_ONCE // max(1, rows)))


def blocks_of_questions(n_questions: int, rows: int) -> Iterator[slice]:
    """Yield the blocks in which questions about a video of so many rows are scored, in order."""
    some = questions_at_once(rows)
    return (slice(start, start + some) for start in range(0, n_questions, some))


def read_stored_video(index: Path, profile: Profile, content_hash: str) -> ScoredVideo:
    """Read a video of which no question is scored yet: Q = 0.

    Raises:
        CueframeError: The vector file is missing, damaged, or not of this index.
    """
    vectors = read_own_vectors(index, profile, content_hash)
    frames = vectors.whole_frames.astype(np.float64)  # once, and not for each block of questions
    no_scores = np.empty((0, len(frames)), np.float32)
    return ScoredVideo(no_scores, *vectors.timeline, frames, np.empty(0, np.uint64))


def score_video(video: ScoredVideo, texts: Floats, seeds: Seeds) -> ScoredVideo:
    """Return a video with the scores of some questions: texts (Q, D), seeds (Q,)."""
    return video._replace(scores=cosines(texts, video.vectors), seeds=seeds)


def scored_blocks(
    index: Path, profile: Profile, videos: Mapping[str, Sequence[int]], texts: Floats
) -> Iterator[tuple[Sequence[int], ScoredVideo]]:
    """Score questions without seeds, block by block, reading each video's vectors once.

    Args:
        index: Folder of the index.
        profile: Its profile.
        videos: The numbers of the questions by their videos' content hashes.
        texts: (N, D) vectors of all questions' texts, by their numbers.

    Yields:
        The numbers of a block's questions, and their video with their scores.

    Raises:
        CueframeError: As `read_stored_video`.
    """
    for content, of_video in videos.items():
        stored = read_stored_video(index, profile, content)
        for block in blocks_of_questions(len(of_video), len(stored.time_s)):
            numbers = of_video[block]
            yield numbers, score_video(stored, texts[numbers], np.zeros(len(numbers), np.uint64))


def picked_frames(part: ScoredPart, rows: Integers, k: int) -> list[list[PickedFrame]]:
    """Convert the rows (Q, min(K, F)) that a strategy chose of a part to a list for each question.

    Rows and times are those of the whole video, segments those of the part.
    """
    segment = segments(part.video.time_s, part.video.duration_s, k)[rows]
    score = np.take_along_axis(part.video.scores, rows, axis=1).astype(np.float64).round(6)
    own_rows, times_s = part.first_row + rows, part.time_s[rows]
    columns = (segment.tolist(), own_rows.tolist(), times_s.tolist(), score.tolist())
    return [
        [PickedFrame(segment=s, row=r, time_s=t, score=c) for s, r, t, c in zip(*one, strict=True)]
        for one in zip(*columns, strict=True)
    ]
