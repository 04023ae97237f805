"""Fine-tune a dual encoder on the frames that answered earlier questions.

Usage: accelerate launch train/main.py --json_path ../dataset/train/train.json
           --image_path dataset --video_path ../dataset/train/videos

Mine the frames first (train/mine.py), or let the text tower learn from an index without any:

       accelerate launch train/main.py --tune text --index video_index

Two processes on CPUs: ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 train/main.py

One optimizer step takes batch_size × accumulation_steps questions of each process. The model goes
to --output_path, with metrics.jsonl, training.json, loss.png and a model card. A run that was
killed goes on with --resume. The result is one JSON object on stdout.
"""

import json
import time
from typing import TYPE_CHECKING, Any

from index.cli import run
from index.errors import CueframeError
from train.config import TrainConfig, refuse_bad_values

if TYPE_CHECKING:
    from accelerate import PartialState

    from train.checkpoint import Progress
    from train.setup import Run
    from train.step import MicroBatch, StepReport
    from train.validate import Validation


def main(config: TrainConfig) -> int:
    """Train, or with --only_test validate; returns the exit code."""
    refuse_bad_values(config)
    from index.team import join_team
    from train.seed import set_seed

    state = join_team()
    set_seed(config.seed)
    return test(config, state) if config.only_test else train(config, state)


