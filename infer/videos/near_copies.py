"""Find videos that show a part of another, among many, by the vectors of their frames.

The moments of each video (`infer.videos.copy_alignment`) are searched among the frames of all
others with FAISS; videos that have frames like several of them are then compared at every shift.

For V videos of F seconds that is 12·V searches among V·F frames. From `_MANY` frames on they are
searched by inverted lists, which read a fiftieth of them.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

from index.arrays import Integers
from index.progress import bar
from infer.videos.copy_alignment import Course, Moments, copy_in, moments_of

_EVERY = 2
"""Places of the grid between two frames that are searched."""
_MANY = 20_000
_PROBED = 0.02
"""Share of the inverted lists that are read, and never fewer than `_LEAST_PROBED`."""
_LEAST_PROBED = 8
_NEIGHBOURS = 64
_CANDIDATES = 8
"""Most videos that one video is compared with at every shift."""
_FEWEST_FOUND = 2
"""Moments that must have a neighbour in a video for it to be one of them."""
_KEPT = 256
"""Videos whose vectors are kept in memory for the comparison."""


class NearCopy(NamedTuple):
    """A video that shows a part of another, or all of it."""

    part: str
    whole: str
    shift_s: float
    """Seconds after the whole's first frame at which the part's first frame is shown."""
    score: float
    """From 0.6 up; 1 if the vectors are equal (`infer.videos.copy_alignment.Alignment`)."""


def near_copies(
    videos: Sequence[str],
    read: Callable[[str], Course],
    others: Sequence[str] | None = None,
) -> list[NearCopy]:
    """Find near copies among videos, or between them and others.

    Args:
        videos: Their names.
        read: Returns the vectors of a video by its name, of all at the same distances in time.
        others: Names of the others; None compares the videos with each other.

    Returns:
        Each pair once, the shorter video as the part, by names. A video in which too little
        changes, or of less than eight seconds, is in none.
    """
    kept = functools.lru_cache(_KEPT)(read)
    if others is None:
        found = _parts_of(videos, videos, kept)
    else:
        found = [*_parts_of(videos, others, kept), *_parts_of(others, videos, kept)]
    best: dict[frozenset[str], NearCopy] = {}
    for one in sorted(found, key=lambda pair: -pair.score):
        best.setdefault(frozenset((one.part, one.whole)), one)
    return sorted(
        one
        if len(kept(one.part)) <= len(kept(one.whole))
        else NearCopy(one.whole, one.part, -one.shift_s, one.score)
        for one in best.values()
    )


def grouped(videos: Sequence[str], pairs: Sequence[NearCopy]) -> dict[str, str]:
    """Return for each video the first, by name, of those that it is linked to by near copies."""
    first = {name: name for name in videos}
    for pair in pairs:
        one, other = sorted((first[pair.part], first[pair.whole]))
        if one != other:
            first = {name: one if own == other else own for name, own in first.items()}
    return first


def _parts_of(
    parts: Sequence[str], wholes: Sequence[str], read: Callable[[str], Course]
) -> list[NearCopy]:
    """Find the parts that show a part of one of the wholes."""
    if not parts or not wholes:
        return []
    frames, ends = _frames_of(wholes, read)
    if not len(frames):
        return []
    searched = _index_of(frames)
    found = []
    for part in bar(parts, "video", len(parts)):
        moments = moments_of(read(part))
        if moments is None:
            continue
        for number in _candidates(part, moments, wholes, searched, ends):
            alignment = copy_in(read(part), moments, read(wholes[number]))
            if alignment is not None:
                found.append(NearCopy(part, wholes[number], *alignment))
    return found


def _frames_of(
    wholes: Sequence[str], read: Callable[[str], Course]
) -> tuple[npt.NDArray[np.float16], Integers]:
    """Return the frames of all, (N, D), and where those of each end, (V,)."""
    each = [read(name)[::_EVERY].astype(np.float16) for name in wholes]
    return np.concatenate(each), np.cumsum([len(own) for own in each])


def _index_of(frames: npt.NDArray[np.float16]) -> Any:
    """Return a FAISS index of frames (N, D) by squared distance."""
    lists = int(len(frames) ** 0.5)
    kind = "SQfp16" if len(frames) < _MANY else f"IVF{lists},SQfp16"
    index: Any = faiss.index_factory(frames.shape[1], kind, faiss.METRIC_L2)
    if not index.is_trained:
        sample = frames[np.random.default_rng(0).permutation(len(frames))[: 64 * lists]]
        index.train(sample.astype(np.float32))
        index.nprobe = max(_LEAST_PROBED, round(_PROBED * lists))
    for start in range(0, len(frames), 1 << 16):
        index.add(frames[start : start + (1 << 16)].astype(np.float32))
    return index


def _candidates(
    part: str, moments: Moments, wholes: Sequence[str], searched: Any, ends: Integers
) -> list[int]:
    """Return the numbers of the wholes that have frames like several moments of the part."""
    wanted: dict[str, Any] = {}
    if part in wholes:
        own = wholes.index(part)
        first = int(ends[own - 1]) if own else 0
        without = faiss.IDSelectorNot(faiss.IDSelectorRange(first, int(ends[own])))
        of: Any = faiss  # its types do not know what parameters a search has
        wanted["params"] = (
            of.SearchParametersIVF(sel=without, nprobe=searched.nprobe)
            if isinstance(searched, faiss.IndexIVF)
            else of.SearchParameters(sel=without)
        )
    most = min(_NEIGHBOURS, searched.ntotal)
    away, rows = searched.search(moments.vectors, most, **wanted)  # (K, most)
    away[rows < 0] = 4  # where FAISS has no more: as far as can be
    found = moments.kept(away) * moments.weights[:, None]
    numbers = np.searchsorted(ends, rows, side="right")
    scores = np.zeros((len(wholes), len(rows)))
    np.maximum.at(scores, (numbers[rows >= 0], np.nonzero(rows >= 0)[0]), found[rows >= 0])
    several = np.flatnonzero((scores > 0).sum(axis=1) >= _FEWEST_FOUND)
    order = np.argsort(-scores[several].sum(axis=1), kind="stable")
    best: list[int] = several[order][:_CANDIDATES].tolist()
    return best
