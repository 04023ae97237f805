"""Find the frames of all videos of an index that fit a text best. The search is exact.

Usage: python infer/find.py "a red car on a bridge" --index video_index --top 10

Each hit is one JSON line on stdout, the best first.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import tyro

from index.cli import positive, run
from index.errors import CueframeError
from infer.asking import AskingModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from infer.indexed import Library


@dataclass(kw_only=True, slots=True)
class FindConfig:
    """Flags of infer/find.py."""

    text: tyro.conf.Positional[str]
    """What the frames shall show."""
    index: Path = Path("video_index")
    """Folder of the index."""
    top: int = 10
    """Frames to find."""
    model: AskingModel = None
    """Dual encoder, a folder or a name on the hub; its vision side must be the index's."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the encoder. auto: float16 on a GPU, float32 on a CPU."""


class Hit(NamedTuple):
    """A frame that was found."""

    content_hash: str
    row: int
    score: float
    """Cosine of text and frame."""


def find(config: FindConfig) -> int:
    """Print the best frames; returns the exit code."""
    positive("--top", config.top)
    text = " ".join(config.text.split())
    if not text:
        raise CueframeError("TEXT is blank; say what the frames shall show")

    from accelerate import PartialState

    from index.store import read_profile, read_vectors
    from infer.indexed import encode_texts, load_asking_encoder, read_library

    index = config.index
    profile = read_profile(index)
    library = read_library(index)
    device = PartialState().device
    encoder = load_asking_encoder(
        index, profile, model=config.model, dtype=config.dtype, device=device
    )
    vectors, too_long = encode_texts(encoder, [text])  # (1, D), (1,)
    if too_long[0]:
        print(
            f"warning: the model reads {encoder.max_tokens} tokens and did not see the end of the "
            "text, which is longer",
            file=sys.stderr,
        )
    hits = nearest(index, library, vectors, config.top)
    times_s: dict[str, npt.NDArray[np.float64]] = {}
    damaged: dict[str, str] = {}
    for content in dict.fromkeys(hit.content_hash for hit in hits):
        try:
            times_s[content] = read_vectors(index, content).time_s
        except CueframeError as error:
            damaged[content] = str(error)
    for hit in hits:
        if hit.content_hash in times_s:
            line = {
                "video": library.paths[hit.content_hash][0],
                "time_s": float(times_s[hit.content_hash][hit.row]),
                "score": round(hit.score, 6),
            }
            print(json.dumps(line, ensure_ascii=False))
    for reason in damaged.values():
        print(f"failed: {reason}", file=sys.stderr)
    return 1 if damaged else 0


def nearest(
    index: Path, library: "Library", vectors: "npt.NDArray[np.float32]", top: int
) -> list[Hit]:
    """Search frames.faiss for one text.

    Args:
        index: Folder of the index.
        library: Its catalog; frames of videos that are not in it are passed over.
        vectors: (1, D) of the text.
        top: How many hits at most.

    Returns:
        Hits, best first; fewer than `top` where the index has fewer frames.

    Raises:
        CueframeError: frames.faiss is missing, damaged, empty or of another width.
    """
    import numpy as np

    from index.search import held_ids, open_search, split_ids

    search = open_search(index)
    if search.ntotal == 0 or search.d != vectors.shape[1]:
        raise CueframeError(
            f"{index} holds no frames of width {vectors.shape[1]} to search; "
            "run index/build.py again"
        )
    known = {
        video.number: content
        for content, video in library.videos.items()
        if video.status == "indexed" and content in library.paths
    }
    # As many hits more as could be passed over.
    passed = int(np.isin(split_ids(held_ids(search))[0], list(known), invert=True).sum())
    scores, ids = search.search(vectors, min(search.ntotal, top + passed))  # (1, hits)
    numbers, rows = split_ids(ids[0])
    return [
        Hit(known[number], row, score)
        for number, row, score in zip(
            numbers.tolist(), rows.tolist(), scores[0].tolist(), strict=True
        )
        if number in known
    ][:top]


if __name__ == "__main__":
    run(find, FindConfig, __doc__)
