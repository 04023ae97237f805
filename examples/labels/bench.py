"""How many labelled questions are needed: train on few and many, before and after, and ask.

    python examples/labels/bench.py labels

The folder holds clips/ of examples/labels/draw.py. For each of its sides, which is a seed, frames
are mined once; then a model learns from the first 35, 70, 140 or 280 questions by each recipe, and
answers the test in seen and in unseen wordings. What is done is kept in labels/runs, so an
interrupted bench goes on where it was.

    labels/labels.md    the tables

The tables go to stderr as well, the result as one JSON object to stdout.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from examples.labels.draw import UNSEEN_FILES
from examples.labels.measure import encoder_of, read_side, timed_questions, uniform_figures
from examples.labels.recipes import PARTS
from examples.labels.runs import Trained, mine, trained
from examples.labels.tables import curve, figures, gains, markdown
from index.messages import json_line
from index.run_command import run


@dataclass(kw_only=True, slots=True)
class BenchConfig:
    """Flags of examples/labels/bench.py."""

    folder: tyro.conf.Positional[Path]
    """Folder with clips/; mined/ and runs/ are written there."""
    questions: tuple[int, ...] = (35, 70, 140, 280)
    """Numbers of labelled questions of the curve."""
    parts_at: int = 140
    """Number of labelled questions with which each part is tried alone."""
    seed: int = 42
    """Seed of the bootstrap."""


def bench(config: BenchConfig) -> int:
    """Run the bench and print its result; returns 0."""
    folder = config.folder
    seeds = sorted(int(path.name.removeprefix("train_")) for path in folder.glob("clips/train_*"))
    for seed in seeds:
        mine(folder, seed)
    transform = encoder_of(folder / "mined" / "model_0").transform
    test = read_side(folder / "clips" / "test", ("seen", *UNSEEN_FILES), transform)

    def runs(name: str, questions: int) -> list[Trained]:
        return [trained(folder, name, questions, seed, test) for seed in seeds]

    names = ("before", "after")
    of_curve = {(name, n): runs(name, n) for n in config.questions for name in names}
    before, *after = (runs(name, config.parts_at) for name in (*names, *PARTS))
    videos = [one.video for one in timed_questions(test, test.asked["seen"])]
    even = uniform_figures(test)[None]
    result = {
        "questions": len(videos),
        "uniform": figures(even, videos, config.seed),
        "curve": curve(of_curve, videos, config.seed),
        "parts": gains(dict(zip(("all", *PARTS), after, strict=True)), before, videos, config.seed),
    }
    (folder / "labels.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result), file=sys.stderr)
    print(json_line(result))
    return 0


if __name__ == "__main__":
    run(bench, BenchConfig, __doc__)
