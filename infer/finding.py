"""Search all videos of an index for a text."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from accelerate import PartialState

from index.arrays import Floats, Integers
from index.boundary import costs_one
from index.errors import CueframeError, DamagedError
from index.messages import json_line, name_some, say
from index.models.long_texts import LongText
from index.models.model_loading import Dtype
from index.storage.faiss_index import held_ids, open_search, split_ids
from index.storage.store import Profile, read_own_vectors, read_profile
from infer.query_encoder import encode_texts, load_query_encoder
from infer.selection.frame_scores import best_tiles, shown_box, text_scores
from infer.videos.indexed_videos import IndexedVideos, read_indexed_videos

_SAME_SCORE = 1e-4
"""FAISS multiplies in float32; of another frame or video the score is off by more."""


class Hit(NamedTuple):
    """A frame that was found."""

    content_hash: str
    row: int
    time_s: float
    score: float
    """Cosine of text and frame."""
    tile: list[float] | None
    """Where in the frame, as in answers; None where a frame has one tile."""


class Found(NamedTuple):
    """What a search found."""

    hits: list[Hit]
    """Best first; fewer than asked for where the index has fewer frames."""
    failed: list[str]
    """Videos whose frames could not be searched, and why."""


def find_frames(
    text: str,
    index: Path,
    *,
    top: int = 10,
    long_text: LongText = "windows",
    model: str | None = None,
    dtype: Dtype = "auto",
) -> int:
    """Print the frames that fit a text best, one JSON line each; returns the exit code.

    Arguments are the flags of infer/find.py.

    Raises:
        CueframeError: As `nearest`, or the model cannot be used or did not build the index.
    """
    profile = read_profile(index)
    indexed = read_indexed_videos(index)
    device = PartialState().device
    encoder = load_query_encoder(index, profile, model=model, dtype=dtype, device=device)
    (vectors,), too_long = encode_texts(encoder, [text], long_text)  # (w, D), (1,)
    if too_long[0]:
        say(
            f"the text is longer than the {encoder.max_tokens} tokens that the model reads; it is "
            "read in windows"
            if long_text == "windows"
            else f"warning: the model reads {encoder.max_tokens} tokens and did not see the end of "
            "the text, which is longer"
        )
    found = nearest(index, profile, indexed, vectors, top)
    for hit in found.hits:
        line = {
            "video": indexed.paths[hit.content_hash][0],
            "time_s": hit.time_s,
            "score": round(hit.score, 6),
        }
        print(json_line(line if hit.tile is None else line | {"tile": hit.tile}))
    for reason in found.failed:
        say(f"failed: {reason}")
    return 1 if found.failed else 0


def nearest(
    index: Path,
    profile: Profile,
    indexed: IndexedVideos,
    vectors: npt.NDArray[np.float32],
    top: int,
) -> Found:
    """Search frames.faiss for one text, and score the hits again from the videos' own vectors.

    Args:
        index: Folder of the index.
        profile: Its profile.
        indexed: Its videos; frames of other videos are skipped.
        vectors: (w, D) vectors of the text's windows, of which the best counts.
        top: Maximum number of hits.

    Raises:
        CueframeError: frames.faiss is missing, damaged, empty or of another width.
    """
    search, videos = open_search(index)
    if search.ntotal == 0 or search.d != vectors.shape[1]:
        raise CueframeError(
            f"{index} holds no frames of width {vectors.shape[1]} to search; "
            "run index/build.py again"
        )
    known = {
        video.number: content
        for content, video in indexed.videos.items()
        if video.status == "indexed" and content in indexed.paths
    }
    lacking = [content for content in indexed.paths if content not in indexed.videos]
    lacking += [content for number, content in known.items() if videos.get(number) != content]
    known = {number: content for number, content in known.items() if videos.get(number) == content}
    # Search for as many more hits as may be skipped: of other videos, other tiles of a frame.
    held = split_ids(held_ids(search))
    passed = int(np.isin(held.number, list(known), invert=True).sum())
    wanted = top * (1 + int(held.tile.max())) + passed
    of_each, ids_of_each = search.search(vectors, min(search.ntotal, wanted))  # (w, hits)
    scores, ids = _best(of_each, ids_of_each)
    found = split_ids(ids)
    best: dict[tuple[int, int], float] = {}
    rows = zip(found.number.tolist(), found.row.tolist(), scores.tolist(), strict=True)
    for number, row, score in rows:
        if number in known:
            best.setdefault((number, row), score)  # of its best tile, which comes first
    hits: dict[str, dict[int, float]] = {}
    for (number, row), score in list(best.items())[:top]:
        hits.setdefault(known[number], {})[row] = score
    result = Found([], [])
    numbers = {v.number for content, v in indexed.videos.items() if content in indexed.paths}
    if unknown := videos.keys() - numbers:
        result.failed.append(
            f"frames.faiss has frames of {len(unknown)} videos that the catalog does not know; "
            f"python index/check.py {index} --repair mends that"
        )
    if lacking:
        names = name_some([indexed.paths[content][0] for content in lacking])
        result.failed.append(
            f"{names}: not searched, since frames.faiss lacks their frames; "
            "run index/build.py again"
        )
    lost: dict[str, str] = {}
    for content, of_video in hits.items():
        with costs_one(lost, content, CueframeError):
            result.hits.extend(_scored_again(index, profile, content, vectors, of_video))
    result.failed.extend(lost.values())
    result.hits.sort(key=lambda hit: -hit.score)
    return result


def _best(scores: Floats, ids: Integers) -> tuple[Floats, Integers]:
    """Return the frames that any window found, each once with its best score, the best first.

    Args:
        scores: (w, hits) scores that were found by each window.
        ids: (w, hits) their frames.
    """
    order = np.argsort(-scores.ravel(), kind="stable")
    _, first = np.unique(ids.ravel()[order], return_index=True)
    kept = order[np.sort(first)]
    return scores.ravel()[kept], ids.ravel()[kept]


def _scored_again(
    index: Path,
    profile: Profile,
    content_hash: str,
    vectors: npt.NDArray[np.float32],
    found: dict[int, float],
) -> list[Hit]:
    """Score the rows that were found of a video from its vector file; `found` is row to score.

    Raises:
        CueframeError: The file cannot be used, or is not the one whose vectors were searched.
    """
    own = read_own_vectors(index, profile, content_hash)
    if max(found) < len(own.time_s):
        rows = np.array(list(found))
        frames = own.embeddings[rows].astype(np.float32)  # (hits, T, D)
        scores = text_scores([vectors], frames)[0]
        tiles: list[list[float] | None] = [None] * len(rows)
        if len(own.tiles) > 1:
            best = best_tiles([[vectors]], frames, np.arange(len(rows))[None])[0]
            tiles = [shown_box(own.tiles[tile]) for tile in best.tolist()]
        if np.allclose(scores, list(found.values()), rtol=0, atol=_SAME_SCORE):
            columns = (rows.tolist(), own.time_s[rows].tolist(), scores.tolist(), tiles)
            return [Hit(content_hash, *hit) for hit in zip(*columns, strict=True)]
    raise DamagedError(
        f"frames.faiss has other vectors of {own.path_hint} than its file; python index/check.py "
        f"{index} --repair mends that"
    )
