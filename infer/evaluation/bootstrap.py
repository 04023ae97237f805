"""Means over questions with their 95 % intervals, by a percentile bootstrap over *videos*.

2,000 resamples draw whole videos: questions about one video are correlated, so resampling questions
would give intervals that are too narrow.

Legend: N questions, V videos, M figures, R resamples.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index.arrays import Floats

RESAMPLES = 2_000


class Estimate(NamedTuple):
    """A mean over questions and its 95 % interval."""

    mean: float
    low: float
    """NaN, like `high`, if a single video gives no interval."""
    high: float
    questions: int
    """Number of questions that have the label."""


class Average(NamedTuple):
    """A mean of figures: `back` of the arithmetic mean of `into` of each."""

    into: Callable[[Floats], Floats]
    back: Callable[[float], float]


def _itself(figures: Floats) -> Floats:
    return figures


ARITHMETIC = Average(_itself, float)


def geometric(least: float) -> Average:
    """Return the geometric mean of figures, each of them raised to `least` if it is lower."""
    return Average(lambda figures: np.log(np.maximum(figures, least)), math.exp)


class Resamples(NamedTuple):
    """The bootstrap's draws; the same for all tables of the same questions and seed."""

    video: npt.NDArray[np.int64]
    """(N,) number of each question's video, from 0 to V-1."""
    times: npt.NDArray[np.float64]
    """(R, V) how often each video was drawn."""

    def of_videos(self, table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return (V, M) the sums of a table (N, M) over each video's questions."""
        sums = np.zeros((self.times.shape[1], table.shape[1]))
        np.add.at(sums, self.video, table)
        return sums


def resample(videos: Sequence[str], seed: int) -> Resamples:
    """Draw whole videos with replacement; `videos` (N,) has each question's video."""
    names, video = np.unique(np.array(videos, np.str_), return_inverse=True)
    return Resamples(video, _draws(len(names), seed))


@functools.lru_cache(maxsize=1)  # many tables in a row have the same videos
def _draws(videos: int, seed: int) -> npt.NDArray[np.float64]:
    """Return (R, V) how often each video is drawn, in V draws with equal chances."""
    even = np.full(videos, 1 / videos)
    draws = np.random.default_rng(seed).multinomial(videos, even, RESAMPLES).astype(np.float64)
    draws.setflags(write=False)
    return draws


def interval(drawn: Floats, counts: Floats, draws: Resamples) -> tuple[float, float]:
    """Return the 95 % interval of a resampled figure; NaN if fewer than two videos count.

    Args:
        drawn: (R,) the figure in each resample.
        counts: (V,) number of each video's questions that have the label.
        draws: From `resample`.
    """
    if np.count_nonzero(counts) < 2:
        return float("nan"), float("nan")
    low, high = np.percentile(drawn[draws.times @ counts > 0], [2.5, 97.5]).tolist()
    return low, high


def estimates(
    table: npt.NDArray[np.float64],
    videos: Sequence[str],
    seed: int,
    averages: Sequence[Average] | None = None,
) -> list[Estimate]:
    """Return each column's mean over the rows that are not NaN, and its interval.

    Args:
        table: (N, M) a row for each question.
        videos: (N,) each question's video; the bootstrap draws whole videos.
        seed: Seed of the bootstrap; the same for all tables that are compared.
        averages: (M,) how each column is averaged; None: by its arithmetic mean.
    """
    averages = averages or [ARITHMETIC] * table.shape[1]
    table = np.stack(
        [one.into(column) for one, column in zip(averages, table.T, strict=True)], axis=1
    )
    draws = resample(videos, seed)
    known = ~np.isnan(table)
    sums = draws.of_videos(np.where(known, table, 0.0))  # (V, M)
    counts = draws.of_videos(known.astype(np.float64))
    found = []
    for column, average in enumerate(averages):
        many = draws.times @ counts[:, column]  # (R,)
        drawn = draws.times @ sums[:, column] / np.where(many > 0, many, 1.0)
        total = int(counts[:, column].sum())
        mean = float(sums[:, column].sum()) / total if total else float("nan")
        low, high = interval(drawn, counts[:, column], draws)
        mean, low, high = map(average.back, (mean, low, high))
        found.append(Estimate(mean, low, high, total))
    return found
