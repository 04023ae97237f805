"""The search against cutting every video, on indexes of few numbers with many ties."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.storage.faiss_index import as_held, frame_ids, held_ids, search_within, split_ids
from index.storage.store import Vectors
from infer.searching import exact_search
from infer.searching.cuts import FrameOfVideo, moments_cut, sequences_cut
from infer.searching.exact_search import Cut, Hit, Query, best_hits
from infer.searching.scope import Scope
from infer.selection.frame_scores import text_scores
from tests.index.storage.test_store import METADATA, PROFILE

WIDTH = 4


class Index:
    """Videos in FAISS, of which some are searched."""

    def __init__(self, drawn: dict[int, np.ndarray], searched: Iterable[int]) -> None:
        """Take vectors (F, T, D) by number of the video."""
        held = faiss.IndexIDMap(faiss.IndexFlatIP(WIDTH))
        self.videos: dict[str, Vectors] = {}
        self.read: list[str] = []
        for number, vectors in drawn.items():
            frames, tiles, _ = vectors.shape
            half, time_s = vectors.astype(np.float16), np.arange(frames, dtype=np.float64)
            held.add_with_ids(as_held(half), frame_ids(number, frames, tiles))
            self.videos[f"{number:032x}"] = Vectors(
                content_hash=f"{number:032x}",
                profile=PROFILE,
                path_hint="/v.mp4",
                embeddings=half,
                time_s=time_s,
                end_s=time_s + 0.5,
                metadata=METADATA,
            )
        contents = {number: f"{number:032x}" for number in searched}
        self.videos = {content: self.videos[content] for content in contents.values()}
        # Their order by path is not that of their numbers.
        paths = {content: f"/{number % 3}/{number}.mp4" for number, content in contents.items()}
        ids = split_ids(held_ids(held))
        inside = np.isin(ids.number, list(contents))
        within = None if inside.all() else search_within(inside)
        found = (paths, contents, held, within, ids, int(inside.sum()), 1 + int(ids.tile.max()))
        self.scope = Scope(Path("index"), PROFILE, *found, [])

    def queries(self, seed: int, count: int, events: int) -> list[Query]:
        rng = np.random.default_rng(seed)

        def text() -> np.ndarray:
            windows = rng.integers(-2, 3, (int(rng.integers(1, 3)), WIDTH)) / 4
            return windows.astype(np.float32)

        return [[text() for _ in range(events)] for _ in range(count)]

    def find(self, queries: list[Query], top: int, cut: Cut) -> list[list[Hit]]:
        def noted(_index: Path, _profile: Any, content: str) -> Vectors:
            self.read.append(content)
            return self.videos[content]

        lost: dict[str, str] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exact_search, "read_own_vectors", noted)
            patch.setattr(exact_search, "_FOUND_AT_ONCE", 40)
            found = best_hits(self.scope, queries, top, cut, lost)
        assert not lost
        return found

    def every_hit(self, query: Query, cut: Cut) -> list[dict[str, Any]]:
        hits: list[Hit] = []
        for own in self.videos.values():
            scores = np.stack([text_scores([event], own.embeddings)[0] for event in query])
            hits += cut(own, scores[None], [query])[0]
        return [hit.record for hit in sorted(hits, key=lambda hit: hit[:3])]


def few_numbers(seed: int) -> Index:
    rng = np.random.default_rng(seed)
    tiles, spread = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    drawn = {
        number: rng.integers(-spread, spread + 1, (int(rng.integers(1, 25)), tiles, WIDTH)) / 4
        for number in range(1, int(rng.integers(2, 10)))
    }
    return Index(drawn, [number for number in drawn if rng.random() < 0.8])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_the_same_as_reading_every_video(seed: int, top: int, count: int, few: bool) -> None:
    index = few_numbers(seed)
    left_out = FrameOfVideo(next(iter(index.videos), ""), 0) if few else None
    moments = moments_cut(index.scope.paths, 2 if few else top, left_out)
    for cut, events in ((moments, 1), (sequences_cut(index.scope.paths), 1 + seed % 3)):
        queries = index.queries(seed, count, events)
        found = index.find(queries, top, cut)
        for query, hits in zip(queries, found, strict=True):
            assert [hit.record for hit in hits] == index.every_hit(query, cut)[:top]


@pytest.mark.parametrize("events", [1, 2])
def test_only_the_videos_that_matter_are_read(events: int) -> None:
    rng = np.random.default_rng(0)
    drawn = {number: rng.normal(size=(30, 1, WIDTH)) for number in range(1, 41)}
    drawn = {n: one / np.linalg.norm(one, axis=2, keepdims=True) for n, one in drawn.items()}
    index = Index(drawn, drawn)
    paths = index.scope.paths
    cut = moments_cut(paths, 3) if events == 1 else sequences_cut(paths)
    (query,) = index.queries(5, 1, events)
    (hits,) = index.find([query], 3, cut)
    assert [hit.record for hit in hits] == index.every_hit(query, cut)[:3]
    assert len(index.read) == len(set(index.read)) < 25
