"""The final files of a run and its result."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from index.messages import say
from train.checkpoint import Progress, read_metrics, resumable
from train.config import TrainConfig
from train.loss_curve import draw_loss
from train.model_card import save_model, split_of, write_card, write_training_json
from train.provenance import device_json, languages_of
from train.setup import Run, data_fingerprint, json_values
from train.validate import judge_picks, read_records


def finish(config: TrainConfig, this: Run, progress: Progress, wall_s: float) -> None:
    """Write the final files and print the result, on rank 0.

    Whatever they need was checked before the first step.
    """
    output = config.output_path
    sim: dict[str, float] = {}
    if this.val_list:
        records = read_records(output / "validation.jsonl")
        records = [one for one in records if one.get("half") != "chosen_on"]
        sim = judge_picks(records, this.val_list, this.judge, this.accelerator.device)
    else:
        progress.best_step = progress.step
        with resumable(output):
            save_model(this.model, output)
    steps = [line for line in read_metrics(output) if "loss" in line]
    result = {
        "steps": progress.step,
        "saved_step": progress.best_step,
        "first_loss": mean_loss(steps[: this.steps_per_epoch]),
        "last_loss": mean_loss(steps[-this.steps_per_epoch :]),
        "validation": {},
        **progress.validation,
        "sim_m": sim,
    }
    training = {
        "configuration": json_values(config),
        "library": this.model.dual.library,
        "mixed_precision": this.accelerator.mixed_precision,
        "processes": this.accelerator.num_processes,
        "questions_per_step": this.step_size,
        "length": {"steps": this.steps, "changes": progress.lengths},
        "logit_bias": this.model.logit_bias.item(),
        "data": data_fingerprint(this.train_list, this.val_list),
        "split": split_of(this.train_list, this.val_list, config.seed),
        "languages": languages_of(one["caption"] for one in this.train_list),
        "device": device_json(this.accelerator.device),
        "wall_s": round(wall_s, 3),
        "versions": this.versions,
        "result": result,
    }
    with resumable(output):
        write_training_json(output, training)
        write_card(output, training)
        draw_loss(output, progress.best_step)
    say(f"the model of step {progress.best_step} is in {output}")
    print(json.dumps(result | {"output_path": str(output), "wall_s": round(wall_s, 3)}))


def mean_loss(steps: Sequence[dict[str, Any]]) -> float:
    """Return the mean loss of some steps over their questions.

    So many steps as an epoch has, one after another, hold one step of each size, for the last of an
    epoch may be smaller. The loss of a smaller pool is lower, so single steps cannot be compared.
    """
    questions = [line["positives"] for line in steps]
    losses = [line["loss"] for line in steps]
    return float(np.average(losses, weights=questions))
