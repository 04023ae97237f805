"""The best hits of all videos, exactly, while as few videos as possible are read.

FAISS finds the n frames that fit a query best. What it does not find fits no better than the worst
of them, so the videos of these frames are read, the most promising first, until no other can hold a
better hit; where n frames do not settle it, more are searched. A hit is whatever is cut out of a
video's score curves: a moment, or a sequence of events.

Legend: Q queries, E events of a query, w windows of a text, W those of all, n frames that are found
for each, m different ones of an event, F frames of a video, V videos.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats, Integers
from index.boundary import costs_one
from index.errors import CueframeError, DamagedError
from index.storage.store import Vectors, read_own_vectors
from infer.searching.scope import Scope, nearest_vectors
from infer.selection.frame_scores import blocks_of_questions, text_scores

Query = Sequence[Floats]
"""For each of its E events the vectors (w, D), of which the best counts."""
SAME_SCORE = 1e-4
"""FAISS multiplies in float32; of another frame or video the score is off by more."""
_FOUND_AT_ONCE = 2**22
"""Vectors found for all queries together that are held at a time; each takes some 50 bytes."""
_FRAMES_OF_HIT = 8
"""How many frames are searched at first for each hit that is wanted."""
_DEEPER = 4
"""How many times more are searched where those found do not settle it."""


class Hit(NamedTuple):
    """Something that was found in a video. The order of hits is that of these fields."""

    worse: float
    """The score, negated."""
    path: str
    time_s: float
    """Of its first frame that counts."""
    record: dict[str, Any]
    """What is printed of it."""


Cut = Callable[[Vectors, Floats, Sequence[Query]], list[list[Hit]]]
"""Cuts the curves (Q, E, F) of Q queries out of a video: the hits of each, the best first."""


class _Found(NamedTuple):
    """The frames that were found for an event, each with the score of its best tile and window."""

    number: Integers
    """(m,) ascending numbers of the frames' videos."""
    row: Integers
    """(m,)"""
    score: Floats
    """(m,)"""
    rest: float
    """What any other frame scores at most; −inf where there is no other."""


