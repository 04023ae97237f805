"""What a model's picks hit, of the frames of some videos that are decoded once for all models.

Legend: N questions, F frames of a video, T tiles of a frame, M figures.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from accelerate import PartialState

from examples.picks.choosing import figures_of
from examples.picks.processes import cores, in_processes
from index.arrays import Floats
from index.decoding.sampler import DEFAULT_FPS, FrameSampler
from index.models.encoder import Encoder, load_encoder
from index.models.preprocess import ImageTransform
from infer.evaluation.score_table import uniform_picks
from infer.metrics import TimedQuestion
from infer.question_files.loading import read_questions
from infer.questions import Question
from infer.selection.rules import Rule, load_rule
from infer.selection.strategies import ScoredVideo, question_seed

FRAMES = 4
FIGURES = ("hit", "all@0.5")


class Sampled(NamedTuple):
    """The sampled frames of a video."""

    name: str
    time_s: Floats
    end_s: Floats
    duration_s: float
    squares: npt.NDArray[np.uint8]
    """(F, T, H, W, 3) as the model sees them."""


class Side(NamedTuple):
    """Questions in several wordings about the same videos."""

    videos: Mapping[str, Sampled]
    """By the name of the file."""
    asked: Mapping[str, Sequence[Question]]
    """By wording, (N,) the same questions."""


def read_side(folder: Path, wordings: Sequence[str], transform: ImageTransform) -> Side:
    """Decode the videos of a side and read its questions."""
    paths = sorted((folder / "videos").glob("*.mp4"))
    sampled = in_processes(
        partial(_sample, FrameSampler(fps=DEFAULT_FPS, transform=transform)), paths, cores()
    )
    asked = {name: read_questions(str(folder / f"{name}.json")).records for name in wordings}
    return Side({one.name: one for one in sampled}, asked)


def _sample(sampler: FrameSampler, path: Path) -> Sampled:
    stream, frames = sampler(str(path)), []
    while True:
        try:
            frames.append(next(stream))
        except StopIteration as end:
            time_s, end_s, squares = (np.array(column) for column in zip(*frames, strict=True))
            return Sampled(path.name, time_s, end_s, end.value.duration_s, squares)


def encoder_of(model: Path) -> Encoder:
    """Load a model of the bench."""
    return load_encoder(str(model), device=PartialState().device)[0]


def figures_by_wording(encoder: Encoder, side: Side) -> dict[str, npt.NDArray[np.float64]]:
    """Return (N, M) the `FIGURES` of a model's picks, by the default rule, by wording."""
    vectors = {
        name: encoder.images(one.squares.reshape(-1, *one.squares.shape[2:])).cpu().numpy()
        for name, one in side.videos.items()
    }
    return {name: _figures(encoder, side, own, vectors) for name, own in side.asked.items()}


def _figures(
    encoder: Encoder,
    side: Side,
    questions: Sequence[Question],
    vectors: Mapping[str, npt.NDArray[np.float32]],
) -> npt.NDArray[np.float64]:
    choose = load_rule(Rule())
    texts, _ = encoder.texts([one.question for one in questions])
    timed, picks = timed_questions(side, questions), []
    for one, text in zip(timed, texts, strict=True):
        own = side.videos[one.video]
        of_tiles = vectors[one.video].reshape(*own.squares.shape[:2], -1)  # (F, T, D)
        scored = ScoredVideo(
            scores=(of_tiles @ text).max(-1)[None],  # (1, F)
            time_s=own.time_s,
            end_s=own.end_s,
            duration_s=own.duration_s,
            vectors=of_tiles,
            seeds=np.array([question_seed(0, one.question.id)], np.uint64),
        )
        picks.append(own.time_s[choose(scored, FRAMES)[0]])
    return figures_of(timed, picks, FRAMES, FIGURES, {})


def uniform_figures(side: Side) -> npt.NDArray[np.float64]:
    """Return (N, M) the `FIGURES` of frames that are spread evenly."""
    timed = timed_questions(side, next(iter(side.asked.values())))
    return figures_of(timed, uniform_picks(timed, FRAMES), FRAMES, FIGURES, {})


def timed_questions(side: Side, questions: Sequence[Question]) -> list[TimedQuestion]:
    """Return the questions on the timelines of their videos."""
    found = []
    for one in questions:
        own = side.videos[Path(one.video_path).name]
        found.append(TimedQuestion(one, own.time_s, own.end_s, own.duration_s, own.name))
    return found
