"""What is found in a video, as it is printed: moments, or the best sequence of some events.

Legend: Q queries, E events of a query, F frames of a video, R rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from index.arrays import Floats, Integers
from index.storage.store import Vectors
from infer.searching.exact_search import Cut, Hit, Query
from infer.searching.moments import find_moments
from infer.selection.frame_scores import best_tiles, shown_box
from infer.selection.sequences import best_sequence


class FrameOfVideo(NamedTuple):
    """A frame of the index."""

    content_hash: str
    row: int


def moments_cut(paths: Mapping[str, str], most: int, left_out: FrameOfVideo | None = None) -> Cut:
    """Return what cuts moments out of a video, for queries of one event.

    Args:
        paths: The path under which a video is shown, by content hash.
        most: Maximum number of moments of a video.
        left_out: A frame whose moment is not wanted.
    """

    def cut(video: Vectors, scores: Floats, queries: Sequence[Query]) -> list[list[Hit]]:
        path, time_s = paths[video.content_hash], video.time_s
        here = left_out if left_out and left_out.content_hash == video.content_hash else None
        found = find_moments(scores[:, 0], most + (here is not None))
        hits: list[list[Hit]] = []
        for q, query in enumerate(queries):
            start, end = np.searchsorted(found.query, [q, q + 1])
            own = [column[start:end] for column in found[1:]]
            if here:
                kept = (here.row < own[1]) | (here.row > own[2])
                own = [column[kept][:most] for column in own]
            peaks, firsts, lasts = own
            frames = _shown(video, query[0], peaks, scores[q, 0, peaks])
            starts_s, ends_s = time_s[firsts].tolist(), video.end_s[lasts].tolist()
            scored = scores[q, 0, peaks].tolist()
            columns = zip(starts_s, ends_s, frames, scored, strict=True)
            hits.append(
                [
                    Hit(
                        -score,
                        path,
                        frame["time_s"],
                        {"video": path, "start_s": start_s, "end_s": end_s, **frame},
                    )
                    for start_s, end_s, frame, score in columns
                ]
            )
        return hits

    return cut


def sequences_cut(paths: Mapping[str, str]) -> Cut:
    """Return what finds a video's best frames for events in their order: one hit, its mean score.

    A video of fewer frames than events has none.
    """

    def cut(video: Vectors, scores: Floats, queries: Sequence[Query]) -> list[list[Hit]]:
        _, events, frames = scores.shape
        if frames < events:
            return [[] for _ in queries]
        path, hits = paths[video.content_hash], []
        for query, curves, rows in zip(queries, scores, best_sequence(scores), strict=True):
            scored = curves[np.arange(events), rows]  # (E,)
            score = float(scored.mean(dtype=np.float64))
            shown = [
                _shown(video, event, rows[e : e + 1], scored[e : e + 1])[0]
                for e, event in enumerate(query)
            ]
            record = {"video": path, "score": round(score, 6), "frames": shown}
            hits.append([Hit(-score, path, shown[0]["time_s"], record)])
        return hits

    return cut


def _shown(video: Vectors, event: Floats, rows: Integers, scores: Floats) -> list[dict[str, Any]]:
    """Return time, score and, where a frame has several tiles, best tile of rows (R,)."""
    times_s, rounded = video.time_s[rows].tolist(), scores.astype(np.float64).round(6).tolist()
    frames: list[dict[str, Any]] = [
        {"time_s": time_s, "score": score} for time_s, score in zip(times_s, rounded, strict=True)
    ]
    if len(video.tiles) > 1 and len(rows):
        best = best_tiles([[event]], video.embeddings, rows[None])[0]
        for frame, tile in zip(frames, best.tolist(), strict=True):
            frame["tile"] = shown_box(video.tiles[tile])
    return frames