def train(config: TrainConfig, state: "PartialState") -> int:
    """Fine-tune; every process runs this."""
    from index.shortage import naming_memory
    from train.batches import epoch_order, own_shares
    from train.checkpoint import append_metrics, refuse_taken, save
    from train.model import set_training_mode
    from train.report import save_model
    from train.setup import set_up
    from train.telling import (
        log_line,
        say,
        stop_unless_finite,
        tell_unreadable,
        tell_validation,
    )
    from train.validate import write_records

    began_s = time.monotonic()
    output, leads = config.output_path, state.is_main_process
    rank, world_size = state.process_index, state.num_processes
    if leads and not config.resume:
        refuse_taken(output)
    this = set_up(config)
    progress = _begin(config, this)
    model, accelerator, optimizer = this.model, this.accelerator, this.optimizer
    flags = "--batch_size" + (" or --accumulation_steps" if this.index else "")

    for epoch in range(progress.step // this.steps_per_epoch, config.epochs):
        order = epoch_order(len(this.train_list), config.seed, epoch)
        shares = own_shares(order, this.step_size, rank, world_size)
        shares = shares[progress.step - epoch * this.steps_per_epoch :]  # what is not done yet
        steps = this.source.steps(epoch, shares)
        for share in shares:
            step_began_s = time.monotonic()
            with naming_memory(flags):
                batches = next(steps)
                optimizer.zero_grad()
                report = _gradient(config, this, batches)
            clipped = accelerator.clip_grad_norm_
            norm = float(clipped(this.learning, config.max_grad_norm))
            # A loss scaler (fp16) skips a step whose gradient is not finite by itself.
            checked = norm if accelerator.scaler is None else None
            ids = [this.train_list[number]["id"] for number in share]
            stop_unless_finite(report, checked, progress.step + 1, ids)
            lr = optimizer.param_groups[0]["lr"]
            optimizer.step()
            model.clamp_scale()
            if not accelerator.optimizer_step_was_skipped:
                this.scheduler.step()
            progress.step += 1

            line = {
                "step": progress.step,
                "epoch": epoch + 1,
                "loss": report.loss,
                "grad_norm": norm,
                "lr": lr,
                "scale": model.logit_scale.exp().item(),
                "bias": model.logit_bias.item(),
                "positives": report.positives,
                "negatives": report.negatives,
                "masked": report.masked,
                "step_s": round(time.monotonic() - step_began_s, 3),
            }
            if leads:
                append_metrics(output, line)
                if progress.step == 1:
                    say(_start_line(this, line))
                say(log_line(line, this.steps))
            accelerator.log(line, step=progress.step)

            epoch_ends = progress.step % this.steps_per_epoch == 0
            if epoch_ends and this.val_list:
                model.eval()
                validation = _validate(config, this, state)
                set_training_mode(model)
                if validation:  # rank 0
                    tell_validation(validation, f"validation after epoch {epoch + 1}")
                    append_metrics(output, {"step": progress.step, "validation": validation.table})
                    if progress.best is None or validation.rank_of > progress.best:
                        progress.best, progress.best_step = validation.rank_of, progress.step
                        progress.validation = validation.table
                        save_model(model.to_save(), this.processor, output)
                        write_records(output / "validation.jsonl", validation.records)
            if epoch_ends or progress.step % config.save_every == 0:
                save(accelerator, output, progress, keep=config.keep)

    tell_unreadable(this.source.unreadable())
    accelerator.end_training()
    if leads:
        _finish(config, this, progress, time.monotonic() - began_s)
    return 0


def test(config: TrainConfig, state: "PartialState") -> int:
    """Validate the model at --output_path, or --model where there is none, as training does."""
    from index.team import meeting_place
    from train.cached import open_index
    from train.model import load_model_to_train
    from train.report import refuse_trained_videos
    from train.setup import data_of, encoder_of
    from train.telling import tell_validation
    from train.validate import judge_picks, validate

    output = config.output_path
    name = str(output) if (output / "config.json").is_file() else config.model
    index = open_index(config.index) if config.index else None
    _, val_list = data_of(config, index)
    if not val_list:
        raise CueframeError(f"--ratio {config.ratio} leaves no question to validate on; raise it")
    refuse_trained_videos(output, val_list)
    clip, processor = load_model_to_train(name)
    clip.eval().to(state.device)
    encoder = encoder_of(config, clip, processor, index)
    with meeting_place(output, state) as scratch:
        used = (index.path, index.profile) if index else None
        result = validate(val_list, encoder, state, index=used, scratch=scratch, seed=config.seed)
    if result:
        tell_validation(result, f"{name}")
        sim = judge_picks(result.records, val_list, config.judge, state.device)
        shown = {"model": name, "questions": result.panel.questions}
        print(json.dumps(shown | {"validation": result.table, "sim_m": sim}))
    return 0


def _begin(config: TrainConfig, this: "Run") -> "Progress":
    """Take the output folder, and go back to the last checkpoint where the run goes on."""
    from index.shortage import naming_memory
    from train.checkpoint import Progress, claim, cut_metrics, load, sweep
    from train.setup import identity, plain, set_initial_bias
    from train.telling import say

    output, accelerator = config.output_path, this.accelerator
    if accelerator.is_main_process:
        claim(output, identity(config, this))
        sweep(output)
    accelerator.wait_for_everyone()
    progress = load(accelerator, output) if config.resume else Progress()
    if accelerator.is_main_process:
        cut_metrics(output, progress.step)
        if config.resume:
            say(f"going on after step {progress.step} of {this.steps}")
    accelerator.init_trackers(
        "cueframe", {name: value for name, value in plain(config).items() if value is not None}
    )
    if progress.step == 0 and config.loss_setting != 3:
        with naming_memory("--batch_size"):
            set_initial_bias(config, this)
    return progress


def _gradient(config: TrainConfig, this: "Run", batches: "list[MicroBatch]") -> "StepReport":
    """One step's gradient, over all processes."""
    from train.step import pool_gradient

    try:
        return pool_gradient(
            this.module,
            batches,
            config.loss_setting,  # type: ignore[arg-type]  # 1, 2 or 3 is checked
            this.model.logit_scale,
            this.model.logit_bias,
            rank=this.accelerator.process_index,
            world_size=this.accelerator.num_processes,
            backward=this.accelerator.backward,
        )
    except ValueError as error:
        if "without questions" not in str(error):
            raise
        raise CueframeError(
            "no true frame of a whole step can be read; mine the frames anew with train/mine.py"
        ) from error


def _validate(config: TrainConfig, this: "Run", state: "PartialState") -> "Validation | None":
    """Pick and score with the model as it is now; the result is rank 0's."""
    from index.team import meeting_place
    from train.validate import validate

    used = (this.index.path, this.index.profile) if this.index else None
    with meeting_place(config.output_path, state) as scratch, this.accelerator.autocast():
        return validate(
            this.val_list, this.encoder, state, index=used, scratch=scratch, seed=config.seed
        )


def _start_line(this: "Run", first: dict[str, Any]) -> str:
    """What a run is, in one line, once its first gradient is known."""
    accelerator, model = this.accelerator, this.model
    return (
        f"start: {sum(p.numel() for p in this.learning):,} of "
        f"{sum(p.numel() for p in model.parameters()):,} parameters learn; {this.steps} steps of "
        f"{this.step_size} questions, {this.steps_per_epoch} an epoch; {len(this.train_list)} "
        f"questions to train on, {len(this.val_list)} to validate on; first step: gradient norm "
        f"{first['grad_norm']:.4g}, {first['positives']} positives, {first['negatives']} "
        f"negatives, {first['masked']} masked pairs; {accelerator.num_processes} processes on "
        f"{accelerator.device.type}, mixed precision {accelerator.mixed_precision}"
    )


def _finish(config: TrainConfig, this: "Run", progress: "Progress", wall_s: float) -> None:
    """Rank 0: the last files, and the result."""
    from train.checkpoint import read_metrics
    from train.report import (
        draw_loss,
        save_model,
        split_of,
        versions,
        write_card,
        write_training_json,
    )
    from train.setup import data_fingerprint, plain
    from train.telling import say
    from train.validate import judge_picks, read_records

    output = config.output_path
    sim: dict[str, float] = {}
    if this.val_list:
        records = read_records(output / "validation.jsonl")
        sim = judge_picks(records, this.val_list, config.judge, this.accelerator.device)
    else:
        progress.best_step = progress.step
        save_model(this.model.to_save(), this.processor, output)
    losses = [line["loss"] for line in read_metrics(output) if "loss" in line]
    result = {
        "steps": progress.step,
        "saved_step": progress.best_step,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "validation": progress.validation,
        "sim_m": sim,
    }
    training = {
        "configuration": plain(config),
        "mixed_precision": this.accelerator.mixed_precision,
        "processes": this.accelerator.num_processes,
        "questions_per_step": this.step_size,
        "logit_bias": this.model.logit_bias.item(),
        "data": data_fingerprint(this.train_list, this.val_list),
        "split": split_of(this.train_list, this.val_list),
        "versions": versions(),
        "result": result,
    }
    write_training_json(output, training)
    write_card(output, training)
    draw_loss(output)
    say(f"the model of step {progress.best_step} is in {output}")
    print(json.dumps(result | {"output_path": str(output), "wall_s": round(wall_s, 3)}))


if __name__ == "__main__":
    run(main, TrainConfig, __doc__)
