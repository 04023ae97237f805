"""Scores of each frame of a video for each of its questions.

Legend: N questions, Q those of one video, F its frames, T tiles of a frame, D width, K picks.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.models.tiling import Box
from index.spans import rows_shown_at
from index.storage.store import Profile, read_own_vectors
from infer.selection.parts import ScoredPart
from infer.selection.strategies import ScoredVideo, Seeds, segments

SCORES_AT_ONCE = 2**20
"""Questions × frames × tiles that are scored and picked from at a time. A strategy takes up to some
40 bytes for each; 48 questions about a video of 3 hours at 2 frames a second are a million."""
QUESTIONS_AT_ONCE = 512
"""Questions that are encoded or picked for at a time, however short their video: their texts'
vectors are held meanwhile, and an interrupted run does them again."""


Join = Literal["max", "mean"]
"""How the scores of a question's texts are joined, frame by frame."""


class PickedFrame(TypedDict):
    """One frame of an answer."""

    segment: int
    """Number of its segment among the K equal segments of the part that is asked about."""
    row: int
    """Row in the video's vector file."""
    time_s: float
    score: float
    """Cosine of text and frame, to six decimals; of several texts joined, never smoothed."""
    tile: NotRequired[list[float]]
    """Left, top, right and bottom of the tile that has this score, as fractions of the frame's
    width and height, to four decimals; only where a frame has several tiles."""
    event: NotRequired[int]
    """Number from 0 of the event that it shows; only of a question with events."""


def cosines(texts: Floats, frames: Floats) -> npt.NDArray[np.float32]:
    """Compute cosines of texts with frames, the best tile's: (Q, D), (F, T, D) -> (Q, F).

    Texts and tiles are unit vectors. Multiplied in float64, then rounded. A float32 product depends
    in its last bit on the place in the matrix and on the number of rows: equal frames did not tie
    in 27 of 75 shapes tried, and a question's scores changed with the other questions of its batch
    in all of them.
    """
    n_frames, tiles, width = frames.shape
    flat = frames.reshape(-1, width).astype(np.float64, copy=False)  # (F·T, D)
    exact = texts.astype(np.float64) @ flat.T
    of_tiles = exact.astype(np.float32).reshape(len(texts), n_frames, tiles)
    return of_tiles[:, :, 0] if tiles == 1 else of_tiles.max(axis=2)


def text_scores(texts: Sequence[Floats], frames: Floats) -> npt.NDArray[np.float32]:
    """Score each of the frames (F, T, D) by each text, (Q, F): the cosine of its best window.

    Args:
        texts: For each text the vectors of its windows (w, D), or that of its only one (D,).
        frames: Vectors of the frames.
    """
    windows = _windows(texts)
    if all(len(own) == 1 for own in windows):
        return cosines(np.concatenate(windows), frames)
    # One by one, so that memory does not grow with the windows of all; the numbers are the same.
    return np.stack([cosines(own, frames).max(axis=0) for own in windows])


def question_scores(
    questions: Sequence[Sequence[Floats]], frames: Floats, join: Join = "max"
) -> npt.NDArray[np.float32]:
    """Score each of the frames (F, T, D) by each question's texts, (Q, F).

    Args:
        questions: For each question the vectors of its texts, each as in `text_scores`.
        frames: Vectors of the frames.
        join: Whether the best text's score counts, or the mean of all.
    """
    if all(len(texts) == 1 for texts in questions):
        return text_scores([text for (text,) in questions], frames)
    if join == "max":
        return text_scores([np.concatenate(_windows(texts)) for texts in questions], frames)
    # One by one, for the reason given above.
    means = [text_scores(texts, frames).mean(axis=0, dtype=np.float64) for texts in questions]
    return np.stack(means).astype(np.float32)


def _windows(texts: Sequence[Floats]) -> list[Floats]:
    return [np.atleast_2d(text) for text in texts]


def best_tiles(
    questions: Sequence[Sequence[Floats]], frames: Floats, rows: Integers
) -> npt.NDArray[np.int64]:
    """Return which tile of some frames fits any text of each question best, the first of equals.

    Q questions as in `question_scores`, frames (F, T, D), rows (Q, K) -> (Q, K).
    """
    best = np.empty(rows.shape, np.int64)
    # One by one, since the tiles of all questions' frames may be many times those of the video.
    for q, (texts, own) in enumerate(zip(questions, rows, strict=True)):
        windows = np.concatenate(_windows(texts)).astype(np.float64)
        cosine = frames[own].astype(np.float64, copy=False) @ windows.T  # (K, T, w)
        best[q] = cosine.astype(np.float32).max(axis=2).argmax(axis=1)
    return best


