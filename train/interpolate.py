"""Make a model whose weights lie between those of two: a model, and what it was fine-tuned to.

Usage: python train/interpolate.py A B --alpha 0.5 --output_path C
       python train/interpolate.py A B --alpha auto --json_path train.json --video_path videos/

A and B are model folders, or names on the hub. Each weight of C is (1 - alpha) times that of A plus
alpha times that of B. A fine-tuned model hits more on videos like those that it was trained on, and
the one before it often more on others; what lies between can be better on both. --alpha auto tries
0, 0.1 … 1 on labelled questions about videos that neither was trained on. The result is one JSON
object on stdout.
"""

import sys

try:
    from index.run_command import run
    from train.interpolating.config import InterpolateConfig, refuse_bad_values
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


def interpolate(config: InterpolateConfig) -> int:
    """Write the model between two; return the exit code."""
    refuse_bad_values(config)
    from train.interpolating.run import interpolate_models

    return interpolate_models(config)


if __name__ == "__main__":
    run(interpolate, InterpolateConfig, __doc__)
