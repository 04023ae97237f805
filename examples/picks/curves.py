"""How well each frame fits each question of a side, by one encoder: all that rules pick from.

Legend: Q questions of one video, F its frames.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from accelerate import PartialState

from index.arrays import Floats
from index.errors import CueframeError
from index.models.encoder import Encoder
from index.storage.store import read_profile
from infer.metrics import TimedQuestion
from infer.queries import group_by_video, make_queries, on_timelines
from infer.query_encoder import encode_each, load_query_encoder
from infer.question_texts import ChoiceTexts, caption_setting
from infer.questions import Question
from infer.selection.frame_scores import Join, scored_blocks
from infer.selection.rules import Rule, load_rule
from infer.selection.strategies import ScoredVideo, Seeds, question_seed
from infer.videos.indexed_videos import read_indexed_videos

JOINS: dict[ChoiceTexts, tuple[Join, ...]] = {"joined": ("max",), "each": ("max", "mean")}
"""What the scores of a question may be made of: its text, or those of its choices, joined."""
NOISE_S = 1.0
"""Time in seconds in which the noise of a frame and that of a later one fall to e⁻¹ alike."""


class Curves(NamedTuple):
    """The questions of a side with their scores."""

    timed: list[TimedQuestion]
    scored: dict[tuple[ChoiceTexts, Join], list[tuple[Sequence[int], ScoredVideo]]]
    """By what they are made of: the numbers of some questions, and their video with scores."""
    fps: float
    """Frames per second of the index."""

    @property
    def videos(self) -> list[str]:
        """Each question's video, which the bootstrap draws."""
        return [one.video for one in self.timed]


def encoder_of(index: Path, model: str | None = None) -> Encoder:
    """Load the encoder that built an index, or another one whose texts can ask it.

    Raises:
        CueframeError: It cannot be loaded, or its texts cannot ask the index.
    """
    device = PartialState().device
    return load_query_encoder(index, read_profile(index), model=model, dtype="auto", device=device)


def read_curves(
    index: Path,
    questions: Sequence[Question],
    encoder: Encoder,
    made_of: Mapping[ChoiceTexts, tuple[Join, ...]] = JOINS,
) -> Curves:
    """Score the questions by an encoder that belongs to an index.

    Raises:
        CueframeError: One of the questions cannot be asked of the index.
    """
    profile = read_profile(index)
    indexed = read_indexed_videos(index)
    scored = {}
    for choices, joins in made_of.items():
        setting = caption_setting(None, choices)
        queries, failed = make_queries(questions, indexed, setting, choices)
        queries, timed, without = on_timelines(index, profile, queries)
        if lost := [*failed.values(), *without.values()]:
            raise CueframeError(
                f"{len(lost)} questions cannot be asked of {index}, the first {lost[0]['id']}: "
                f"{lost[0]['error']}"
            )
        asked = [tuple(query.texts) for query in queries]
        distinct = list(dict.fromkeys(asked))  # many scenes are asked the same
        vectors, _ = encode_each(encoder, distinct, "windows")
        known = dict(zip(distinct, vectors, strict=True))
        texts = [known[one] for one in asked]
        groups = group_by_video(queries)
        for join in joins:
            blocks = scored_blocks(index, profile, groups, texts, join)
            scored[choices, join] = list(blocks)
    return Curves(timed, scored, profile.fps)


def with_noise(curves: Curves, amplitude: float, seed: int) -> Curves:
    """Add noise to the scores, as an encoder's errors would if they lasted for `NOISE_S`.

    Args:
        curves: The scores.
        amplitude: Standard deviation of the noise, relative to that of a question's scores.
        seed: A question has the same noise for the same seed, whatever its scores are made of.
    """

    def noisy(numbers: Sequence[int], video: ScoredVideo) -> tuple[Sequence[int], ScoredVideo]:
        ids = [curves.timed[n].question.id for n in numbers]
        seeds = np.array([question_seed(seed, one) for one in ids], np.uint64)
        spread = amplitude * video.scores.std(axis=1, keepdims=True)
        scores = video.scores + spread * ornstein_uhlenbeck(video.time_s, seeds)
        return numbers, video._replace(scores=scores.astype(np.float32))

    return curves._replace(
        scored={made: [noisy(*block) for block in blocks] for made, blocks in curves.scored.items()}
    )


def ornstein_uhlenbeck(time_s: Floats, seeds: Seeds) -> npt.NDArray[np.float64]:
    """Draw (Q, F) an Ornstein–Uhlenbeck process at times (F,) for each seed, of variance 1.

    The correlation of two times is exp(−|t − u| / `NOISE_S`).
    """
    fresh = np.array([np.random.default_rng(seed).standard_normal(len(time_s)) for seed in seeds])
    kept = np.exp(-np.diff(time_s) / NOISE_S)
    for row, share in enumerate(kept, 1):
        fresh[:, row] = share * fresh[:, row - 1] + np.sqrt(1 - share**2) * fresh[:, row]
    return fresh


def picks_of(curves: Curves, rule: Rule, k: int) -> list[Floats]:
    """Return the times in seconds of each question's picks by a rule."""
    choose = load_rule(rule)
    times_s: list[Floats] = [np.empty(0)] * len(curves.timed)
    for numbers, video in curves.scored[rule.choices, rule.join]:
        for n, rows in zip(numbers, choose(video, k), strict=True):
            times_s[n] = video.time_s[rows]
    return times_s
