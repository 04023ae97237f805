"""Say how many questions the demo's picks found, beside what needs no model.

    python examples/verdict.py demo/scenes/test/test.json --index demo/video_index \
        --trained demo/answers.jsonl --untrained demo/untrained.jsonl

Hit: a picked frame lies inside a support range. all@0.5: every support time has a pick within half
a second. Fails when the trained picks hit no more than uniform ones.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from index.cli import run

FRAMES = 4
SHOWN = ("hit", "all@0.5")


@dataclass(kw_only=True, slots=True)
class VerdictConfig:
    """Flags of examples/verdict.py."""

    questions: tyro.conf.Positional[Path]
    """Labelled questions that training never saw."""
    index: Path = Path("demo/video_index")
    """An index of their videos: it tells which frames could be picked."""
    trained: Path = Path("demo/answers.jsonl")
    """Answers of the trained model."""
    untrained: Path = Path("demo/untrained.jsonl")
    """Answers of the model before training."""


def verdict(config: VerdictConfig) -> int:
    """Print the table; returns 1 when training was for nothing."""
    import numpy as np

    from index.store import read_vectors
    from infer.baselines import Asked, panel, print_table
    from infer.indexed import find_indexed, read_library
    from infer.questions import load_questions

    library = read_library(config.index)
    asked = []
    clocks = {}
    for question in load_questions(str(config.questions)):
        _, video = find_indexed(library, question.video_path)
        if video.content_hash not in clocks:
            vectors = read_vectors(config.index, video.content_hash)
            clocks[video.content_hash] = (vectors.time_s, vectors.clip.duration_s)
        asked.append(Asked(question, *clocks[video.content_hash]))
    picks = {}
    for name, path in (("trained", config.trained), ("untrained", config.untrained)):
        answers = {a["id"]: a["frames"] for a in map(json.loads, path.read_text().splitlines())}
        picks[name] = [
            np.array([frame["time_s"] for frame in answers[one.question.id]]) for one in asked
        ]
    rows = panel(asked, picks, FRAMES).rows
    print_table({name: {m: row[m] for m in SHOWN} for name, row in rows.items()}, sys.stdout)
    if rows["trained"]["hit"] <= rows["uniform"]["hit"]:
        print("the trained picks hit no more than uniform ones", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run(verdict, VerdictConfig, __doc__)
