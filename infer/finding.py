"""Search all videos of an index for a text."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from accelerate import PartialState

from index.arrays import Floats
from index.errors import CueframeError
from index.model_loading import Dtype
from index.storage.faiss_index import held_ids, open_search, split_ids
from index.storage.store import read_profile, read_timeline
from infer.query_encoder import encode_texts, load_query_encoder
from infer.videos.indexed_videos import IndexedVideos, read_indexed_videos


class Hit(NamedTuple):
    """A frame that was found."""

    content_hash: str
    row: int
    score: float
    """Cosine of text and frame."""


def find_frames(
    text: str, index: Path, *, top: int = 10, model: str | None = None, dtype: Dtype = "auto"
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
    vectors, too_long = encode_texts(encoder, [text])  # (1, D), (1,)
    if too_long[0]:
        print(
            f"warning: the model reads {encoder.max_tokens} tokens and did not see the end of the "
            "text, which is longer",
            file=sys.stderr,
        )
    hits = nearest(index, indexed, vectors, top)
    times_s: dict[str, Floats] = {}
    damaged: dict[str, str] = {}
    for content in dict.fromkeys(hit.content_hash for hit in hits):
        try:
            times_s[content] = read_timeline(index, content).time_s
        except CueframeError as error:
            damaged[content] = str(error)
    for hit in hits:
        if hit.content_hash in times_s:
            line = {
                "video": indexed.paths[hit.content_hash][0],
                "time_s": float(times_s[hit.content_hash][hit.row]),
                "score": round(hit.score, 6),
            }
            print(json.dumps(line, ensure_ascii=False))
    for reason in damaged.values():
        print(f"failed: {reason}", file=sys.stderr)
    return 1 if damaged else 0


def nearest(
    index: Path, indexed: IndexedVideos, vectors: npt.NDArray[np.float32], top: int
) -> list[Hit]:
    """Search frames.faiss for one text.

    Args:
        index: Folder of the index.
        indexed: Its videos; frames of other videos are skipped.
        vectors: (1, D) vector of the text.
        top: Maximum number of hits.

    Returns:
        Hits, best first; fewer than `top` where the index has fewer frames.

    Raises:
        CueframeError: frames.faiss is missing, damaged, empty or of another width.
    """
    search = open_search(index)
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
    # Search for as many more hits as may be skipped.
    passed = int(np.isin(split_ids(held_ids(search)).number, list(known), invert=True).sum())
    scores, ids = search.search(vectors, min(search.ntotal, top + passed))  # (1, hits)
    found = split_ids(ids[0])
    return [
        Hit(known[number], row, score)
        for number, row, score in zip(
            found.number.tolist(), found.row.tolist(), scores[0].tolist(), strict=True
        )
        if number in known
    ][:top]
