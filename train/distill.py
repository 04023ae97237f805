"""Teach a multilingual text encoder to ask an index that another model built.

Usage: python train/distill.py --index video_index --student intfloat/multilingual-e5-small
           --pairs pairs.csv

PAIRS has texts in the language of the index's model, the teacher, and their translations. Without
any yet, write texts that are worth translating, and fill in the empty column:

       python train/distill.py --student NAME --suggest 200 --questions questions.json

No video is encoded again: python infer/answer.py questions.json --index video_index
--model saved_models/distilled asks the index in the languages of the translations. How near the
student comes on texts that it has not seen is printed to stderr, the result is one JSON object on
stdout.
"""

import sys

try:
    from index.run_command import run
    from train.distilling.config import DistillConfig, refuse_bad_values
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


def distill(config: DistillConfig) -> int:
    """Teach a student, or suggest texts; return the exit code."""
    refuse_bad_values(config)
    if config.suggest:
        from train.distilling.suggesting import suggest_texts

        return suggest_texts(config)
    from train.distilling.run import distill as teach

    return teach(config)


if __name__ == "__main__":
    run(distill, DistillConfig, __doc__)
