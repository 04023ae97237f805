"""Generated videos for those who pick: times, durations, score curves and vectors of every kind."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from index.models.tiling import tile_boxes
from index.spans import Timeline, until_next
from infer.selection.strategies import ScoredVideo, Seeds

Array = npt.NDArray[Any]
Video = tuple[Array, Array, float, int]

DURATIONS_S: dict[str, Callable[[float], float]] = {
    "fits": lambda last_s: last_s * 1.01 + 0.1,
    "ends with the last frame": lambda last_s: last_s,
    "too short": lambda last_s: last_s / 3,
    "tiny": lambda last_s: 5e-324,
    "far too long": lambda last_s: last_s * 40 + 100,
    "zero": lambda last_s: 0.0,
    "negative": lambda last_s: -1.0,
    "endless": lambda last_s: math.inf,
}
Draw = Callable[[np.random.Generator, tuple[int, int]], Array]
CURVES: dict[str, Draw] = {
    "flat": lambda rng, shape: np.full(shape, rng.choice([-1.0, 0.0, 0.25, 1.0])),
    "two levels": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "few levels": lambda rng, shape: rng.integers(0, 5, shape) / 2 - 1,
    "many levels": lambda rng, shape: rng.integers(0, 1000, shape) / 500 - 1,
    "a narrow band": lambda rng, shape: 0.2 + 0.02 * rng.standard_normal(shape),
    "a peak": lambda rng, shape: np.exp(
        -((np.arange(shape[1]) - rng.uniform(0, shape[1], (shape[0], 1))) ** 2) / rng.uniform(1, 50)
    ),
    "one frame": lambda rng, shape: (
        (np.arange(shape[1]) == rng.integers(shape[1])) * np.ones(shape)
    ),
}
VECTORS: dict[str, Draw] = {
    "random": lambda rng, shape: rng.standard_normal(shape),
    "equal": lambda rng, shape: np.tile(rng.standard_normal(shape[1]), (shape[0], 1)),
    "zero": lambda rng, shape: np.zeros(shape),
    "shots": lambda rng, shape: rng.standard_normal((5, shape[1]))[
        np.sort(rng.integers(0, 5, shape[0]))
    ],
    "drifting": lambda rng, shape: np.cumsum(rng.standard_normal(shape), axis=0),
}


@st.composite
def videos(draw: st.DrawFn) -> Video:
    """Draw scores (Q, F), time_s (F,), duration_s, k: ties, flat scores, gaps, odd durations."""
    frames = draw(st.one_of(st.integers(1, 12), st.integers(1, 500)))
    k = draw(st.integers(1, 32))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = CURVES[draw(st.sampled_from(sorted(CURVES)))](rng, (draw(st.integers(1, 4)), frames))
    grid_s = draw(st.sampled_from([0.5, 0.1, 1 / 3, 1001 / 30000]))
    kind = draw(st.sampled_from(["grid", "uneven", "gaps"]))
    if kind == "grid":
        time_s = np.arange(frames) * grid_s
    else:
        steps_s = rng.random(frames) + 1e-3
        if kind == "gaps":
            steps_s[rng.random(frames) < 0.1] *= 50
        time_s = np.cumsum(steps_s) - steps_s[0]
    duration_s = DURATIONS_S[draw(st.sampled_from(sorted(DURATIONS_S)))](float(time_s[-1]))
    if kind == "grid" and draw(st.booleans()):
        duration_s = frames * grid_s  # frames on the borders of the segments
    return scores.astype(np.float32), time_s, duration_s, k


@st.composite
def looks(draw: st.DrawFn) -> tuple[ScoredVideo, int]:
    """Draw all that a strategy may look at, with vectors of unit length or zero, and k.

    Frames have one to three tiles.
    """
    scores, time_s, duration_s, k = draw(videos())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (len(time_s), draw(st.sampled_from([1, 2, 16])))
    tiles = draw(st.integers(1, 3))
    kinds = [draw(st.sampled_from(sorted(VECTORS))) for _ in range(tiles)]
    vectors = np.stack([VECTORS[kind](rng, shape) for kind in kinds], axis=1)  # (F, T, D)
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    timeline = Timeline(time_s, until_next(time_s, duration_s), duration_s)
    boxes = tile_boxes(16 * (tiles + 1), 32, tiles)
    return ScoredVideo(scores, *timeline, unit, seeds(len(scores)), tiles=boxes), k


def seeds(n: int, first: int = 0) -> Seeds:
    return np.arange(first, first + n, dtype=np.uint64)


def moments(time_s: npt.ArrayLike, duration_s: float) -> Timeline:
    """Frames whose ends nobody knows."""
    times_s = np.asarray(time_s, np.float64)
    return Timeline(times_s, times_s, duration_s)
