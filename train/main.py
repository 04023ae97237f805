"""Fine-tune a dual encoder on the frames that answered earlier questions.

Usage: accelerate launch train/main.py --json_path ../dataset/train/train.json
           --image_path dataset --video_path ../dataset/train/videos

Mine the frames first (train/mine.py), or train the text tower alone from an index, without them:

       accelerate launch train/main.py --tune text --index video_index

Two processes on CPUs: ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 train/main.py

One optimizer step takes batch_size × accumulation_steps questions of each process. The model goes
to --output_path, with metrics.jsonl, training.json, loss.png and a model card. --resume continues
an interrupted run. The result is one JSON object on stdout.
"""

import sys

try:
    from index.run_command import run
    from train.config import TrainConfig
    from train.flag_checks import refuse_bad_values
except ModuleNotFoundError as missing:
    print(f"error: no module {missing.name}; run pip install -e . in the checkout", file=sys.stderr)
    sys.exit(2)


def main(config: TrainConfig) -> int:
    """Train, or with --only_test validate; return the exit code."""
    refuse_bad_values(config)
    from train.training import train_or_test

    return train_or_test(config)


if __name__ == "__main__":
    run(main, TrainConfig, __doc__)
