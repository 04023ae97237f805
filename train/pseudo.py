"""Label questions without labels by the frames that lead: more questions to train on.

Usage: python train/pseudo.py --json_path labelled.json --unlabelled questions.json
           --index video_index

Heads behind the index's text side learn from the labelled questions; each question is read by one
that has seen no label of its video. The frame that fits a question best becomes its label if it
leads all others by a margin, which is chosen on labelled videos that were held out. The labels are
kept only if heads that learn from them, too, hit more on such videos, beyond chance. --output_path
then holds the labelled questions as they are and the others with support_frames and pseudo_label.
What was found is one JSON object on stdout.
"""

import sys

try:
    from index.run_command import run
    from train.pseudo_labels.config import PseudoConfig, refuse_bad_values
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


def pseudo(config: PseudoConfig) -> int:
    """Label questions; return the exit code."""
    refuse_bad_values(config)
    from train.pseudo_labels.run import label

    return label(config)


if __name__ == "__main__":
    run(pseudo, PseudoConfig, __doc__)