def questions_at_once(n_vectors: int) -> int:
    """Return how many questions about a video of so many vectors are scored at a time.

    One at least. So the memory of scoring and picking does not grow with the number of questions.
    """
    return min(QUESTIONS_AT_ONCE, max(1, SCORES_AT_ONCE // max(1, n_vectors)))


def blocks_of_questions(n_questions: int, n_vectors: int) -> Iterator[slice]:
    """Yield the blocks in which questions about a video of so many vectors are scored, in order."""
    some = questions_at_once(n_vectors)
    return (slice(start, start + some) for start in range(0, n_questions, some))


def read_stored_video(index: Path, profile: Profile, content_hash: str) -> ScoredVideo:
    """Read a video of which no question is scored yet: Q = 0.

    Raises:
        CueframeError: The vector file is missing, damaged, or not of this index.
    """
    vectors = read_own_vectors(index, profile, content_hash)
    frames = vectors.embeddings.astype(np.float64)  # once, and not for each block of questions
    no_scores = np.empty((0, len(frames)), np.float32)
    return ScoredVideo(
        no_scores, *vectors.timeline, frames, np.empty(0, np.uint64), tiles=vectors.tiles
    )


class OtherView(NamedTuple):
    """A video as another index has it."""

    vectors: Floats
    """(F', T, D) vectors of its rows there."""
    row: Integers
    """(F,) which of them is shown when a row of the first index begins, or is nearest to it."""

    @property
    def n_vectors(self) -> int:
        """F'·T, as `ScoredVideo.n_vectors`."""
        frames, tiles, _ = self.vectors.shape
        return int(frames * tiles)

    def scores(
        self, questions: Sequence[Sequence[Floats]], join: Join = "max"
    ) -> npt.NDArray[np.float32]:
        """Score the first index's rows (Q, F) by texts of this index's encoder."""
        of_rows = question_scores(questions, self.vectors, join)  # (Q, F')
        return np.take(of_rows, self.row, axis=1)


def read_other_view(
    index: Path, profile: Profile, content_hash: str, first: ScoredVideo
) -> OtherView:
    """Read a video of another index beside that of the first.

    Raises:
        CueframeError: As `read_stored_video`.
    """
    there = read_stored_video(index, profile, content_hash)
    return OtherView(there.vectors, rows_shown_at(there.time_s, there.end_s, first.time_s))


def score_video(
    video: ScoredVideo, questions: Sequence[Sequence[Floats]], seeds: Seeds, join: Join = "max"
) -> ScoredVideo:
    """Return a video with the scores of Q questions, given as in `question_scores`; seeds (Q,)."""
    return video._replace(scores=question_scores(questions, video.vectors, join), seeds=seeds)


def scored_blocks(
    index: Path,
    profile: Profile,
    videos: Mapping[str, Sequence[int]],
    texts: Sequence[Sequence[Floats]],
    join: Join = "max",
) -> Iterator[tuple[Sequence[int], ScoredVideo]]:
    """Score questions without seeds, block by block, reading each video's vectors once.

    Args:
        index: Folder of the index.
        profile: Its profile.
        videos: The numbers of the questions by their videos' content hashes.
        texts: Vectors of all N questions' texts, by their numbers, as in `question_scores`.
        join: How the scores of a question's texts are joined.

    Yields:
        The numbers of a block's questions, and their video with their scores.

    Raises:
        CueframeError: As `read_stored_video`.
    """
    for content, of_video in videos.items():
        stored = read_stored_video(index, profile, content)
        for block in blocks_of_questions(len(of_video), stored.n_vectors):
            numbers = of_video[block]
            own, seeds = [texts[n] for n in numbers], np.zeros(len(numbers), np.uint64)
            yield numbers, score_video(stored, own, seeds, join)


def shown_box(box: Box) -> list[float]:
    """Return the box of a tile as answers have it."""
    return [round(edge, 4) for edge in box]


def picked_frames(
    part: ScoredPart, rows: Integers, k: int, texts: Sequence[Sequence[Floats]]
) -> list[list[PickedFrame]]:
    """Convert the rows that a strategy chose of a part to a list for each question.

    Rows and times are those of the whole video, segments those of the part.

    Args:
        part: The part, with its scores.
        rows: (Q, min(K, F)).
        k: K.
        texts: Vectors of the questions' texts, as in `question_scores`, to tell each frame's best
            tile.
    """
    segment = segments(part.video.time_s, part.video.duration_s, k)[rows]
    score = np.take_along_axis(part.video.scores, rows, axis=1).astype(np.float64).round(6)
    own_rows, times_s = part.first_row + rows, part.time_s[rows]
    columns = (segment.tolist(), own_rows.tolist(), times_s.tolist(), score.tolist())
    picked = [
        [PickedFrame(segment=s, row=r, time_s=t, score=c) for s, r, t, c in zip(*one, strict=True)]
        for one in zip(*columns, strict=True)
    ]
    if len(part.video.tiles) > 1:
        best = best_tiles(texts, part.video.vectors, rows)
        for of_question, tiles in zip(picked, best.tolist(), strict=True):
            for frame, tile in zip(of_question, tiles, strict=True):
                frame["tile"] = shown_box(part.video.tiles[tile])
    return picked
