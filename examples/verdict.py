"""Say whether the demo's training was for something: exit 1 when it was not.

    python examples/verdict.py demo/scores.json demo/untrained_scores.json

Both files are what infer/score.py wrote: of the trained model's answers and of those before
training.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from index.cli import run


@dataclass(kw_only=True, slots=True)
class VerdictConfig:
    """Flags of examples/verdict.py."""

    trained: tyro.conf.Positional[Path]
    """Scores of the trained model's answers."""
    untrained: tyro.conf.Positional[Path]
    """Scores of the untrained model's answers."""


def verdict(config: VerdictConfig) -> int:
    """Compare hits with uniform picks and with the untrained model."""
    trained, untrained = (
        json.loads(path.read_bytes()) for path in (config.trained, config.untrained)
    )
    lead = trained["minus_uniform"]["answers"]["hit"]
    before = untrained["rows"]["answers"]["hit"]["mean"]
    after = trained["rows"]["answers"]["hit"]["mean"]
    print(
        f"hits: {100 * before:.1f} % untrained, {100 * after:.1f} % trained, which is "
        f"{100 * lead['mean']:.1f} ({100 * lead['low']:.1f} … {100 * lead['high']:.1f}) more than "
        "uniform picks"
    )
    if lead["low"] <= 0 or after <= before:
        print("training was for nothing: see the scores above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run(verdict, VerdictConfig, __doc__)
