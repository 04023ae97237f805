"""Choose K frames of a video for each of its questions. NumPy only; nothing is decoded or encoded.

Legend: Q questions of one video, F its frames (rows of its vector file), T tiles of a frame,
D width, K picks.

A strategy is a plain function of what it uses: its parameters are fields of `ScoredVideo`, and k.
So one that uses only the times has no arguments that it ignores, and a new one that uses the
vectors changes no caller. `load_strategy` puts all of them under one signature,
`(ScoredVideo, k) -> rows`; `infer.selection.registry` names them. Those from papers are in
`infer.selection.published`.

Every strategy promises, for each question, min(K, F) different rows in order of time, which depend
on that question and its video alone, never on the other questions of the batch. The callers
promise k ≥ 1, times that ascend, and no NaN. A duration that is zero, negative or shorter than the
last time is clamped, never an error.
"""

import inspect
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pkgutil import resolve_name
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.models.tiling import Box
from index.spans import rows_shown_at, until_next
from infer.selection.published import filled_up
from infer.selection.registry import STRATEGIES

Seeds = npt.NDArray[np.uint64]


class ScoredVideo(NamedTuple):
    """One video and the scores of its questions: all that a strategy may look at."""

    scores: Floats
    """(Q, F) score of each question with each frame, higher is better."""
    time_s: Floats
    """(F,) seconds, ascending."""
    end_s: Floats
    """(F,) ends of the spans in which the frames are shown (`index.spans`)."""
    duration_s: float
    """Length of the timeline in seconds."""
    vectors: Floats
    """(F, T, D) unit vectors of the frames' tiles."""
    seeds: Seeds
    """(Q,) one seed for each question, from `question_seed`."""
    start_s: float = 0.0
    """Second at which the timeline begins in its file (`infer.selection.parts`)."""
    tiles: Sequence[Box] = ((0.0, 0.0, 1.0, 1.0),)
    """(T,) where the tiles are in a frame, as fractions of its width and height."""
    others: Sequence[Floats] = ()
    """(Q, F) scores by each further encoder that is asked, of what it saw at these frames' times;
    `infer.selection.joined_encoders` joins them."""

    @property
    def n_vectors(self) -> int:
        """F·T, by which the cost of scoring a question grows."""
        frames, tiles, _ = self.vectors.shape
        return int(frames * tiles)


def segments(time_s: Floats, duration_s: float, k: int) -> Integers:
    """Return (F,) the segment of each frame: min(K−1, floor(K·t/duration)), ascending, 0 … K−1.

    A frame belongs to the segment in which it begins. Times may have any shape. Where the duration
    is not positive, the whole video is segment 0.
    """
    if not duration_s > 0:
        return np.zeros(np.shape(time_s), np.int64)
    # Clipped before the division: a tiny duration would overflow to infinity.
    inside_s = np.clip(np.asarray(time_s, np.float64), 0.0, duration_s)
    segment: Integers = np.floor(k * inside_s / duration_s).astype(np.int64)
    return np.minimum(k - 1, segment)


def pick_quarters(scores: Floats, time_s: Floats, duration_s: float, k: int) -> Integers:
    """Take the best frame of each of K equal segments (K = 4: quarters), the earlier on a tie.

    A segment without a frame gives its place to the best frame not yet taken, again the earlier
    on a tie. scores (Q, F), time_s (F,) -> rows (Q, min(K, F)).
    """
    return _best_of_segments(scores, scores, time_s, duration_s, k)


def pick_uniform(
    time_s: Floats, duration_s: float, k: int, end_s: Floats | None = None
) -> Integers:
    """Take the frame shown at the middle of each of K equal segments, whatever the scores.

    The middle of segment s is (s+½)·duration/K. Segments choose in order. Where no frame of these
    is shown then, as between the rows of an index, or it is taken, the nearest that is not taken;
    the earlier on a tie. time_s, end_s (F,) -> rows (min(K, F),). Without end_s, each frame is
    shown until the next one.
    """
    ends_s = until_next(time_s) if end_s is None else end_s
    rows = np.empty(min(k, len(time_s)), np.int64)
    free = np.arange(len(time_s))
    # With F < K every row is taken after F segments, and the other segments have nothing to choose.
    for s in range(len(rows)):
        middle_s = (s + 0.5) * duration_s / k
        rows[s] = free[rows_shown_at(time_s[free], ends_s[free], middle_s)]
        free = free[free != rows[s]]
    return np.sort(rows)


