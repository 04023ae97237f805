"""An index as questions see it: which of its videos a path means, and which encoder may ask it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from index.catalog import Seen, Video, all_paths, all_videos, open_catalog
from index.encoder import Dtype, Encoder, load_encoder
from index.errors import CueframeError, VideoError
from index.store import Profile
from infer.questions import by_tail, find_video

_NAMED = 5
"""Paths that an error names before it counts the rest."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """The videos of an index, as its catalog had them when it was read."""

    seen: dict[str, Seen]
    """By path."""
    videos: dict[str, Video]
    """By content hash."""
    paths: dict[str, list[str]]
    """By content hash."""
    tails: dict[str, list[str]]
    """`infer.questions.by_tail` of all paths."""


def read_library(index: Path) -> Library:
    """Read the catalog of an index.

    Raises:
        CueframeError: It is missing or damaged.
    """
    with closing(open_catalog(index, must_exist=True)) as catalog:
        try:
            seen, videos = all_paths(catalog), all_videos(catalog)
        except sqlite3.DatabaseError as error:
            raise CueframeError(
                f"{index / 'catalog.sqlite'} cannot be read ({error}); "
                f"python index/check.py {index} --repair makes it anew"
            ) from error
    paths: dict[str, list[str]] = {}
    for path, known in seen.items():
        paths.setdefault(known.content_hash, []).append(path)
    return Library(seen=seen, videos=videos, paths=paths, tails=by_tail(seen))


def find_indexed(library: Library, video_path: str) -> tuple[str, Video]:
    """Find the indexed video with the longest common tail, and the path under which it is known.

    Several paths of one content are one video; the first by name is returned.

    Raises:
        VideoError: There is none, there are several of different content, or it has no vectors.
    """
    paths = find_video(video_path, library.tails)
    if not paths:
        raise VideoError(
            f"{video_path} is not in the index; add it with python index/build.py VIDEOS"
        )
    contents = {library.seen[path].content_hash for path in paths}
    if len(contents) > 1:
        named = ", ".join(paths[:_NAMED])
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        raise VideoError(
            f"{video_path} may mean {len(contents)} different videos: {named}{more}; "
            "give more of the path"
        )
    video = library.videos.get(contents.pop())
    if video is None:
        raise VideoError(f"{paths[0]} has no vectors yet; run index/build.py again")
    if video.status != "indexed":
        raise VideoError(f"{paths[0]} could not be indexed: {video.error}")
    return paths[0], video


def load_asking_encoder(
    index: Path, profile: Profile, *, model: str | None, dtype: Dtype, device: torch.device
) -> Encoder:
    """Load the encoder of the questions: `model`, or the one that built the index.

    Raises:
        CueframeError: It cannot be had, or its vision side is not the one that built the index.
    """
    name = model or profile.model
    encoder, fingerprint = load_encoder(name, dtype=dtype, view=profile.view, device=device)
    refuse_other_vision(index, profile, name, fingerprint)
    return encoder


def refuse_other_vision(index: Path, profile: Profile, name: str, fingerprint: str) -> None:
    """Refuse a model whose vision side did not make the vectors; its text side may differ."""
    if fingerprint != profile.fingerprint:
        raise CueframeError(
            f"the vision side of {name} is not, or no longer, the one that built {index} "
            f"({profile.model}), so a text would not compare with its vectors; name the right "
            "--model, or build anew with python index/build.py --rebuild"
        )


def encode_texts(
    encoder: Encoder, texts: Sequence[str]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """`Encoder.texts`, also of no text: (Q, D) float32 unit vectors, (Q,) which are too long.

    Raises:
        CueframeError: A vector is not finite, as float16 makes it where it overflows.
    """
    if not texts:
        return np.empty((0, encoder.width), np.float32), np.empty(0, np.bool_)
    vectors, too_long = encoder.texts(texts)
    if not np.isfinite(vectors).all():
        raise CueframeError(
            f"{encoder.name} gives text vectors that are not finite in {encoder.dtype}; "
            "choose --dtype float32 or bfloat16"
        )
    return vectors, too_long