class _Progress:
    """How far the search for one query has come."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.events: list[_Found] = []
        self.hits: list[Hit] = []
        self.seen: set[int] = set()
        """Numbers of the videos that were read."""
        self._next: list[tuple[float, int]] = []

    def look_at(self, events: list[_Found]) -> None:
        """Take the frames that were found, and put the videos that were not read in order.

        A video scores at most the mean, over the events, of its best frame.
        """
        self.events = events
        numbers = np.unique(np.concatenate([one.number for one in events]))  # (V,)
        bounds = np.empty((len(events), len(numbers)))
        for bound, one in zip(bounds, events, strict=True):
            bound[:] = one.rest
            starts = np.flatnonzero(np.diff(one.number, prepend=-1))
            best = np.maximum.reduceat(one.score, starts)
            own = np.searchsorted(numbers, one.number[starts])
            bound[own] = np.maximum(best, one.rest)
        mean = bounds.mean(axis=0)
        order = np.argsort(mean, kind="stable")  # the best last
        pairs = zip(mean[order].tolist(), numbers[order].tolist(), strict=True)
        self._next = [(bound, number) for bound, number in pairs if number not in self.seen]

    def take(self, videos: int) -> list[int]:
        """Return the numbers of the next videos to read, at most so many."""
        taken = [self._next.pop()[1] for _ in range(min(videos, len(self._next)))]
        self.seen.update(taken)
        return taken

    def add(self, hits: list[Hit], top: int) -> None:
        """Add the hits of a video."""
        self.hits = sorted([*self.hits, *hits], key=lambda hit: hit[:3])[:top]

    def is_settled(self, top: int) -> bool:
        """Return whether no video that was not read can hold one of the best hits."""
        unseen = float(np.mean([one.rest for one in self.events]))
        bound = self._next[-1][0] if self._next else unseen
        if bound == -np.inf:
            return True
        return len(self.hits) == top and -self.hits[-1].worse >= bound + SAME_SCORE

    @property
    def has_more(self) -> bool:
        """Return whether frames of a video were found that was not read."""
        return bool(self._next)


def best_hits(
    scope: Scope, queries: Sequence[Query], top: int, cut: Cut, lost: dict[str, str]
) -> list[list[Hit]]:
    """Find the best hits for each query, the best first.

    Equal scores: the first by path, then by time.

    Args:
        scope: What is searched.
        queries: The queries, all of as many events.
        top: Maximum number of hits for each.
        cut: Cuts the hits of a video.
        lost: Gets the videos that cannot be read, by content hash, and why.
    """
    states = [_Progress(query) for query in queries]
    if scope.n_vectors:
        _settle(scope, states, _FRAMES_OF_HIT * top * scope.tiles, top, cut, lost)
    return [state.hits for state in states]


def _settle(
    scope: Scope, states: Sequence[_Progress], n: int, top: int, cut: Cut, lost: dict[str, str]
) -> None:
    """Search n frames for each query, and more for those that they do not settle."""
    n = min(n, scope.n_vectors)
    windows = sum(len(event) for state in states for event in state.query)
    at_once = max(1, _FOUND_AT_ONCE * len(states) // (n * windows))
    if at_once < len(states):
        for start in range(0, len(states), at_once):
            _settle(scope, states[start : start + at_once], n, top, cut, lost)
        return
    for state, events in zip(states, _found(scope, [s.query for s in states], n), strict=True):
        state.look_at(events)
    # One query reads few videos; many read all of them anyway, and each once in the first round.
    videos = 2 if len(states) == 1 else top
    pending = [*states]
    while pending := [s for s in pending if s.has_more and not s.is_settled(top)]:
        asking: dict[int, list[_Progress]] = {}
        for state in pending:
            for number in state.take(videos):
                asking.setdefault(number, []).append(state)
        videos *= 2
        for number, some in asking.items():
            with costs_one(lost, scope.contents[number], CueframeError):
                _read(scope, number, some, top, cut)
    deeper = [state for state in states if not state.is_settled(top)]
    for state in states:
        state.events = []  # only what goes deeper needs memory
    if deeper:
        _settle(scope, deeper, _DEEPER * n, top, cut, lost)


def _found(scope: Scope, queries: Sequence[Query], n: int) -> Iterator[list[_Found]]:
    """Search n vectors for each window, and yield for each query the frames of each event."""
    windows = np.concatenate([event for query in queries for event in query])  # (W, D)
    scores, places = nearest_vectors(scope, windows, n)
    at = 0
    for query in queries:
        events: list[_Found] = []
        for event in query:
            own = slice(at, at + len(event))
            at = own.stop
            score = scores[own].ravel()
            best_first = np.argsort(-score, kind="stable")
            of_vector = places[own].ravel()[best_first]
            number, row = scope.ids.number[of_vector], scope.ids.row[of_vector]
            frame = number * (1 + row.max()) + row
            _, once = np.unique(frame, return_index=True)  # by frame, each with its best score
            rest = float(scores[own, -1].max()) if n < scope.n_vectors else -np.inf
            events.append(_Found(number[once], row[once], score[best_first][once], rest))
        yield events


def _read(scope: Scope, number: int, states: Sequence[_Progress], top: int, cut: Cut) -> None:
    """Read a video and add its hits for some queries.

    Raises:
        CueframeError: Its vector file cannot be used, or is not the one whose vectors were found.
    """
    own = read_own_vectors(scope.folder, scope.profile, scope.contents[number])
    frames = own.embeddings.astype(np.float64)  # (F, T, D)
    events = len(states[0].query)
    per_query = events * frames.shape[0] * frames.shape[1]
    made: list[list[Hit]] = []
    for block in blocks_of_questions(len(states), per_query):
        queries = [state.query for state in states[block]]
        flat = text_scores([event for query in queries for event in query], frames)
        scores = flat.reshape(len(queries), events, len(frames))
        for state, curves in zip(states[block], scores, strict=True):
            _refuse_others(scope, number, own, state.events, curves)
        made += cut(own, scores, queries)
    for state, hits in zip(states, made, strict=True):
        state.add(hits, top)


def _refuse_others(
    scope: Scope,
    number: int,
    own: Vectors,
    events: Sequence[_Found],
    curves: npt.NDArray[np.float32],
) -> None:
    """Refuse a video whose file (curves (E, F)) scores otherwise than its frames that were found.

    Frames that score no more than `rest` may have been found by another window than their best.
    """
    for found, curve in zip(events, curves, strict=True):
        start, end = np.searchsorted(found.number, [number, number + 1])
        rows, score = found.row[start:end], found.score[start:end]
        held = np.full(len(curve), -np.inf)
        if (sound := len(rows) == 0 or int(rows.max()) < len(curve)) and len(rows):
            held[rows] = score
        sure = np.maximum(held, curve) > found.rest + SAME_SCORE
        if not sound or not (np.abs(held - curve)[sure] <= SAME_SCORE).all():
            raise DamagedError(
                f"frames.faiss has other vectors of {own.path_hint} than its file; python "
                f"index/check.py {scope.folder} --repair mends that"
            )
