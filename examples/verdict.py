"""Check that the demo's training helped; exit 1 if it did not.

    python examples/verdict.py demo/scores.json demo/untrained_scores.json

Both files are output of infer/score.py: for the trained model's answers and for those before
training.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from index.run_command import run


@dataclass(kw_only=True, slots=True)
class VerdictConfig:
    """Flags of examples/verdict.py."""

    trained: tyro.conf.Positional[Path]
    """Scores of the trained model's answers."""
    untrained: tyro.conf.Positional[Path]
    """Scores of the untrained model's answers."""


def verdict(config: VerdictConfig) -> int:
    """Compare hits with uniform picks and with the untrained model; returns the exit code."""
    trained, untrained = (
        json.loads(path.read_bytes()) for path in (config.trained, config.untrained)
    )
    lead = trained["minus_uniform"]["answers"]["hit"]
    after, uniform, before = (
        scores["rows"][picker]["hit"]["mean"]
        for scores, picker in (
            (trained, "answers"),
            (trained, "uniform"),
            (untrained, "answers"),
        )
    )
    print(
        f"of the questions about videos it never saw, the trained model finds a right frame for "
        f"{100 * after:.1f} %, uniform frames hold one for {100 * uniform:.1f} % (difference "
        f"{100 * lead['mean']:.1f}, 95 % interval {100 * lead['low']:.1f} … "
        f"{100 * lead['high']:.1f}), the untrained model's for {100 * before:.1f} %"
    )
    if lead["low"] <= 0 or after <= before:
        print("training was for nothing: see the scores above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run(verdict, VerdictConfig, __doc__)