def pick_random(time_s: Floats, duration_s: float, k: int, seeds: Seeds) -> Integers:
    """Take one frame of each of K equal segments, every frame of a segment equally likely.

    The places of segments without a frame are drawn from all the frames not yet taken, again
    equally likely. time_s (F,), seeds (Q,) -> rows (Q, min(K, F)).
    """
    frames = len(time_s)
    noise = np.array([np.random.default_rng(seed).random((2, frames)) for seed in seeds])
    noise = noise.reshape(len(seeds), 2, frames)
    # Separate noise for the empty places: among the losers of the first draw, those that lost in a
    # short segment have lower noise on average, and would be drawn too seldom.
    return _best_of_segments(noise[:, 0], noise[:, 1], time_s, duration_s, k)


def pick_top(scores: Floats, k: int) -> Integers:
    """Take the K best frames, wherever they are, the earlier on a tie.

    scores (Q, F) -> rows (Q, min(K, F)).
    """
    return filled_up(np.zeros(scores.shape, np.bool_), scores, k)


def pick_top_apart(scores: Floats, time_s: Floats, duration_s: float, k: int) -> Integers:
    """Take, again and again, the best frame that is duration/(2K) or more from all those taken.

    That leaves room: K−1 picks exclude at most (K−1)/K of the timeline, so where frames lie close
    enough there is one to take. Where none is far enough (frames in one part of the timeline, an
    endless duration), the best of the rest is taken; the earlier on a tie.
    scores (Q, F), time_s (F,) -> rows (Q, min(K, F)).
    """
    questions = np.arange(len(scores))
    best_first = np.argsort(-scores, axis=1, kind="stable")  # (Q, F) the earlier of equals first
    places_s = time_s[best_first]
    state = np.zeros(scores.shape, np.int8)  # 0 far enough, 1 too near, 2 taken
    rows = np.empty((len(scores), min(k, scores.shape[1])), np.int64)
    for pick in range(rows.shape[1]):
        chosen = state.argmin(axis=1)  # the first of the lowest state, so the best
        rows[:, pick] = best_first[questions, chosen]
        near = np.abs(places_s - time_s[rows[:, pick], None]) < duration_s / (2 * k)
        np.maximum(state, near, out=state)
        state[questions, chosen] = 2
    return np.sort(rows, axis=1)


def question_seed(seed: int, question_id: str) -> int:
    """Return one question's seed (below 2^64) for a run's `--seed`, the same in any file."""
    digest = blake2b(f"{seed} {question_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _best_of_segments(
    scores: Floats, spare_scores: Floats, time_s: Floats, duration_s: float, k: int
) -> Integers:
    """Return (Q, min(K, F)) each segment's best row by scores; empty ones' by spare_scores."""
    questions, frames = scores.shape
    rows = np.empty((questions, min(k, frames)), np.int64)
    # Times ascend, so a segment is a slice: it starts where the segment's number changes.
    starts = np.flatnonzero(np.diff(segments(time_s, duration_s, k), prepend=-1))
    ends = np.append(starts, frames)[1:]
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        rows[:, place] = start + scores[:, start:end].argmax(axis=1)  # the first of equals
    if len(starts) == rows.shape[1]:
        return rows  # ascending, as the segments are
    taken = np.zeros((questions, frames), np.bool_)
    np.put_along_axis(taken, rows[:, : len(starts)], True, axis=1)
    return filled_up(taken, spare_scores, k)


def load_strategy(name: str) -> Callable[[ScoredVideo, int], Integers]:
    """Load a strategy by a value of `--pick`: (ScoredVideo, k) -> rows (Q, min(K, F)).

    One that does not look at the questions picks the same rows for all of them.
    """
    pick = resolve_name(STRATEGIES[name].function)
    looks_at = [parameter for parameter in inspect.signature(pick).parameters if parameter != "k"]

    def choose(video: ScoredVideo, k: int) -> Integers:
        rows: Integers = pick(**{field: getattr(video, field) for field in looks_at}, k=k)
        return rows if rows.ndim == 2 else np.tile(rows, (len(video.scores), 1))

    return choose
