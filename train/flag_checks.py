"""Checks of the flags of train/main.py. No torch, so that a bad value is told at once."""

import importlib.util
import math

from index.errors import CueframeError
from index.run_command import positive
from index.storage.atomic_write import folder_of, refuse_overwriting
from train.config import TrainConfig
from train.launching import refuse_other_launches
from train.losses.registry import LOSSES
from train.tune import Tower, Tune, read_tune


def refuse_bad_values(config: TrainConfig) -> None:
    """Check the flags before anything heavy is loaded.

    Raises:
        CueframeError: A number out of range, flags that do not go together, a missing package or
            file; or a launcher that is set up for something else.
    """
    refuse_other_launches(config.mixed_precision)
    for flag, value in (
        ("--epochs", config.epochs),
        ("--steps", config.steps),
        ("--batch_size", config.batch_size),
        ("--accumulation_steps", config.accumulation_steps),
        ("--lr", config.lr),
        ("--lr_vision", config.lr_vision),
        ("--lr_text", config.lr_text),
        ("--max_grad_norm", config.max_grad_norm),
        ("--save_every", config.save_every),
        ("--keep", config.keep),
        ("--log_every", config.log_every),
        ("--lora_rank", config.lora_rank),
        ("--lora_alpha", config.lora_alpha),
    ):
        positive(flag, value)
    for flag, value in (
        ("--weight_decay", config.weight_decay),
        ("--negatives_per_question", config.negatives_per_question),
        ("--guard_s", config.guard_s),
        ("--num_workers", config.num_workers),
        ("--min_steps", config.min_steps or 0),
        ("--patience", config.patience or 0),
    ):
        if not 0 <= value < math.inf:
            raise CueframeError(f"{flag} is {value}; give 0 or more")
    for flag, given in (("--epochs", config.epochs), ("--min_steps", config.min_steps)):
        if config.steps is not None and given is not None:
            raise CueframeError(
                f"--steps {config.steps} is the exact number of steps, and {flag} {given} asks for "
                "another; leave one of them out"
            )
    for flag, value in (("--ratio", config.ratio), ("--warmup_ratio", config.warmup_ratio)):
        if not 0 <= value <= 1:
            raise CueframeError(f"{flag} is {value}; give a share from 0 to 1")
    for flag, setting, known in (
        ("--caption_setting", config.caption, (1, 2, 3)),
        ("--loss_setting", config.loss_setting, LOSSES),
    ):
        if setting not in known:
            numbers = ", ".join(map(str, known))
            raise CueframeError(
                f"{flag} is {setting}; give one of {numbers} (--help says what they are)"
            )
    if config.patience and not config.ratio:
        raise CueframeError(
            f"--patience {config.patience} counts validations, and --ratio 0 leaves none; leave "
            "one of them out"
        )
    tune = read_tune(config.tune)
    if config.index and tune.part != "text" and not config.only_test:
        raise CueframeError(
            f"--index gives vectors of a vision side that stays as it is, and --tune {config.tune} "
            "changes it; add --tune text, or leave --index out"
        )
    _refuse_rates(config, tune)
    _refuse_bad_lora(config, tune)
    model = folder_of(config.model)
    if not config.only_test:
        refuse_overwriting(
            {"--output_path": config.output_path / "config.json"},
            {"the index": [config.index], "the model": [model and model / "config.json"]},
        )
    if config.tracker != "none" and not importlib.util.find_spec(config.tracker):
        raise CueframeError(
            f"--tracker {config.tracker} needs a package that is not installed; "
            f"pip install {config.tracker}, or choose --tracker none"
        )
    if not config.json_path.is_file():
        raise CueframeError(
            f"{config.json_path} is not there; name the questions' file by --json_path"
        )


def _refuse_rates(config: TrainConfig, tune: Tune) -> None:
    rates: dict[Tower, float | None] = {"vision": config.lr_vision, "text": config.lr_text}
    for tower, rate in rates.items():
        if rate is not None and tower not in tune.towers:
            raise CueframeError(
                f"--lr_{tower} is {rate}, and with --tune {config.tune} the {tower} side does not "
                "learn; leave it out, or choose another --tune"
            )


def _refuse_bad_lora(config: TrainConfig, tune: Tune) -> None:
    rank = config.lora_rank
    if rank is None:
        for flag, given in (
            ("--lora_alpha", config.lora_alpha is not None),
            ("--save_adapter", config.save_adapter),
        ):
            if given:
                raise CueframeError(
                    f"{flag} is about low-rank additions, and there are none without --lora_rank; "
                    "give a rank, or leave it out"
                )
        return
    if tune.part == "projection":
        raise CueframeError(
            f"--lora_rank {rank} adds to layers inside the towers, and --tune projection trains "
            "none of them; leave --lora_rank out, or choose --tune all, vision or text"
        )
    if not config.only_test and not importlib.util.find_spec("peft"):
        raise CueframeError(
            f"--lora_rank {rank} needs the package peft, which is not installed; run pip install "
            "-e '.[lora]' in the checkout, or leave --lora_rank out"
        )
