"""Draw videos and ask about them: three sides to train on and one to test on, which share no video.

    python examples/labels/draw.py labels/clips

    labels/clips/train_0/train_0.json    280 questions, with paraphrases in English and Vietnamese
    labels/clips/train_1, train_2        others of their kind
    labels/clips/test/seen.json          in the wordings of training
    labels/clips/test/unseen_1.json …    the same questions in unseen wordings, joined by id

and beside the questions of each side its videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from examples.labels.training_wordings import TRAINING
from examples.labels.unseen_wordings import UNSEEN
from examples.picks.processes import cores
from examples.scenes import (
    QUESTIONS_PER_VIDEO,
    Scene,
    ask,
)
from examples.sides import Records, draw_each_side
from examples.wording import Language
from index.run_command import run

UNSEEN_FILES = tuple(f"unseen_{n}" for n in range(1, 1 + len(UNSEEN["en"])))


@dataclass(kw_only=True, slots=True)
class DrawConfig:
    """Flags of examples/labels/draw.py."""

    folder: tyro.conf.Positional[Path]
    """Folder to draw in; what an earlier run drew is replaced."""
    sides: int = 3
    """Number of sides to train on, each for one seed of the bench."""
    train_videos: int = 60
    """Number of videos of such a side; every 3 have 14 questions."""
    test_videos: int = 110
    """Number of videos to test on."""
    seed: int = 0
    """The same seed draws the same videos."""


def draw_sides(config: DrawConfig, processes: int) -> dict[str, int]:
    """Draw all videos and write their questions; return the number of questions by side."""
    counts = {f"train_{n}": config.train_videos for n in range(config.sides)}
    counts["test"] = config.test_videos
    return draw_each_side(config.folder, counts, config.seed, processes, ask_side)


def ask_side(side: str, scenes: Sequence[Scene], seed: int) -> dict[str, Records]:
    """Ask about the scenes of a side; return its records by the name of their file."""
    if side == "test":
        return ask_test(scenes, seed)
    return {side: ask_training(scenes, side, seed)}


def ask_training(scenes: Sequence[Scene], side: str, seed: int) -> Records:
    """Ask as the demo does; each question has all other training wordings as paraphrases."""
    records: Records = []
    for scene, count in zip(scenes, _counts(scenes), strict=True):
        worded = [
            [one["question"] for one in ask(scene, count, side, seed, wording)]
            for wordings in TRAINING.values()
            for wording in wordings
        ]
        for one, *texts in zip(ask(scene, count, side, seed), *worded, strict=True):
            records.append(one | {"paraphrases": [t for t in texts if t != one["question"]]})
    return records


def ask_test(scenes: Sequence[Scene], seed: int) -> dict[str, Records]:
    """Ask as the demo does, and the same in each unseen wording; records by name of their file."""
    asked: dict[str, Records] = {name: [] for name in ("seen", *UNSEEN_FILES)}
    for scene, count in zip(scenes, _counts(scenes), strict=True):
        seen = ask(scene, count, "test", seed)
        asked["seen"] += seen
        for number, name in enumerate(UNSEEN_FILES):
            by_language = {
                language: ask(scene, count, "test", seed, wordings[number])
                for language, wordings in UNSEEN.items()
            }
            asked[name] += [
                by_language[language_of(one)][place] | {"id": one["id"]}
                for place, one in enumerate(seen)
            ]
    return asked


def language_of(record: dict[str, Any]) -> Language:
    """Return the language of a question that `ask` wrote, which is in its id."""
    return "vi" if "-vi-" in record["id"] else "en"


def _counts(scenes: Sequence[Scene]) -> list[int]:
    """Return how many questions are asked about each scene."""
    return [QUESTIONS_PER_VIDEO[n % len(QUESTIONS_PER_VIDEO)] for n in range(len(scenes))]


def draw(config: DrawConfig) -> int:
    """Draw all sides and print what was drawn; returns 0."""
    for side, questions in draw_sides(config, cores()).items():
        print(f"drew the side {side} with {questions} questions in {config.folder / side}")
    return 0


if __name__ == "__main__":
    run(draw, DrawConfig, __doc__)
