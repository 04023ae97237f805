"""Hits of the default picking rule by question, and what they are of those in English.

Legend: N questions, E encoders.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from examples.picks.choosing import figures_of
from examples.picks.curves import Curves, encoder_of, picks_of, read_curves
from index.arrays import Floats
from infer.evaluation.bootstrap import estimates, resample
from infer.evaluation.score_table import uniform_picks
from infer.metrics import TimedQuestion
from infer.question_files.loading import read_questions
from infer.question_texts import ChoiceTexts
from infer.selection.frame_scores import Join
from infer.selection.rules import Rule

FRAMES = 4
MADE_OF: Mapping[ChoiceTexts, tuple[Join, ...]] = {"joined": ("max",)}
Hits = Floats
"""(E, N) 1 where one of a question's picks shows its evidence, else 0."""


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def ask(index: Path, files: Mapping[str, Path], model: str | None = None) -> dict[str, Curves]:
    """Score the questions of some files by an index's own encoder, or by another model's texts."""
    encoder = encoder_of(index, model)
    return {
        name: read_curves(index, read_questions(str(file)).records, encoder, MADE_OF)
        for name, file in files.items()
    }


def ask_mixed_up(index: Path, file: Path, seed: int) -> Curves:
    """Score each question by the text of another one: what no reading of it at all is worth.

    The encoder still finds the frames that show something, so this hits more often than frames that
    are spread evenly.
    """
    records = read_questions(str(file)).records
    texts = [one.question for one in records]
    random.Random(seed).shuffle(texts)  # noqa: S311  (no secret)
    mixed = [
        one.model_copy(update={"question": text}) for one, text in zip(records, texts, strict=True)
    ]
    return read_curves(index, mixed, encoder_of(index), MADE_OF)


def hits(curves: Curves) -> Floats:
    """Return (N,) the hits of the default rule's picks."""
    return hits_of(curves.timed, picks_of(curves, Rule(), FRAMES))


def uniform_hits(timed: Sequence[TimedQuestion]) -> Floats:
    """Return (N,) the hits of frames that are spread evenly."""
    return hits_of(timed, uniform_picks(timed, FRAMES))


def hits_of(timed: Sequence[TimedQuestion], picks: Sequence[Floats]) -> Floats:
    """Return (N,) the hits of picks, which are times in seconds."""
    return figures_of(timed, picks, FRAMES, ("hit",), {})[:, 0]


def mean_hit(own: Hits, videos: Sequence[str], seed: int) -> Interval:
    """Return the mean over encoders and questions; the interval is over the N questions' videos."""
    (found,) = estimates(own.mean(axis=0)[:, None], videos, seed)
    return Interval(found.mean, found.low, found.high)


def ratio(own: Hits, whole: Hits, videos: Sequence[str], seed: int) -> Interval:
    """Return which share the mean of `own` is of that of `whole`, both of the same questions."""
    both = np.stack([own.mean(axis=0), whole.mean(axis=0)], axis=1)
    draws = resample(videos, seed)
    sums = draws.times @ draws.of_videos(both)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5))
    share = both.sum(axis=0)
    return Interval(float(share[0] / share[1]), float(low), float(high))


def same_scores(one: Curves, other: Curves) -> bool:
    """Tell whether all frames of all questions have the same scores, to the bit."""
    pairs = zip(one.scored["joined", "max"], other.scored["joined", "max"], strict=True)
    return all(
        list(numbers) == list(others) and np.array_equal(video.scores, again.scores)
        for (numbers, video), (others, again) in pairs
    )
