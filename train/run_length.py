"""The length of a run: the steps that --epochs, --steps and --min_steps ask for."""

from train.config import TrainConfig

EPOCHS = 1
"""Without any of these flags."""


def planned_steps(config: TrainConfig, steps_per_epoch: int) -> int:
    """Return the optimizer steps of a run: whole epochs, or exactly --steps of them."""
    if config.steps is not None:
        return config.steps
    epochs = EPOCHS if config.epochs is None else config.epochs
    return max(epochs, -(-(config.min_steps or 0) // steps_per_epoch)) * steps_per_epoch
