"""The length of a run: the steps that --epochs, --steps and --min_steps ask for, and --patience.

A run that is resumed may get another length; whatever of it is not asked for anew stays as it was.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from index.errors import CueframeError
from index.resume import recorded
from train.checkpoint import RUN, Progress, last_step
from train.config import LENGTH, TrainConfig

LENGTH_FLAGS = tuple(f"--{name.replace('_', '-')}" for name in LENGTH)
"""As run.json names them."""

EPOCHS = 1
"""Without any of these flags."""


def planned_steps(config: TrainConfig, steps_per_epoch: int) -> int:
    """Return the optimizer steps of a run: whole epochs, or exactly --steps of them."""
    if config.steps is not None:
        return config.steps
    epochs = EPOCHS if config.epochs is None else config.epochs
    return max(epochs, -(-(config.min_steps or 0) // steps_per_epoch)) * steps_per_epoch


def with_length_of(output: Path, config: TrainConfig) -> TrainConfig:
    """Return the configuration with the length of the run in a folder, where none is asked for.

    Raises:
        CueframeError: The settings of that run cannot be read.
    """
    run = recorded(output / RUN)
    kept = {name: run.get(flag) for name, flag in zip(LENGTH, LENGTH_FLAGS, strict=True)}
    before = {name: one if isinstance(one, int) else None for name, one in kept.items()}
    if config.steps is not None:
        before |= {"epochs": None, "min_steps": None}
    if config.epochs is not None or config.min_steps is not None:
        before["steps"] = None
    left_out = {name: before[name] for name in LENGTH if getattr(config, name) is None}
    return replace(config, **cast("dict[str, Any]", left_out))


def refuse_shorter(output: Path, steps: int) -> None:
    """Refuse a length that the run in a folder has passed already.

    Raises:
        CueframeError: Its last checkpoint is of a later step.
    """
    done = last_step(output)
    if done > steps:
        raise CueframeError(
            f"{output} has a run of {done} steps, and now it should have {steps}; ask for at least "
            "as many by --epochs or --steps, or name another folder by --output_path"
        )


def note_length(progress: Progress, steps: int) -> int | None:
    """Note the length of the run from here on; return the length before, if it was another."""
    before, progress.steps = progress.steps, steps
    if before in (0, steps):  # 0: it begins here
        return None
    progress.lengths.append({"after_step": progress.step, "steps_before": before, "steps": steps})
    return before


def runs_out(config: TrainConfig, progress: Progress) -> bool:
    """Tell whether --patience ends the run: so many validations without a better one."""
    least = progress.step >= (config.min_steps or 0)
    return bool(config.patience) and progress.since_best >= (config.patience or 0) and least
